"""Commands and peers in processes of their own, and what they cost."""

import ctypes
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.support.paths import CHECKOUT

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h


@dataclass(frozen=True)
class Cost:
    """Of one command and everything that it started."""

    cpu: float  # seconds
    wall: float  # seconds
    peak: int  # bytes of RSS of the largest process


def measured(command: list[str], log: Path, path: Path | str = CHECKOUT, **environment: str) -> tuple[Cost, str]:
    """Run it with `path` first among Python's and wait for all that descends from it: (cost, stdout).

    Raises RuntimeError with the end of its log when it fails.
    """
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)  # orphans come to us, so that their seconds count too
    others, started = _children(), time.monotonic()
    around = {**os.environ, "PYTHONPATH": str(path), "LC_ALL": "C.UTF-8", **environment}
    around.pop("PYTHONDONTWRITEBYTECODE", None)  # no user has it, and each run would compile our sources
    with (
        log.open("w") as err,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, cwd=CHECKOUT, env=around, text=True) as process,
    ):
        assert process.stdout is not None
        said = process.stdout.read()
        cpu, peak, code = 0.0, 0, 0
        for pid, status, used in _reaped(others):
            cpu += used.ru_utime + used.ru_stime
            peak = max(peak, used.ru_maxrss * 1024)
            if pid == process.pid:
                process.returncode = code = os.waitstatus_to_exitcode(status)
    if code:
        raise RuntimeError(f"{' '.join(command)}\n{log.read_text()[-3000:]}")
    return Cost(cpu, time.monotonic() - started, peak), said.strip()


def _reaped(others: set[int]) -> Iterator[tuple[int, int, Any]]:
    """Every child of ours but `others`, as it ends; orphans of one become ours when it does."""
    while left := _children() - others:
        for pid in left:
            yield os.wait4(pid, 0)


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


class NotInstalled(Exception):
    """Why a peer cannot be measured, in one line."""


class Peer:
    """A peer that stays loaded in its own environment and does its work once each time it is asked.

    `python` runs `script` with `arguments`; for each line on stdin it answers with one line of JSON, the first when it
    is ready. Raises NotInstalled when it does not start.
    """

    def __init__(self, python: Path, script: str, *arguments: str):
        if not python.exists():
            raise NotInstalled(f"no environment {python.parent.parent.name}; `make bench` makes it")
        failed = python.parent.parent / "failed"
        if failed.exists():
            raise NotInstalled((failed.read_text().strip().splitlines() or ["pip failed"])[-1])
        command = [str(python), str(CHECKOUT / "tests" / "bench" / script), *arguments]
        around = {**os.environ, "PYTHONPATH": "", "LC_ALL": "C.UTF-8"}
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the peer
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, env=around
        )
        self.ready = self._answer()

    def turn(self) -> Any:
        """What one more turn gives."""
        assert self._process.stdin is not None
        self._process.stdin.write("again\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            said = self._log.read().strip().splitlines()
            raise NotInstalled(said[-1][:200] if said else f"exit status {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()


def pinned(peer: str, distribution: str) -> str:
    """The version of a peer that its requirements pin."""
    name = "requirements-peers" + ("" if peer == "datatrove" else f"-{peer}")
    lines = (CHECKOUT / f"tests/{name}.txt").read_text().splitlines()
    return next((line.partition("==")[2] for line in lines if line.lower().startswith(f"{distribution}==")), "")
