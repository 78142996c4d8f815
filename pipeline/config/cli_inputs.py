"""Parsing options of the command line: which files, which folder of steps, which settings."""

import os
import re

from pipeline.base.errors import UserError
from pipeline.config.source_files import expand_pattern, split_patterns

# One `SECTION.KEY=VALUE` of a text with several, as make's SET has them: blanks separate settings where another one
# begins after them, but not inside quotes or braces.
_SETTING = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|\{[^{}]*\}|\S|\s+(?![A-Za-z][\w.-]*\s*=))+""")


def parse_source(source: str | None, option: str = "--source") -> tuple[str, ...] | None:
    """Return the files an option names: one path, glob, URI or list, or several between blanks; None without option.

    Raises UserError where there is no such file.
    """
    if source is None:
        return None
    if not source.strip():
        or_omit = ", or leave it out for the recipe's own (else the demo crawl)" if option == "--source" else ""
        raise UserError(f"{option} is empty: give files{or_omit}")
    files = (path for pattern in split_patterns(source) for path in expand_pattern(pattern, option))
    return tuple(dict.fromkeys(files))


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
