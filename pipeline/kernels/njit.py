"""Kernels: functions that numba compiles, declared without importing numba.

numba takes 0.3 s to import, and a command that measures nothing does not need it. A module of kernels therefore takes
`njit` from here. It gives `Kernel` placeholders, which import numba when the first of them is called, and forward to
the compiled function. `pipeline/kernels/machine_code.py` says where machine code is cached.
"""

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

_numba: ModuleType | None = None
_lock = threading.RLock()
_kernel_globals: dict[int, dict[str, Any]] = {}  # of modules that declare kernels, by the dictionary's id


class Kernel:
    """Placeholder of a function that numba compiles; behaves as that function does."""

    def __init__(self, declare: Callable[[ModuleType], Any]):
        self._declare, self._compiled = declare, None

    def compiled(self) -> Any:
        """The object that numba's decorator returns, which is called on the first use."""
        if self._compiled is None:
            numba = _import_numba()
            with _lock:
                if self._compiled is None:
                    self._compiled = self._declare(numba)
        return self._compiled

    def __call__(self, *arguments: Any) -> Any:
        return self.compiled()(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.compiled(), name)


def njit(**options: Any) -> Callable[[Callable], Any]:
    """Decorate a kernel as `numba.njit` does, with the same options. With `cache=True`, its machine code is cached."""

    def decorate(function: Callable) -> Any:
        def declare(numba: ModuleType) -> Any:
            from pipeline.kernels.machine_code import cache_machine_code

            dispatcher = numba.njit(**options)(function)
            return cache_machine_code(dispatcher) if options.get("cache") else dispatcher

        return _placeholder_or_compiled(function, declare)

    return decorate


def intrinsic(function: Callable) -> Any:
    """Decorate a function that writes LLVM instructions, as `numba.extending.intrinsic` does."""
    return _placeholder_or_compiled(function, lambda numba: numba.extending.intrinsic(function))


def _placeholder_or_compiled(function: Callable, declare: Callable[[ModuleType], Any]) -> Any:
    with _lock:
        if _numba is None:
            _kernel_globals[id(function.__globals__)] = function.__globals__
            return Kernel(declare)
        _replace_placeholders(function.__globals__)  # those that the module has imported
        return declare(_numba)


def _import_numba() -> ModuleType:
    """Import numba once, and put compiled kernels under the names that other kernels use for them.

    numba looks a called kernel up in the globals of the caller's module, where it must not find a placeholder. Modules
    without kernels keep their placeholders.
    """
    global _numba
    with _lock:
        if _numba is None:
            import numba.extending

            import pipeline.kernels.machine_code  # noqa: F401 - configures the cache before there is any dispatcher

            _numba = numba
            for module_globals in _kernel_globals.values():
                _replace_placeholders(module_globals)
            _kernel_globals.clear()
        return _numba


def _replace_placeholders(module_globals: dict[str, Any]) -> None:
    placeholders = {name: value for name, value in module_globals.items() if type(value) is Kernel}
    module_globals.update({name: kernel.compiled() for name, kernel in placeholders.items()})
