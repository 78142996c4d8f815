"""What options of the command line mean: which files, which settings."""

import glob
import os
import re

from pipeline.base.errors import UserError

# Settings in one text, as make's SET has them: parted by blanks behind which the next one begins, but not in quotes.
_SETTING = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|\{[^{}]*\}|\S|\s+(?![A-Za-z][\w.-]*\s*=))+""")


def said(source: str | None, option: str = "--source") -> tuple[str, ...] | None:
    """Files that an option names: one path or glob, or several separated by blanks; None when it is not given."""
    if source is None:
        return None
    if not source.strip():
        or_ = ", or leave it out for the recipe's own (else the demo crawl)" if option == "--source" else ""
        raise UserError(f"{option} is empty: give files{or_}")
    source = os.path.expanduser(source)
    one = os.path.exists(source) or "://" in source or glob.glob(source, recursive=True)  # blanks may be in its name
    patterns = [source] if one else [os.path.expanduser(pattern) for pattern in source.split()]
    return tuple(dict.fromkeys(path for pattern in patterns for path in matching(pattern, option)))


def matching(pattern: str, place: str) -> tuple[str, ...]:
    """Files of a path or glob (`**` descends), sorted; URIs as they are. Raises UserError when there is none."""
    if "://" in pattern:
        return (pattern,)
    found = tuple(path for path in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(path))
    if os.path.isdir(pattern):
        raise UserError(f"{place} {pattern}: a folder; give its files, for example '{pattern.rstrip('/')}/*.warc.gz'")
    if not found:
        raise UserError(f"{place} {pattern}: no file is there; give WARC, WET, Parquet or JSONL files, or a glob")
    for path in found:
        if re.search("[\udc80-\udcff]", path):
            raise UserError(f"{place} {path!a}: the name of the file is not UTF-8; rename it")
    return found


def root(said: str) -> str:
    """Where steps are kept, as `--root` names it."""
    if not said.strip():
        raise UserError("ROOT is empty: give a folder or s3://bucket/prefix, or leave it out for ./data")
    if re.match(r"s3:/?[^/]", said):
        raise UserError(f"ROOT={said}: buckets are written with two slashes: s3://bucket/prefix")
    if "://" in said and not said.startswith(("s3://", "file://")):  # Arrow would ask others' servers for minutes
        raise UserError(f"ROOT={said}: steps are kept in a folder or in s3://bucket/prefix")
    return os.path.expanduser(said)


def settings(said: list[str]) -> dict[str, str]:
    """`a.b=1`, or several in one text (`a.b=1 c.d=two words e="f=1"`), later ones over earlier."""
    found = {}
    for text in filter(None, (setting.strip() for several in said for setting in _SETTING.findall(several))):
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set {text}: write it as SECTION.KEY=VALUE, for example --set near.threshold=0.7")
        found[key.strip()] = value.strip()
    return found
