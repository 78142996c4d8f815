"""The only code that knows Ray: runs shards as tasks, on this machine or on the cluster of RAY_ADDRESS.

Tasks carry file names, never pages. A task that raises is reported as failed (datatrove's Ray executor returns normally
when a task has raised). What a worker logs comes back with its task and is logged again by the driver.
"""

import os
import signal
import socket
import threading
from typing import Any

from pipeline.base.errors import UserError
from pipeline.base.logs import capture_records, replay, task_context
from pipeline.base.paths import CHECKOUT, INSTALLED, python_path
from pipeline.kernels.compile import ensure_compiled
from pipeline.runner.task import Task, run_task

CONNECT_SECONDS = 10  # to wait for an answer from RAY_ADDRESS


class RayPool:
    """Tasks on `workers` CPUs. Raises UserError when the cluster has fewer, or cannot be reached."""

    def __init__(self, workers: int):
        self._ray = _start(workers)
        # A cluster of our own has CPUs for `workers` tasks. As many again are queued, so no CPU waits for the driver.
        self.width = workers if os.environ.get("RAY_ADDRESS") else 2 * workers
        self._remote = self._ray.remote(num_cpus=1, max_retries=0)(_run_and_capture)
        self._in_flight: dict[Any, Task] = {}

    def submit(self, task: Task) -> None:
        remote = self._remote
        if task.attempt > 1:  # another environment means another worker process: a retry never meets a broken one
            remote = remote.options(runtime_env={"env_vars": {"CORPUS_ATTEMPT": str(task.attempt)}})
        self._in_flight[remote.remote(task)] = task

    def wait(self) -> tuple[Task, dict[str, Any] | BaseException]:
        (reference, *_), _ = self._ray.wait(list(self._in_flight), num_returns=1)
        task = self._in_flight.pop(reference)
        try:
            marker, records = self._ray.get(reference)
            replay(records)
        except self._ray.exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None) or error
            replay(getattr(cause, "log_records", []))
            return task, cause
        except self._ray.exceptions.RayError as error:  # the worker died, or its node
            return task, error
        return task, marker

    def close(self) -> None:
        """End the workers of a cluster of our own, with their tasks; on a shared cluster, cancel the tasks."""
        if os.environ.get("RAY_ADDRESS"):  # only there: Ray aborts where a task ends while it is being cancelled
            for reference in self._in_flight:
                self._ray.cancel(reference, force=True)
        self._ray.shutdown()


def _run_and_capture(task: Task) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run a task in a worker; returns the shard's marker, and what it has logged.

    An error that it raises carries the records instead. The worker's node may not have compiled this version of the
    kernels yet.
    """
    records: list[dict[str, Any]] = []
    try:
        with capture_records() as records, task_context(task.step, task.index):
            ensure_compiled()
            marker = run_task(task)
    except Exception as error:
        error.log_records = records  # type: ignore[attr-defined]
        raise
    return marker, records


def _start(workers: int) -> Any:
    """Start or join a cluster; returns the module `ray`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # nobody else reaches it; spares a token file in $HOME
        os.environ["PYTHONPATH"] = python_path()  # a runtime_env would not reach workers that Ray starts in advance
    elif ":" in address:
        _check_reachable(address)
    import ray

    # "local" by name: without an address Ray would join whatever cluster somebody has started on this machine
    cluster = {"address": address} if address else {"address": "local", "num_cpus": workers}
    stop_handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**cluster, **_options(address))
    except ConnectionError as error:
        tip = "is it up, and of this release of Ray? where `ray start` spoke of tokens, set RAY_AUTH_MODE=token"
        raise UserError(f"RAY_ADDRESS={address}: {error}; {tip}") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop_handler)  # Ray's own handler aborts with a stack trace
    cores = int(ray.cluster_resources().get("CPU", 0))
    if cores < workers:
        ray.shutdown()
        raise UserError(f"WORKERS={workers}: the Ray cluster has {cores} CPUs; give WORKERS={cores} or less")
    return ray


def _check_reachable(address: str) -> None:
    """Raise UserError when nobody listens at `address`. Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise UserError(f"RAY_ADDRESS={address}: no cluster answers there ({error}); start it or unset it") from error


def _options(address: str | None) -> dict[str, Any]:
    """Arguments of `ray.init`. A cluster that was there before is sent this checkout, or the installed package."""
    common = {"log_to_driver": False, "logging_level": "ERROR"}  # raw output of workers: `wait` replays their log
    if not address:
        return {**common, "include_dashboard": False}
    excludes = [".git", ".venv*", ".cache", "/data", "__pycache__", "tests"]
    cache = {"CORPUS_CACHE": "~/.cache/corpus-pipeline"}  # on each node: the checkout is sent to a new folder each time
    code = {"py_modules": [str(CHECKOUT.parent)]} if INSTALLED else {"working_dir": str(CHECKOUT)}
    return {**common, "runtime_env": {**code, "excludes": excludes, "env_vars": cache}}
