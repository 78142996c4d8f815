"""What lies in a folder, for comparing runs."""

import hashlib
import os
from pathlib import Path


def contents(root: Path) -> dict[str, str]:
    """Digest of every file that must not depend on how the run went: all but costs, shard markers and locks."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not {"locks", "costs", "shards"} & set(path.relative_to(root).parts)
    }


def written(root: Path) -> int:
    """Files and folders; os.walk passes over those that vanish meanwhile."""
    return sum(len(folders) + len(files) for _, folders, files in os.walk(root))
