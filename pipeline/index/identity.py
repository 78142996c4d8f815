"""What identifies a dump of an index: its input, everything that decides what is kept of it, and the kind of bands."""

from collections.abc import Mapping
from typing import Any

from extract.sources.listing import INPUT_FILES, files_identity
from pipeline.runner.dag import InputFiles, Step, digest


def source_key(steps: Mapping[str, Step]) -> str:
    """Return the key of the input of a dump."""
    return input_key(steps["pages"].edges["source"].source)


def input_key(source: InputFiles | Step) -> str:
    """Return the key of an input: of files, what is in them, not how they are cut into shards."""
    if isinstance(source, InputFiles) and source.name == INPUT_FILES:
        return digest({INPUT_FILES: files_identity(source.rows)})
    return source.key


def fingerprint(steps: Mapping[str, Step]) -> str:
    """Return a digest of everything that decides what the dump would keep without an index.

    These are the bands, and every later step up to the ledger: the steps that compare with the index depend on it, so
    they count by version and settings alone, as do those after them.
    """
    names = list(steps)
    end = names.index("ledger") if "ledger" in names else len(names)
    later = [steps[name] for name in names[names.index("near_bands") + 1 : end]]
    deciding = [step for step in later if "index" not in step.inputs]
    return digest([steps["near_bands"].key, *[[step.stage.version, step.params] for step in deciding]])


def band_parameters(steps: Mapping[str, Step]) -> dict[str, Any]:
    """Return what all dumps of an index must share: bands can only be compared with bands of the same kind."""
    signatures = steps["signatures"]
    return {**signatures.params, "version": signatures.stage.version}
