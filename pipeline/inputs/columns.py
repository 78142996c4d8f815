"""Names of columns as users write them: `text`, `meta.url` (field or literal name), `"meta.url"` (literal name)."""

import difflib
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.base.errors import UserError

Path = tuple[str, ...]  # a column, a field of it, a field of that one ...

_MAX_DOTS = 6  # of a name whose groupings into fields are all tried
_QUOTED_PARTS = re.compile(r'(?:"[^"]+"|[^".]+)(?:\.(?:"[^"]+"|[^".]+))*')
_PART = re.compile(r'"([^"]+)"|([^".]+)')


@functools.cache
def possible_paths(name: str) -> tuple[Path, ...]:
    """Return what `name` may mean, the likeliest first.

    A name without dots and quotes is a column. `a.b` is the column `a.b`, or field `b` of column `a`. Quotes decide:
    `"a.b"` is the column and `"a"."b"` is the field.
    """
    paths: list[Path] = [(name,)]
    if '"' in name and _QUOTED_PARTS.fullmatch(name):
        paths.append(tuple(quoted or plain for quoted, plain in _PART.findall(name)))
    elif 0 < name.count(".") <= _MAX_DOTS:
        paths += _groupings(tuple(name.split(".")))[1:]
    elif "." in name:
        paths.append(tuple(name.split(".")))
    return tuple(dict.fromkeys(paths))


def _groupings(parts: Path) -> list[Path]:
    """Return every way to join neighbouring parts by dots, all in one first."""
    joined: list[Path] = [(".".join(parts),)]
    for i in range(len(parts) - 1, 0, -1):
        joined += [(".".join(parts[:i]), *rest) for rest in _groupings(parts[i:])]
    return joined


def quoted(path: Path) -> str:
    """Return how a user writes exactly this path."""
    return ".".join(f'"{part}"' for part in path)


def resolve(name: str, exists: Callable[[Path], bool], option: str = "{}") -> Path | None:
    """Return the path that `name` means in a table, None if it has none.

    `exists` says whether the table has a path. Raises UserError if the table has more than one path of that name;
    `option` is how a user types a column `{}`.
    """
    paths = [path for path in possible_paths(name) if exists(path)]
    if len(paths) > 1:
        choices = " or ".join(option.format(quoted(path)) for path in paths)
        raise UserError(f"column {name!r} may be {counted_meanings(paths)}; type {choices}")
    return paths[0] if paths else None


def counted_meanings(paths: list[Path]) -> str:
    """Return what several paths of the same name are, in words."""
    return " or ".join(
        f"the column {path[0]!r}" if len(path) == 1 else f"field {'.'.join(path[1:])!r} of column {path[0]!r}"
        for path in paths
    )


def missing_column(name: str, columns: list[str], option: str) -> str:
    """Return the message for a column that a table does not have, with the nearest name that it has."""
    similar = difflib.get_close_matches(name, columns, 1) or columns[:1]
    hint = f"; type {option.format(similar[0])}" if similar else ""
    return f"no column {name!r}; there are {', '.join(columns) or 'none'}{hint}"


def has_path(values: Mapping[str, Any], path: Path) -> bool:
    """Return whether a row of JSON has the path (its value may be null)."""
    value: Any = values
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a table as a user writes them (`possible_paths`)."""

    text: str = "text"
    url: str = "url"
    id: str = "id"
    date: str = "date"

    def select(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values of these columns (text, url, id, date); None for what a row of JSON does not have."""
        return {role: column_value(values, name) for role, name in vars(self).items()}


def column_value(values: dict[str, Any], name: str) -> Any:
    """Return the value of a column in a row of JSON, None if it has none. A literal name comes before a field."""
    if name in values:
        return values[name]
    for path in possible_paths(name)[1:]:
        value: Any = values
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


DEFAULT_COLUMNS = Columns()
