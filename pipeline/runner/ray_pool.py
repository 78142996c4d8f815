"""The only code that knows Ray: shards as tasks, on this machine or on the cluster of RAY_ADDRESS.

Tasks carry file names, never pages. A task that raises fails here too: nothing ends well that did not (datatrove's Ray
executor returns normally when a task has raised).
"""

import os
import signal
import socket
import sys
import threading
from typing import Any

from pipeline.base.errors import UserError
from pipeline.base.paths import CHECKOUT
from pipeline.commands.compile_kernels import ready
from pipeline.runner.task import Task, run_task


class RayPool:
    """Tasks on `workers` CPUs. Raises UserError when the cluster has fewer, or cannot be reached."""

    def __init__(self, workers: int):
        self._ray = _start(workers)
        # A cluster of its own has no CPU for more than `workers` tasks: as many again are there when one ends.
        self.width = workers if os.environ.get("RAY_ADDRESS") else 2 * workers
        self._remote = self._ray.remote(num_cpus=1, max_retries=0)(_work)
        self._flying: dict[Any, Task] = {}

    def submit(self, task: Task) -> None:
        run = self._remote
        if task.attempt > 1:  # another environment is another worker process: a retry never meets a sick one
            run = run.options(runtime_env={"env_vars": {"CORPUS_ATTEMPT": str(task.attempt)}})
        self._flying[run.remote(task)] = task

    def wait(self) -> tuple[Task, BaseException | None]:
        (reference, *_), _ = self._ray.wait(list(self._flying), num_returns=1)
        task = self._flying.pop(reference)
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            return task, getattr(error, "cause", None) or error
        except self._ray.exceptions.RayError as error:  # the worker died, or its node
            return task, error
        return task, None

    def close(self) -> None:
        """End the workers of a cluster of its own, tasks and all; on a shared one, end the tasks."""
        if os.environ.get("RAY_ADDRESS"):  # not without need: Ray aborts where a task ends while it is being cancelled
            for reference in self._flying:
                self._ray.cancel(reference, force=True)
        self._ray.shutdown()


def _work(task: Task) -> None:
    """What a worker does, on a node that may not have compiled this version of the kernels yet."""
    ready(lambda line: print(line, file=sys.stderr))
    run_task(task)


def _start(width: int) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # nobody else reaches it; spares a token file in $HOME
        os.environ["PYTHONPATH"] = str(CHECKOUT)  # not by runtime_env: workers started in advance would not do for it
    elif ":" in address:
        _reach(address)
    import ray

    # "local" by name: without an address Ray would join whatever cluster somebody has started on this machine
    where = {"address": address} if address else {"address": "local", "num_cpus": width}
    stops = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**where, **_options(address))
    except ConnectionError as error:
        tip = "is it up, and of this release of Ray? where `ray start` spoke of tokens, set RAY_AUTH_MODE=token"
        raise UserError(f"RAY_ADDRESS={address}: {error}; {tip}") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stops)  # Ray's own handler aborts with a stack trace
    cores = int(ray.cluster_resources().get("CPU", 0))
    if cores < width:
        ray.shutdown()
        raise UserError(f"WORKERS={width}: the Ray cluster has {cores} CPUs; give WORKERS={cores} or less")
    return ray


def _reach(address: str) -> None:
    """Raises UserError when nobody listens there: Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise UserError(f"RAY_ADDRESS={address}: no cluster answers there ({error}); start it or unset it") from error


def _options(address: str | None) -> dict[str, Any]:
    left = [".git", ".venv*", ".cache", "/data", "__pycache__", "tests"]
    kept = {"CORPUS_CACHE": "~/.cache/corpus-pipeline"}  # of each node: what is shipped lies in a new folder each time
    ships = {"working_dir": str(CHECKOUT), "excludes": left, "env_vars": kept}
    common = {"log_to_driver": False, "logging_level": "ERROR"}
    return {**common, "runtime_env": ships} if address else {**common, "include_dashboard": False}
