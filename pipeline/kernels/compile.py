"""Compile every numba kernel before workers start. Otherwise each worker would compile the kernels again.

Two child processes compile at the same time, each by running a tiny pipeline (`pipeline.commands.compile_kernels`).
What they compile is cached (`pipeline/kernels/machine_code.py`), and so is a mark that nothing is left to compile.
"""

import contextlib
import hashlib
import logging
import os
import subprocess
import sys
import tempfile

from pipeline.base.file_lock import lock_file
from pipeline.base.paths import PACKAGE_PREFIX, python_path
from pipeline.kernels import disk_cache

TINY_RUNS = ("pages", "texts")  # what `python -m pipeline.commands.compile_kernels` accepts

log = logging.getLogger(__name__)


def ensure_compiled() -> None:
    """Compile what is not compiled yet, or wait while another process does.

    Where a child fails, a warning gives the reason, and kernels are compiled when they are first called.
    """
    mark = disk_cache.entry_folder("kernels", "ready", _version())
    if mark.exists():
        return
    with lock_file(mark.parent / ".lock"):
        if mark.exists():
            return
        log.info("compiling kernels, once for this version of the code (about a minute on two cores)")
        failure = _run_children()
        if failure:
            log.warning("not all kernels were compiled before they are needed: %s", failure)
        else:
            mark.mkdir()


def _version() -> str:
    """Hash of all kernels, of the versions of numba and Python, and of the CPU that machine code is for."""
    import llvmlite.binding
    import numba

    from pipeline.kernels.machine_code import kernel_sources, source_digest

    digests = [source_digest(module) for module in sorted(kernel_sources())]
    parts = [numba.__version__, sys.version, llvmlite.binding.get_host_cpu_name(), *digests]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _run_children() -> str:
    """Run both tiny pipelines; returns the last line that a failed one has written, "" when both succeed."""
    environment = {
        **os.environ,
        "PYTHONPATH": python_path(),
        "CORPUS_CACHE": str(disk_cache.cache_root()),
    }
    with tempfile.TemporaryFile("w+") as output, contextlib.ExitStack() as stack:
        children = []
        for name in TINY_RUNS:
            command = [sys.executable, "-P", "-m", f"{PACKAGE_PREFIX}pipeline.commands.compile_kernels", name]
            child = subprocess.Popen(
                command, cwd=disk_cache.CHECKOUT, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
            stack.callback(child.wait)
            stack.callback(child.kill)  # where this process is stopped
            children.append(child)
        exit_codes = [child.wait() for child in children]
        if not any(exit_codes):
            return ""
        output.seek(0)
        return output.read().strip().rpartition("\n")[2]
