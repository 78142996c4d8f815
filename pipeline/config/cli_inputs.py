"""Parsing options of the command line: which files, which folder of steps, which settings."""

import glob
import os
import re

from pipeline.base.errors import UserError

# One `SECTION.KEY=VALUE` of a text with several, as make's SET has them: blanks separate settings where another one
# begins after them, but not inside quotes or braces.
_SETTING = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|\{[^{}]*\}|\S|\s+(?![A-Za-z][\w.-]*\s*=))+""")


def parse_source(source: str | None, option: str = "--source") -> tuple[str, ...] | None:
    """Return the files an option names: one path or glob, or several separated by blanks; None when it is not given.

    Raises UserError where there is no such file.
    """
    if source is None:
        return None
    if not source.strip():
        or_omit = ", or leave it out for the recipe's own (else the demo crawl)" if option == "--source" else ""
        raise UserError(f"{option} is empty: give files{or_omit}")
    source = os.path.expanduser(source)
    # A single name may have blanks in it.
    is_single = os.path.exists(source) or "://" in source or glob.glob(source, recursive=True)
    patterns = [source] if is_single else [os.path.expanduser(pattern) for pattern in source.split()]
    return tuple(dict.fromkeys(path for pattern in patterns for path in expand_pattern(pattern, option)))


def expand_pattern(pattern: str, location: str) -> tuple[str, ...]:
    """Return the files of a path or glob (`**` descends), sorted; URIs as they are.

    `location` names the option or setting in errors. Raises UserError when there is no file.
    """
    if "://" in pattern:
        return (pattern,)
    paths = tuple(path for path in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(path))
    if os.path.isdir(pattern):
        example = f"{pattern.rstrip('/')}/*.warc.gz"
        raise UserError(f"{location} {pattern}: a folder; give its files, for example '{example}'")
    if not paths:
        raise UserError(f"{location} {pattern}: no file is there; give WARC, WET, Parquet or JSONL files, or a glob")
    for path in paths:
        if re.search("[\udc80-\udcff]", path):
            raise UserError(f"{location} {path!a}: the name of the file is not UTF-8; rename it")
    return paths


def parse_root(root: str) -> str:
    """Return the folder or URI where steps are kept, as `--root` names it. Raises UserError for what is none."""
    if not root.strip():
        raise UserError("ROOT is empty: give a folder or s3://bucket/prefix, or leave it out for ./data")
    if re.match(r"s3:/?[^/]", root):
        raise UserError(f"ROOT={root}: buckets are written with two slashes: s3://bucket/prefix")
    if "://" in root and not root.startswith(("s3://", "file://")):  # Arrow would ask others' servers for minutes
        raise UserError(f"ROOT={root}: steps are kept in a folder or in s3://bucket/prefix")
    return os.path.expanduser(root)


def parse_overrides(options: list[str]) -> dict[str, str]:
    """Return dotted key -> text of `--set` options, later ones over earlier ones.

    An option has one setting (`a.b=1`) or several (`a.b=1 c.d=two words e="f=1"`).
    """
    overrides = {}
    settings = (setting.strip() for option in options for setting in _SETTING.findall(option))
    for setting in filter(None, settings):
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set {setting}: write it as SECTION.KEY=VALUE, for example --set near.threshold=0.7")
        overrides[key.strip()] = value.strip()
    return overrides
