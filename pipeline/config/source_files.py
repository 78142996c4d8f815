"""Which files a path, glob, URI or list of files names."""

import fnmatch
import glob
import gzip
import logging
import os
import posixpath
import re
import zlib

from pipeline.base.errors import UserError

log = logging.getLogger(__name__)

_GLOB = re.compile(r"[*?\[]")
_LISTS = (".paths", ".paths.gz")
_DATA = re.compile(r"\.(?:parquet|pq|json|jsonl|jsonlines|ndjson|warc|arc|wet)(?:\.(?:gz|zst|zstd|lz4))?$", re.I)
_GIVE = "give WARC, WET, Parquet or JSONL files, or a glob"


def split_patterns(source: str) -> list[str]:
    """Return the paths, globs and URIs of a text: one, in whose name blanks may be, or several between blanks."""
    source = os.path.expanduser(source)
    parts = source.split()
    if "://" in source:
        return parts if all("://" in part or os.path.exists(part) for part in parts) else [source]
    is_single = os.path.lexists(source) or glob.glob(source, recursive=True) or glob.glob(_literal_folders(source))
    return [source] if is_single else [os.path.expanduser(pattern) for pattern in parts]


def expand_pattern(pattern: str, location: str) -> tuple[str, ...]:
    """Return the files of a path, glob (`**` descends), URI or list of files (`.paths`), sorted.

    A path that exists is that file or folder, whatever characters it has. What a glob matches besides data (folders,
    `_SUCCESS`, hidden files) is passed over and logged. `location` names the option or setting in errors. Raises
    UserError when there is no file, and for folders and links that lead nowhere.
    """
    if "://" in pattern:
        return _expand_uri(pattern, location)
    if os.path.isdir(pattern):
        raise UserError(f"{location} {pattern}: a folder; give its files, for example '{_example(pattern)}'")
    is_path = os.path.lexists(pattern)
    matches = [pattern] if is_path else sorted(glob.glob(pattern, recursive=True))
    matches = matches or sorted(glob.glob(_literal_folders(pattern), recursive=True))
    for path in matches:
        _check_match(path, location)
    paths = [path for path in matches if os.path.isfile(path) and (is_path or _is_data(path))]
    if not paths and matches and os.path.isdir(matches[0]):
        raise UserError(f"{location} {matches[0]}: a folder; give its files, for example '{_example(matches[0])}'")
    if not paths:
        raise UserError(f"{location} {pattern}: no file is there; {_GIVE}")
    if "**" not in pattern:
        taken = set(paths)
        _log_passed_over(pattern, [path for path in matches if path not in taken])
    return tuple(file for path in paths for file in (_read_list(path, location) if is_list(path) else [path]))


def is_list(path: str) -> bool:
    """Whether a file is a list of files, as Common Crawl publishes them."""
    return path.lower().endswith(_LISTS)


def _check_match(path: str, location: str) -> None:
    if re.search("[\udc80-\udcff]", path):
        raise UserError(f"{location} {path!a}: the name of the file is not UTF-8; rename it")
    if os.path.islink(path) and not os.path.exists(path):
        target = os.readlink(path)
        raise UserError(f"{location} {path}: a link to {target}, which is not there; restore it or remove the link")
    if os.path.isdir(path) and _DATA.search(path):
        raise UserError(f"{location} {path}: a folder; give its files, for example '{_example(path)}'")
    if not os.path.isfile(path) and not os.path.isdir(path):
        raise UserError(f"{location} {path}: not a file but a pipe, socket or device; {_GIVE}")


def _is_data(path: str) -> bool:
    """Whether a file that a glob matches is meant: what Spark and file managers leave beside data is not."""
    name = os.path.basename(path)
    return not name.startswith(("_", ".")) or bool(_DATA.search(name))


def _log_passed_over(pattern: str, paths: list[str]) -> None:
    if paths:
        names = ", ".join(os.path.basename(path) + ("/" if os.path.isdir(path) else "") for path in paths[:5])
        log.warning(
            "%s: passed over %d that hold no data: %s%s", pattern, len(paths), names, ", ..." * (len(paths) > 5)
        )


def _example(folder: str) -> str:
    """Return a glob for the files of a folder."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    except OSError:
        names = []
    suffix = next((match[0] for name in names if (match := _DATA.search(name))), ".warc.gz")
    return f"{folder.rstrip('/')}/*{suffix}"


def _literal_folders(pattern: str) -> str:
    """Return a glob in which folders that exist under the name in the pattern are taken literally (`x[1]/*.gz`)."""
    parts = pattern.split("/")
    for i in range(len(parts) - 1, 0, -1):
        folder = "/".join(parts[:i])
        if folder and os.path.isdir(folder):
            return "/".join([glob.escape(folder), *parts[i:]])
    return pattern


def _read_list(path: str, location: str) -> list[str]:
    """Return the files that a list names, one a line; relative ones start at the folder of the list."""
    try:
        with open(path, "rb") as file:
            data = file.read()
        text = (gzip.decompress(data) if path.lower().endswith(".gz") else data).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{location} {path}: a list of files that cannot be read ({error})") from error
    names = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not names:
        raise UserError(f"{location} {path}: a list of files; give the files that it names (it names none)")
    files = []
    for number, name in names:
        full = name if "://" in name else os.path.join(os.path.dirname(path), name)
        if "://" not in name and not os.path.isfile(full):
            raise UserError(
                f"{location} {path}:{number}: no file {full}; download it, or give a list of whole addresses"
            )
        files.append(full)
    return files


def _expand_uri(pattern: str, location: str) -> tuple[str, ...]:
    """Return the files of a URI, whose path may be a glob."""
    scheme, _, path = pattern.partition("://")
    if not _GLOB.search(path):
        return (pattern,)
    from pyarrow import fs

    folder = path[: _GLOB.search(path).start()].rpartition("/")[0]  # type: ignore[union-attr]
    try:
        file_system, base = fs.FileSystem.from_uri(f"{scheme}://{folder}")
        literal = base + path[len(folder) :]
        if file_system.get_file_info(literal).type == fs.FileType.File:
            return (pattern,)
        selector = fs.FileSelector(base, recursive="/" in path[len(folder) + 1 :] or "**" in path)
        entries = [entry.path for entry in file_system.get_file_info(selector) if entry.type == fs.FileType.File]
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{location} {pattern}: cannot be listed ({reason}); give an existing folder") from error
    matching = re.compile(_translate(literal))
    found = sorted(entry for entry in entries if matching.fullmatch(entry) and _is_data(posixpath.basename(entry)))
    if not found:
        raise UserError(f"{location} {pattern}: no file is there; {_GIVE}")
    return tuple(f"{scheme}://{folder}{entry[len(base) :]}" for entry in found)


def _translate(pattern: str) -> str:
    """Return the regular expression of a glob, whose `*` and `?` stop at slashes and whose `**` does not."""
    parts = re.split(r"(\*\*/?)", pattern)
    return "".join(
        "(?:.*/)?" if part == "**/" else ".*" if part == "**" else _translate_name(part) for part in parts if part
    )


def _translate_name(part: str) -> str:
    expression = fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z")
    return expression.replace(".*", "[^/]*").replace("(?>", "(?:")
