"""Functions of a user's own file: shipped as source text to workers and child processes, and loaded there."""

import functools
import hashlib
import linecache
import sys
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.base.errors import UserError


@dataclass(frozen=True)
class UserFunction:
    """A function of a user's file, with all that is needed to load it anywhere.

    Attributes:
        path: The file as the user named it, for messages.
        name: The function's name.
        sha256: Of the file's content, for keys: the rows depend on the content, not on the path.
        code: The file's content.
    """

    path: str
    name: str
    sha256: str
    code: str = field(repr=False)

    @classmethod
    def from_file(cls, path: str | Path, name: str) -> "UserFunction":
        """Read the function `name` of the file at `path`. Raises UserError if the file cannot be read."""
        try:
            data = Path(path).read_bytes()
            return cls(str(path), name, hashlib.sha256(data).hexdigest(), data.decode("utf-8-sig"))
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of a Python file") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: is not UTF-8; save it as UTF-8") from error

    def load(self) -> Callable[..., Any]:
        """Execute the code as a module of its own, once per process, and return the function.

        Raises UserError with file and line if the code fails, and if it has no such function.
        """
        module = _load_module(self.path, self.sha256, self.code)
        function = getattr(module, self.name, None)
        if callable(function):
            return function  # type: ignore[no-any-return]
        functions = [value for value in vars(module).values() if isinstance(value, types.FunctionType)]
        names = [value.__name__ for value in functions if value.__module__ == module.__name__]
        raise UserError(f"{self.path}: no function {self.name!r}; there are {', '.join(names) or 'none'}")


@functools.cache
def _load_module(path: str, sha256: str, code: str) -> types.ModuleType:
    module = types.ModuleType(f"user_code_{sha256[:16]}")
    module.__file__ = path
    # the lines that tracebacks show are those that were shipped: the file may be elsewhere, or have changed
    linecache.cache[path] = (len(code), None, code.splitlines(True), path)
    sys.modules[module.__name__] = module  # dataclasses and pickle look a class's module up
    try:
        exec(compile(code, path, "exec"), vars(module))
    except Exception as error:
        raise UserError(describe_error(error, path)) from error
    return module


def describe_error(error: BaseException, path: str) -> str:
    """`file:line: Error: message` of an error that the code of the user's file at `path` raised.

    The line is the last one of that file that was running; it is left out if there is none.
    """
    if isinstance(error, SyntaxError) and error.filename == path:
        return f"{path}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == path), None)
    message = " ".join(str(error).split())
    location = f"{path}:{line}" if line else path
    return f"{location}: {type(error).__name__}: {message}" if message else f"{location}: {type(error).__name__}"
