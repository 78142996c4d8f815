"""What a run tells about shards that have failed."""

import contextlib
import errno
import traceback

from pipeline.base.errors import UserError
from pipeline.runner.task import Task
from pipeline.store.filesystem import Store

MAX_LETTERS = 400  # of an exception's first line in a message


def describe_failure(store: Store, task: Task, error: BaseException) -> str:
    """Text about a shard that has failed for good. Its traceback is written to a file beside the shard's marker."""
    if isinstance(error, UserError):
        return f"{task.label}: {error}"
    name, advice = f"{task.folder}/shards/{task.key}.error.txt", ""
    with contextlib.suppress(OSError):  # a full disk: there is still the first line
        store.write(name, "".join(traceback.format_exception(error)).encode())
        advice = f"  traceback: {store.uri(name)}\n  to debug it in one process, run the same again with --local"
    times = f"{task.attempt} time{'s' if task.attempt > 1 else ''}"
    return f"{task.label} failed {times}: {first_line(error)}\n{advice}".rstrip()


def first_line(error: BaseException) -> str:
    """The first line of an error's text, after its type; what to do where the disk is full."""
    text = str(error).strip().splitlines() or [""]
    if getattr(error, "errno", None) == errno.ENOSPC:
        return f"the disk is full ({text[0]}); free some, or give another ROOT"
    return f"{type(error).__name__}: {text[0]}"[:MAX_LETTERS]
