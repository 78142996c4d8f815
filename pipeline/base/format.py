"""How numbers, bounds and strange texts are written for people, in the report and by `explain`."""

import re
from typing import Any

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SIGNS = {"equals": "=", "not_equals": "≠", "any_of": "one of", "none_of": "none of", "lacks": "without"}


def number(value: Any) -> str:
    """Four significant digits, thousands parted; a text is itself."""
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 10 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def bound(rule: dict[str, Any]) -> str:
    """A rule's condition: `word_count ≥ 50`."""
    strict = rule.get("exclusive", False)
    signs = {"min": ">" if strict else "≥", "max": "<" if strict else "≤", **_SIGNS}
    conditions = [f"{sign} {_value(rule[key])}" for key, sign in signs.items() if rule.get(key) is not None]
    return f"{rule.get('column', '')} {' and '.join(conditions)}".strip()


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else number(value)


def against(row: dict[str, Any]) -> str:
    """A ledger row's measured value against its bound, and its detail."""
    value, detail = row["value"], row["detail"] or ""
    if value is None:
        return detail or row["rule"] or ""
    return (
        f"{number(value)} against {number(row['threshold'])} {detail}".strip()
        if row["threshold"] is not None
        else (f"{number(value)} {detail}".strip())
    )


def counted(n: int, noun: str) -> str:
    """`1 dump`, `2,000 dumps`."""
    return f"{n:,} {noun}{'s' if n != 1 else ''}"


def plain(text: Any, most: int = 0) -> str:
    """One line without anything that a terminal would obey; cut after `most` characters (0: whole)."""
    line = " ".join(_CONTROL.sub(" ", "" if text is None else str(text)).split())
    return f"{line[:most]}…" if most and len(line) > most else line
