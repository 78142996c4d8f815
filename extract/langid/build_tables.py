"""Builds the tables of the embedded identifier from the model that py3langid ships.

    pip install 'py3langid==0.4.0'
    python -m extract.langid.build_tables

The model comes from py3langid (https://github.com/adbar/py3langid, BSD licence; its notice is in LICENSE.py3langid). It
is read through the package's `LanguageIdentifier`, and its weights are rounded to a byte. If the tables change, so do
labels: raise `version` of the stages `identify` and `pages`.
"""

import io
import lzma
from typing import Any

import numpy as np

from extract.langid.model import TABLES, WEIGHT_STEP


def build_arrays(identifier: Any) -> dict[str, np.ndarray]:
    """Arrays of a py3langid LanguageIdentifier, by the names of the fields of `extract.langid.model.Model`."""
    weights = np.asarray(identifier.nb_ptc).astype(np.float32)
    weight_offset = weights.min(axis=0)
    return {
        "classes": np.array(identifier.nb_classes),
        "transitions": np.asarray(identifier.tk_nextmove, np.uint32),
        "state_row": np.asarray(identifier.tk_row, np.uint16),
        "state_feature": np.asarray(identifier.tk_output, np.int32),
        "weights": np.round((weights - weight_offset) / WEIGHT_STEP).astype(np.uint8),
        "weight_offset": weight_offset,
        "class_bias": np.asarray(identifier.nb_pc, np.float32),
    }


def main() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    buffer = io.BytesIO()
    np.savez(buffer, **build_arrays(LanguageIdentifier.from_model_file(MODEL_FILE)))  # type: ignore[arg-type]
    TABLES.write_bytes(lzma.compress(buffer.getvalue(), preset=6))
    print(f"{TABLES}: {TABLES.stat().st_size} bytes")


if __name__ == "__main__":
    main()
