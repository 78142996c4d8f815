"""How numbers, bounds and untrusted texts are written for people, in the report and by `explain`."""

import re
from typing import Any

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BYTE_UNITS = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
_SIGNS = {"equals": "=", "not_equals": "≠", "any_of": "one of", "none_of": "none of", "lacks": "without"}


def number(value: Any) -> str:
    """Four significant digits with separated thousands, for example 1,234 or 0.1235. Other values as `str` has them."""
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 10 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def bound(rule: dict[str, Any]) -> str:
    """A rule's condition: `word_count ≥ 50`."""
    exclusive = rule.get("exclusive", False)
    signs = {"min": ">" if exclusive else "≥", "max": "<" if exclusive else "≤", **_SIGNS}
    conditions = [f"{sign} {_numbers(rule[key])}" for key, sign in signs.items() if rule.get(key) is not None]
    return f"{rule.get('column', '')} {' and '.join(conditions)}".strip()


def _numbers(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else number(value)


def against(row: dict[str, Any]) -> str:
    """A ledger row's measured value, its bound and its detail: `0.05 against 0.12`."""
    value, threshold, detail = row["value"], row["threshold"], row["detail"] or ""
    if value is None:
        return detail or row["rule"] or ""
    measured = number(value) if threshold is None else f"{number(value)} against {number(threshold)}"
    return f"{measured} {detail}".strip()


def format_bytes(size: int) -> str:
    """Return a number of bytes with three significant digits and a decimal unit: `1.23 MB`."""
    for unit, unit_bytes in _BYTE_UNITS:
        if size >= unit_bytes:
            return f"{size / unit_bytes:.3g} {unit}"
    return f"{size} B"


def counted(count: int, noun: str) -> str:
    """A count and its noun: `1 dump`, `2,000 dumps`."""
    return f"{count:,} {noun}{'s' if count != 1 else ''}"


def plain(text: Any, limit: int = 0) -> str:
    """One line without control characters, which a terminal would obey; cut after `limit` characters (0: not cut)."""
    line = " ".join(_CONTROL.sub(" ", "" if text is None else str(text)).split())
    return f"{line[:limit]}…" if limit and len(line) > limit else line
