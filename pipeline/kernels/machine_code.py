"""Where numba caches the machine code of our kernels, and how it loads it.

numba's own cache looks only at the file of the function that is called, not at the files of the functions that it
calls: an old kernel would go on running after one of its helpers has changed. Here the machine code of a module lies in
a folder named after the source of that module and of all modules of ours that it imports, directly or not. An edit
costs the compilation of what may depend on it, and of nothing else. Modules of `pipeline` without kernels are left out:
kernels use nothing of them, and every stage imports them.
"""

import ast
import contextlib
import functools
import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numba.core import caching, config
from numba.core.runtime import rtsys

from pipeline.base.paths import PACKAGE_PREFIX
from pipeline.kernels import disk_cache

PACKAGES = ("dedup", "extract", "filters", "pipeline")
DECORATORS = f"{__package__}.njit"  # the module that every module of kernels imports

# numba's own, in its order: for functions of other libraries, which our locator does not know.
NUMBA_LOCATORS = "UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator,IPythonCacheLocator"


@functools.cache
def kernel_sources() -> dict[str, str]:
    """Text of each module that may hold kernels, or constants of kernels, by the module's full name."""
    files = [path for name in PACKAGES for path in (disk_cache.CHECKOUT / name).rglob("*.py")]
    texts = {module_name(path): path.read_text(encoding="utf-8") for path in sorted(files)}
    pipeline = f"{PACKAGE_PREFIX}pipeline."
    return {name: text for name, text in texts.items() if not name.startswith(pipeline) or DECORATORS in text}


def module_name(path: Path) -> str:
    """Dotted name of a source file of the checkout; raises ValueError for a file outside it."""
    return PACKAGE_PREFIX + ".".join(path.relative_to(disk_cache.CHECKOUT).with_suffix("").parts)


def imported_names(text: str) -> set[str]:
    """Full names that a source imports anywhere: `a.b` for `import a.b`; `a` and `a.b` for `from a import b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@functools.cache
def kernel_imports() -> dict[str, set[str]]:
    """Modules of `kernel_sources` that each of them imports.

    Parsing all of them takes 0.2 s, so the answer is cached on disk until any of them changes.
    """
    sources = kernel_sources()

    def parse_sources() -> dict[str, list[str]]:
        return {name: sorted(imported_names(text) & sources.keys()) for name, text in sources.items()}

    depends_on: tuple[Path | str, ...] = (Path(__file__), *sources, *sources.values())
    stored = disk_cache.cached_json("imports", depends_on, parse_sources)
    return {name: set(imports) for name, imports in stored.items()}


@functools.cache
def source_digest(module: str) -> str:
    """Hash (16 hex digits) of a module's source and of the sources of all modules that its kernels may call."""
    reached: set[str] = set()
    to_visit = {module}
    while to_visit:
        reached |= to_visit
        to_visit = set().union(*(kernel_imports()[name] for name in to_visit)) - reached
    hasher = hashlib.sha256()
    for name in sorted(reached):
        data = kernel_sources()[name].encode()
        hasher.update(f"{name} {len(data)} ".encode() + data)
    return hasher.hexdigest()[:16]


@functools.cache
def machine_code_folder(file: str) -> Path | None:
    """Folder of the machine code of a source file; None for a file that is not one of ours."""
    path = Path(file).resolve()
    module = module_name(path) if path.is_relative_to(disk_cache.CHECKOUT) else ""
    if module not in kernel_sources():
        return None
    folder = disk_cache.entry_folder("kernels", module, source_digest(module))
    folder.mkdir(exist_ok=True)
    return folder


class KernelCacheLocator(caching.InTreeCacheLocator):
    """Tells numba where the machine code of one function is cached, and whether it is up to date."""

    def __init__(self, py_func: Callable, py_file: str, folder: Path):
        super().__init__(py_func, py_file)
        self._folder = folder

    @classmethod
    def from_function(cls, py_func: Callable, py_file: str) -> "KernelCacheLocator | None":
        folder = machine_code_folder(py_file)
        return cls(py_func, py_file, folder) if folder else None

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return self._folder.name


class KernelCache(caching.FunctionCache):
    """numba's cache of one function, which loads machine code without preparing numba for compilation.

    Before it looks for machine code, `FunctionCache` imports all that numba knows about Python and numpy, which takes
    0.2 s. A process that only runs compiled kernels does not need it.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)  # the part of the preparation that machine code itself calls
        with _without_scipy():
            return self._load_overload(sig, target_context) or super().load_overload(sig, target_context)


@contextlib.contextmanager
def _without_scipy() -> Iterator[None]:
    """Let `import scipy.linalg` fail meanwhile, by Python's own rule for None in `sys.modules`.

    `numba.np.arraymath`, which machine code that measures signals or languages refers to, imports it to offer a BLAS:
    0.2 s and 16 MB for a process. No kernel needs a BLAS, numba works without one, and it has no setting for that.
    """
    absent = "scipy.linalg" not in sys.modules
    if absent:
        sys.modules["scipy.linalg"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if absent:
            del sys.modules["scipy.linalg"]


def cache_machine_code(dispatcher: Any) -> Any:
    """Give a function that `numba.njit(cache=True)` has returned a `KernelCache`. Returns the dispatcher."""
    dispatcher._cache = KernelCache(dispatcher.py_func)
    return dispatcher


def _put_first_locator() -> None:
    """Let numba ask our locator first: what NUMBA_CACHE_LOCATOR_CLASSES does, but not for child processes.

    A child that does not have this checkout on its path could not import the class, and numba would fail there.
    """
    ours = f"{KernelCacheLocator.__module__}.{KernelCacheLocator.__name__}"
    settings: Any = config
    configured = settings.CACHE_LOCATOR_CLASSES or NUMBA_LOCATORS
    settings.CACHE_LOCATOR_CLASSES = f"{ours},{configured}"


_put_first_locator()
