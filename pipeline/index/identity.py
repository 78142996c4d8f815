"""What identifies a dump of an index: its input, everything that decides what is kept of it, and the kind of bands."""

from collections.abc import Mapping
from typing import Any

from pipeline.runner.dag import Step, digest


def source_key(steps: Mapping[str, Step]) -> str:
    """Return the key of the input."""
    return steps["pages"].edges["source"].source.key


def fingerprint(steps: Mapping[str, Step]) -> str:
    """Return a digest of everything that decides what the dump would keep without an index."""
    names = ("near_links", "near_candidates", "near_clusters", "spans", "substrings")
    chosen = [steps[name] for name in names if name in steps]
    return digest([steps["near_bands"].key, *[[step.stage.version, step.params] for step in chosen]])


def band_parameters(steps: Mapping[str, Step]) -> dict[str, Any]:
    """Return what all dumps of an index must share: bands can only be compared with bands of the same kind."""
    signatures = steps["signatures"]
    return {**signatures.params, "version": signatures.stage.version}
