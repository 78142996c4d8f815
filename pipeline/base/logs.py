"""Logging of commands and workers: one dated line, or one JSON object, for each record on standard error.

Modules log with `logging.getLogger(__name__)`: progress as info, retries and alarms as warning, failures as error.
While a task runs, its step and shard are attached to every record (`task_context`). A worker in another process
captures its records (`capture_records`), and the driver logs them again (`replay`).
"""

import contextlib
import contextvars
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.base.paths import PACKAGE_PREFIX

# Loggers whose progress is shown; other libraries: warnings and worse.
PACKAGES = tuple(f"{PACKAGE_PREFIX}{name}" for name in ("pipeline", "extract", "filters", "dedup"))
UNDATED = {"undated": True}  # `extra` of a command's last message: as text, it has neither date nor level
MAX_CAPTURED_RECORDS = 100  # of one task: a message for every page must not fill the driver's memory

log = logging.getLogger(__name__)
_task: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("task", default={})  # noqa: B039 - never mutated


class TextFormatter(logging.Formatter):
    """`2025-01-31 12:00:00 message`, with the level before the message unless it is info."""

    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, "undated", False):
            prefix = "error: " if record.levelno >= logging.ERROR else ""
            return f"{prefix}{_message_of(record)}"
        date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        return f"{date} {level}{_message_of(record)}"


class JsonFormatter(logging.Formatter):
    """One JSON object: time (UTC), level, logger, message, and step and shard where a task logged the record."""

    def format(self, record: logging.LogRecord) -> str:
        date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = {
            "time": f"{date}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message_of(record),
        }
        fields |= {name: value for name in ("step", "shard") if (value := getattr(record, name, None)) is not None}
        return json.dumps(fields, ensure_ascii=False)


def _message_of(record: logging.LogRecord) -> str:
    traceback = logging.Formatter().formatException(record.exc_info) if record.exc_info else record.exc_text
    return f"{record.getMessage()}\n{traceback}" if traceback else record.getMessage()


class _StderrHandler(logging.StreamHandler):
    """Writes to whatever `sys.stderr` is when a record comes."""

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, _: Any) -> None:
        """`StreamHandler` sets it once, to the standard error of that moment."""


def configure_logging(json_lines: bool = False) -> None:
    """Log to standard error, as JSON lines or as text. A later call replaces what an earlier one set up."""
    handler = _StderrHandler()
    handler.setFormatter(JsonFormatter() if json_lines else TextFormatter())
    handler.addFilter(_add_task)
    root = logging.getLogger()
    for earlier in [handler for handler in root.handlers if isinstance(handler, _StderrHandler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    _show_progress()


def _show_progress() -> None:
    for package in PACKAGES:
        logging.getLogger(package).setLevel(logging.INFO)


def _add_task(record: logging.LogRecord) -> bool:
    for name, value in _task.get().items():
        if not hasattr(record, name):
            setattr(record, name, value)
    return True


@contextlib.contextmanager
def task_context(step: str, shard: int) -> Iterator[None]:
    """Attach step and shard to every record that is logged meanwhile."""
    token = _task.set({"step": step, "shard": shard})
    try:
        yield
    finally:
        _task.reset(token)


class _ForwardingHandler(logging.Handler):
    """Hands records on as plain dictionaries, which any other process can read."""

    def __init__(self, send: Callable[[dict[str, Any]], None]):
        super().__init__()
        self._send = send
        self.addFilter(_add_task)

    def emit(self, record: logging.LogRecord) -> None:
        names = ("name", "levelno", "levelname", "created", "msecs", "step", "shard")
        fields = {name: getattr(record, name) for name in names if hasattr(record, name)}
        self._send({**fields, "msg": _message_of(record)})


def forward_records(send: Callable[[dict[str, Any]], None]) -> logging.Handler:
    """Call `send` with each record that our packages log from now on, for `replay` in another process.

    Other libraries may warn about every page (trafilatura does), so what they log stays in this process.
    """
    handler = _ForwardingHandler(send)
    for package in PACKAGES:
        logging.getLogger(package).addHandler(handler)
    _show_progress()
    return handler


@contextlib.contextmanager
def capture_records() -> Iterator[list[dict[str, Any]]]:
    """Collect what is logged meanwhile, for `replay` in another process. The list is complete when the block ends."""
    records: list[dict[str, Any]] = []
    count = 0

    def keep(fields: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        if count <= MAX_CAPTURED_RECORDS:
            records.append(fields)

    handler = forward_records(keep)
    try:
        yield records
    finally:
        for package in PACKAGES:
            logging.getLogger(package).removeHandler(handler)
        if count > len(records):
            text = f"{count - len(records)} more messages of this task are left out"
            records.append({**records[-1], "name": log.name, "msg": text})


def replay(records: list[dict[str, Any]]) -> None:
    """Log records that another process has captured, with the time at which they were logged there."""
    for fields in records:
        logger = logging.getLogger(fields["name"])
        if logger.isEnabledFor(fields["levelno"]):
            logger.handle(logging.makeLogRecord(fields))
