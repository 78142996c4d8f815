"""Which files a user means."""

import glob
import os

from pipeline.errors import UserError


def said(source: str | None, option: str = "--source") -> tuple[str, ...] | None:
    """Files that an option names: one path or glob, or several separated by blanks; None when it is not given."""
    if source is None:
        return None
    one = os.path.exists(source) or "://" in source or glob.glob(source, recursive=True)  # blanks may be in its name
    patterns = [source] if one else source.split()
    return tuple(dict.fromkeys(path for pattern in patterns for path in matching(pattern, option)))


def matching(pattern: str, place: str) -> tuple[str, ...]:
    """Files of a path or glob (`**` descends), sorted; URIs as they are. Raises UserError when there is none."""
    if "://" in pattern:
        return (pattern,)
    found = tuple(path for path in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(path))
    if not found:
        raise UserError(f"{place} {pattern}: no file is there; give WARC, WET, Parquet or JSONL files, or a glob")
    return found
