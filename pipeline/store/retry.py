"""The one retry policy of object stores: every read, write, listing and deletion goes through `RetryPolicy.run`.

Waits grow exponentially, with jitter so that workers do not come back together, and end with a budget of time. What
fails for good is one line that names the object.
"""

import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from obstore.exceptions import BaseError, GenericError, PermissionDeniedError, UnauthenticatedError

from pipeline.base.errors import DamagedObject, StorageError, UserError

FIRST_WAIT_SECONDS = 0.1
MAX_WAIT_SECONDS = 8.0
BUDGET_SECONDS = 120.0  # of one operation, from its first request to its last
MISSING_SECONDS = 5.0  # of waiting for an object that must exist and is not there, or is shorter than it should be
TIMEOUT_SECONDS = 30.0  # without a byte, before a request counts as failed
MAX_REASON_LETTERS = 200
# Answers with a status of 4xx that another attempt may change. All others of 4xx are final.
TRANSIENT_CODES = ("RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "SlowDown", "Throttl")
TRANSIENT_STATUS = (408, 409, 425, 429)

Result = TypeVar("Result")


class IncompleteObject(Exception):
    """An object that was written is not what it should be: shorter, or with another digest."""


class ShortRead(IncompleteObject):
    """Fewer bytes came than were asked for."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long an operation is tried again.

    budget_seconds: after this time there is no further attempt. CORPUS_STORE_RETRY_SECONDS sets it.
    timeout_seconds: how long a request may go without a byte. CORPUS_STORE_TIMEOUT_SECONDS sets it.
    """

    budget_seconds: float = BUDGET_SECONDS
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def from_environment(cls) -> "RetryPolicy":
        budget = _seconds("CORPUS_STORE_RETRY_SECONDS", BUDGET_SECONDS)
        return cls(budget, _seconds("CORPUS_STORE_TIMEOUT_SECONDS", TIMEOUT_SECONDS))

    def run(self, uri: str, verb: str, operation: Callable[[], Result], must_exist: bool = False) -> Result:
        """Return what `operation` returns, trying again while its failures may pass.

        `verb` completes "cannot be ...". Where the object `must_exist`, a 404 may pass too: a store may not show at
        once what it has acknowledged. Raises StorageError, which names the object; DamagedObject where it is not there.
        """
        started, attempt, wait = time.monotonic(), 1, FIRST_WAIT_SECONDS
        while True:
            try:
                return operation()
            except (BaseError, FileNotFoundError, IncompleteObject) as error:
                budget = self._budget(error, must_exist)
                pause = wait * random.uniform(0.5, 1.0)
                elapsed = time.monotonic() - started
                if elapsed + pause > budget:
                    tried = f"; tried {attempt} times in {elapsed:.0f} s" if attempt > 1 else ""
                    kind = DamagedObject if isinstance(error, FileNotFoundError | ShortRead) else StorageError
                    raise kind(f"{uri}: cannot be {verb} ({reason_of(error)}){tried}") from None
            time.sleep(pause)
            attempt, wait = attempt + 1, min(2 * wait, MAX_WAIT_SECONDS)

    def _budget(self, error: Exception, must_exist: bool) -> float:
        """Seconds that are spent on failures of this kind."""
        if isinstance(error, FileNotFoundError | ShortRead):
            return min(MISSING_SECONDS, self.budget_seconds) if must_exist else 0.0
        return self.budget_seconds if _may_pass(error) else 0.0


def _may_pass(error: Exception) -> bool:
    if isinstance(error, IncompleteObject):
        return True
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or not isinstance(error, GenericError):
        return False
    text, status = str(error), _status(error)
    return status is None or status >= 500 or status in TRANSIENT_STATUS or any(c in text for c in TRANSIENT_CODES)


def _status(error: Exception) -> int | None:
    """The HTTP status that an error tells of; None for a request without an answer."""
    match = re.search(r"status code: (\d{3})", str(error))
    return int(match[1]) if match else None


def reason_of(error: Exception) -> str:
    """Why an operation failed, in one line without addresses: "503 SlowDown", "timed out"."""
    text = str(error)
    if isinstance(error, FileNotFoundError):
        return "no such bucket" if "NoSuchBucket" in text else "no such object"
    code = re.search(r"<Code>(\w+)</Code>", text)
    status = _status(error)
    if status or code:
        return " ".join(str(part) for part in (status, code and code[1]) if part)
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return "permission denied; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or the profile"
    if re.search(r"timed ?out|TimedOut", text):
        return "timed out"
    if re.search(r"Connection refused", text):
        return "connection refused"
    if re.search(r"ConnectionReset|connection closed|IncompleteMessage|end of file|UnexpectedEof|SendRequest", text):
        return "connection dropped"
    if isinstance(error, IncompleteObject):
        return text
    return (text.strip().splitlines() or [type(error).__name__])[0][:MAX_REASON_LETTERS]


def _seconds(variable: str, default: float) -> float:
    text = os.environ.get(variable, "")
    if not text:
        return default
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise UserError(f"{variable}={text}: not a number of seconds; give for example {variable}={default:g}")
    return float(text)
