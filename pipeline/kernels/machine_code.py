"""Where numba keeps the machine code of our kernels, and how it loads it.

numba's own cache looks only at the file of the function that is called, not at those of the functions that it calls: an
old kernel would go on running after a helper of it changed. Here the machine code of a module lies in a folder named
after the source of that module and of all our modules that it imports, directly or not. An edit costs the compilation
of what may depend on it, and of nothing else. Modules of `pipeline` without kernels are left out: nothing in them is
for kernels, and every stage imports them.
"""

import contextlib
import functools
import hashlib
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numba.core import caching
from numba.core.runtime.nrt import rtsys

from pipeline.kernels import disk_cache as kept

PACKAGES = ("dedup", "extract", "filters", "pipeline")
_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|.*)|import[ \t]+(.*))", re.MULTILINE)
_KERNELS = re.compile(r"^from pipeline\.kernels\.njit import\b", re.MULTILINE)


@functools.cache
def sources() -> dict[str, str]:
    """Text of every module that may have kernels or constants of kernels, by its full name."""
    files = [path for name in PACKAGES for path in (kept.CHECKOUT / name).rglob("*.py")]
    texts = {module_name(path): path.read_text(encoding="utf-8") for path in files}
    return {name: text for name, text in texts.items() if not name.startswith("pipeline.") or _KERNELS.search(text)}


def module_name(path: Path) -> str:
    """The dotted name of a source file of the checkout; raises ValueError for a file outside it."""
    return ".".join(path.relative_to(kept.CHECKOUT).with_suffix("").parts)


@functools.cache
def imported(text: str) -> set[str]:
    """Those modules that a source imports: `import a.b`, `from a.b import c` or `from a import b`."""
    found = set()
    for module, names, plain in _IMPORT.findall(text):
        words = re.findall(r"[\w.]+", names or plain)
        found |= {module, *(f"{module}.{word}" for word in words)} if module else set(words)
    return found & sources().keys()


@functools.cache
def digest(module: str) -> str:
    """Of its source and of all that it may call: 16 hex digits."""
    seen: set[str] = set()
    ahead = {module}
    while ahead:
        seen |= ahead
        ahead = set().union(*(imported(sources()[name]) for name in ahead)) - seen
    hasher = hashlib.sha256()
    for name in sorted(seen):
        data = sources()[name].encode()
        hasher.update(f"{name} {len(data)} ".encode() + data)
    return hasher.hexdigest()[:16]


@functools.cache
def folder(file: str) -> Path | None:
    """Where the machine code of a source file is kept; None for a file that is none of ours."""
    path = Path(file).resolve()
    module = module_name(path) if path.is_relative_to(kept.CHECKOUT) else ""
    if module not in sources():
        return None
    found = kept.entry("kernels", module, digest(module))
    found.mkdir(exist_ok=True)
    return found


class Locator(caching._CacheLocator):
    """Tells numba where the machine code of one function is kept."""

    def __init__(self, function: Callable, place: Path):
        self._place, self._line = place, function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, py_func: Callable, py_file: str) -> "Locator | None":
        place = folder(py_file)
        return cls(py_func, place) if place else None

    def get_cache_path(self) -> str:
        return str(self._place)

    def get_source_stamp(self) -> str:
        return self._place.name

    def get_disambiguator(self) -> str:
        return str(self._line)


def _load(cache: caching.Cache, signature: Any, target: Any) -> Any:
    """`Cache.load_overload`, but for what only compilation needs: all that numba knows of Python and numpy, 0.1 s."""
    rtsys.initialize(target)  # what machine code calls
    with _without_scipy(), cache._guard_against_spurious_io_errors():
        found = cache._load_overload(signature, target)
        if not found:
            importlib.import_module("numba.np.arraymath")
    return found


@contextlib.contextmanager
def _without_scipy() -> Iterator[None]:
    """numba would import it (0.15 s, 16 MB) to offer a BLAS; no kernel needs one."""
    absent = "scipy.linalg" not in sys.modules
    if absent:
        sys.modules["scipy.linalg"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if absent:
            sys.modules.pop("scipy.linalg", None)


caching.CacheImpl._locator_classes.insert(0, Locator)
caching.Cache.load_overload = _load  # type: ignore[method-assign]
