"""Where numba keeps machine code: a folder named after the kernels' sources.

numba's own cache looks only at the file of the function that is called, not at those of the functions that it calls: an
old kernel would go on running after a helper of it changed. Nothing else belongs in here.
"""

import hashlib
import os
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent


def _kernels() -> str:
    """Digest of every source file with a kernel in it."""
    digest = hashlib.sha256()
    for path in sorted(
        p for part in ("dedup", "extract", "filters", "pipeline") for p in (_CHECKOUT / part).glob("*.py")
    ):
        source = path.read_bytes()
        if b"njit" in source:
            digest.update(path.name.encode() + source)
    return digest.hexdigest()[:16]


if os.access(_CHECKOUT, os.W_OK):
    os.environ.setdefault("NUMBA_CACHE_DIR", str(_CHECKOUT / ".numba" / _kernels()))
