"""How commands end: arguments that are wrong, errors that a user can correct, and everything else."""

import argparse
import errno
import logging
import sys
from collections.abc import Callable
from typing import NoReturn

from pipeline.base.errors import CorruptFile, OutsideBounds, RunFailed, StorageError, UserError
from pipeline.base.logs import UNDATED

RUN_FAILED, BAD_INPUT, OUTSIDE_BOUNDS, STOPPED = 1, 2, 3, 130
PERMISSION_OR_SPACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC)  # what a user can do something about

log = logging.getLogger(__name__)


class CommandParser(argparse.ArgumentParser):
    """Tells what is wrong with the arguments in one line, and what to type for help."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"error: {message}; type {self.prog} --help\n")


def stop(*_: object) -> NoReturn:
    """Signal handler that ends a command as Ctrl-C does."""
    raise KeyboardInterrupt


def exit_code_of(command: Callable[[], None]) -> int:
    """Run a command; returns its exit code, after one message where it has failed. Other errors are raised."""
    try:
        command()
    except UserError as error:
        return _failed(BAD_INPUT, str(error))
    except RunFailed as error:
        text = f"the run failed; what was finished is kept, the same command continues\n{error}"
        return _failed(RUN_FAILED, text)
    except CorruptFile as error:
        return _failed(RUN_FAILED, f"{error}; `python -m pipeline verify` checks every file, and can repair it")
    except OutsideBounds as error:
        return _failed(OUTSIDE_BOUNDS, str(error))
    except KeyboardInterrupt:
        log.warning("stopped; run the same again to continue where it was", extra=UNDATED)
        return STOPPED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output has ended, as `head` does
        return RUN_FAILED
    except StorageError as error:
        return _failed(RUN_FAILED, f"{error}; what was finished is kept, the same command continues")
    except OSError as error:
        if error.errno not in PERMISSION_OR_SPACE:
            raise
        place = f"{error.filename}: " if error.filename else ""
        return _failed(BAD_INPUT, f"{place}{reason_of(error)}; give a folder that can be read and written")
    return 0


def reason_of(error: Exception) -> str:
    """The reason of an error of the system, in one line."""
    return getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]


def _failed(exit_code: int, text: str) -> int:
    log.error(text, extra=UNDATED)
    return exit_code
