"""A bound on the time that one document may take, where no watchdog stands by.

Extraction runs in a child that a watchdog ends (`extract/watchdog.py`), since libraries there may hang in C. All later
steps are bounded otherwise:

1. Our own functions take time linear in the length of the text, 25 seconds a megabyte at most (`tests/linear` measures
   every one of them on hostile shapes), and a page has a bounded length. So kernels, which cannot be interrupted, end.
2. What is not ours gets pieces of bounded length: ftfy lines of 20,000 characters, libphonenumber and stdnum the
   digits of one candidate, language identifiers three samples of a text.
3. What runs document by document in Python, publishing's masking and fixing and users' own code, also runs against this
   clock. A document that exceeds it ends its step with an error that names the document.

An error and not another row: rows depend on the input alone, never on how busy a machine is. The clock is an interval
timer of the process, which costs microseconds a document, interrupts Python code and its regular expressions, and needs
no other thread or process. It cannot interrupt a C function that never returns to Python.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SECONDS_A_TEXT, _SECONDS_A_MEGABYTE = 60.0, 60.0  # of publishing a document, several times what the worst one takes
_REPEAT_SECONDS = 1.0  # after which a block that has swallowed the exception gets it again


class TimeLimitExceeded(BaseException):
    """The block took longer than its time limit, `seconds`. As KeyboardInterrupt, it is no error that code handles."""

    def __init__(self, seconds: float):
        super().__init__(f"took more than {seconds:g} seconds")
        self.seconds = seconds


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimitExceeded inside the block once it has taken `seconds` of real time.

    Only the main thread, in which tasks run, has the timer; elsewhere the exception is raised when the block has ended.
    A timer that is already set (another limit, a test runner's) goes on, and fires first if it is due first.
    """
    started = time.monotonic()
    if threading.current_thread() is not threading.main_thread():
        yield
        if time.monotonic() - started > seconds:
            raise TimeLimitExceeded(seconds)
        return

    has_ended = False

    def interrupt(signal_number: int, frame: FrameType | None) -> None:
        elapsed = time.monotonic() - started
        if elapsed >= seconds and not has_ended:
            raise TimeLimitExceeded(seconds)
        if callable(outer_handler) and 0 < outer_seconds <= elapsed:
            outer_handler(signal_number, frame)

    outer_seconds = outer_interval = 0.0
    outer_handler = signal.signal(signal.SIGALRM, interrupt)
    outer_seconds, outer_interval = signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_SECONDS)
    if 0 < outer_seconds < seconds:
        signal.setitimer(signal.ITIMER_REAL, outer_seconds, _REPEAT_SECONDS)
    try:
        try:
            yield
        finally:
            has_ended = True  # a signal that comes later is too late
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, outer_handler)
        if outer_seconds:
            remaining = outer_seconds - (time.monotonic() - started)
            signal.setitimer(signal.ITIMER_REAL, max(remaining, 1e-3), outer_interval)


class DocumentTimeout(Exception):
    """One document took too long; the message names it."""


@contextmanager
def document_time_limit(text: str, action: str, document: str) -> Iterator[None]:
    """Raise DocumentTimeout once the block has taken a minute, and another one for each megabyte of the text.

    `action` and `document` say what is done to which document.
    """
    seconds = _SECONDS_A_TEXT + _SECONDS_A_MEGABYTE * len(text) / 1e6
    try:
        with time_limit(seconds):
            yield
    except TimeLimitExceeded as error:
        raise DocumentTimeout(f"{action} {document} {error}") from None
