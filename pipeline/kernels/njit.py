"""Kernels: functions that become numba's when the first of any module is called.

numba takes 0.15 s to import, and a command that measures nothing has no need of it. So a module that has
kernels imports `njit` from here. Where their machine code is kept: `pipeline/kernels/machine_code.py`.
"""

import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

_numba: ModuleType | None = None
_lock = threading.RLock()


class Kernel:
    """Stands where a function of numba's will."""

    def __init__(self, make: Callable[[ModuleType], Any]):
        self._make, self._made = make, None

    def made(self) -> Any:
        """What numba makes of it, once."""
        numba = _imported()
        with _lock:
            if self._made is None:
                self._made = self._make(numba)
            return self._made

    def __call__(self, *arguments: Any) -> Any:
        return self.made()(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made(), name)


def njit(**options: Any) -> Callable[[Callable], Any]:
    """`numba.njit` with these options."""
    return lambda function: _declared(lambda numba: numba.njit(**options)(function))


def intrinsic(function: Callable) -> Any:
    """`numba.extending.intrinsic`."""
    return _declared(lambda numba: numba.extending.intrinsic(function))


def _declared(make: Callable[[ModuleType], Any]) -> Any:
    return make(_numba) if _numba else Kernel(make)


def _imported() -> ModuleType:
    """numba, with every kernel so far put under its names, where the compiler looks for what a kernel calls."""
    global _numba
    with _lock:
        if _numba is None:
            import numba.extending

            import pipeline.kernels.machine_code  # noqa: F401 - where it is kept, before there is any

            _numba = numba
            ours = [vars(module) for module in list(sys.modules.values()) if type(module) is ModuleType]
            for names in ours:
                names.update({name: value.made() for name, value in names.items() if type(value) is Kernel})
    return _numba
