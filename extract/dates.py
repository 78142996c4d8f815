"""Days as pages write them: ISO 8601 and its relatives, 31.12.2020, "December 31, 2020", "31. Dezember 2020"."""

import re
from datetime import date
from typing import Any

_DAY = re.compile(
    r"(?<!\d)(?:(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{4})(\d\d)(\d\d)|(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4}))(?!\d)"
)
_IN_URL = re.compile(r"/(20\d\d|199\d)[/-](0?[1-9]|1[0-2])[/-](0?[1-9]|[12]\d|3[01])(?:[/-]|\b)")
# beginnings of the months' names in English, German, French, Spanish, Italian, Dutch, Portuguese, Swedish, Danish
_MONTHS = (
    "jan,gen,ene", "feb,fév,fev", "mar,mär,mrt", "apr,avr,abr", "may,mai,mei,mag,maj", "jun,giu,juin", "jul,lug,juil",
    "aug,ago,aoû", "sep,set", "oct,okt,ott,out", "nov", "dec,dez,dic,déc",
)  # fmt: skip
_MONTH = {name: k for k, names in enumerate(_MONTHS, 1) for name in names.split(",")}
_WORDED = re.compile(
    r"(?<!\d)(\d{1,2})(?:\.|st|nd|rd|th|º)?\s+(?:de\s+)?([^\W\d_]{3,10})\.?,?\s+(?:de\s+)?(\d{4})(?!\d)"
    r"|\b([^\W\d_]{3,10})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})(?!\d)"
)
_LONGEST = 100  # characters of a text that is a date


def day(value: Any) -> date | None:
    """The day that a date says, in its own time zone; None where it is none, or not between 1990 and 2099.

    Days before months where points are between them; dates in slashes with the year last are ambiguous, and none.
    """
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    found = _DAY.search(value)
    if found:
        y, m, d, y2, m2, d2, d3, m3, y3 = (int(x or 0) for x in found.groups())
        return _date(y or y2 or y3, m or m2 or m3, d or d2 or d3)
    for d_, month, y_, month2, d2_, y2_ in _WORDED.findall(value):
        name = (month or month2).lower()
        if number := _MONTH.get(name[:4]) or _MONTH.get(name[:3]):
            return _date(int(y_ or y2_), number, int(d_ or d2_))
    return None


def address_day(url: str) -> date | None:
    """The day in a path such as /2020/12/31/."""
    found = _IN_URL.search(url)
    return _date(int(found[1]), int(found[2]), int(found[3])) if found else None


def _date(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number) if 1990 <= year < 2100 else None
    except ValueError:
        return None
