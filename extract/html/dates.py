"""Days as pages write them: ISO 8601 and its relatives, 31.12.2020, "December 31, 2020", "31. Dezember 2020"."""

import re
from datetime import date
from typing import Any

_DAY = re.compile(
    r"(?<!\d)(?:(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{4})(\d\d)(\d\d)|(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4}))(?!\d)"
)
_YEAR_LAST = re.compile(r"(?<![\d/.-])(\d{1,2})([/-])(\d{1,2})\2(\d{4})(?![\d/-])")
_SHORT = re.compile(r"(?<![\d.])(\d\d?)\.(\d\d?)\.(\d\d)(?![\d.])")
_IN_URL = re.compile(r"/(20\d\d|199\d)[/-](0?[1-9]|1[0-2])[/-](0?[1-9]|[12]\d|3[01])(?:[/-]|\b)")
# beginnings of the months' names in the recipes' languages
_MONTHS = (
    "jan,gen,ene,led,sty,oca,янв", "feb,fév,fev,úno,lut,şub,фев", "mar,mär,mrt,maa,bře,мар",
    "apr,avr,abr,dub,kwi,nis,апр",
    "may,mai,mei,mag,maj,kvě,мая,май", "jun,giu,juin,červen,června,cze,haz,июн",
    "jul,lug,juil,červenec,července,lip,tem,июл",
    "aug,ago,aoû,srp,sie,ağu,авг", "sep,set,zář,wrz,eyl,сен", "oct,okt,ott,out,říj,paź,eki,окт",
    "nov,lis,kas,ноя", "dec,dez,dic,déc,pro,gru,ara,дек",
)  # fmt: skip
_MONTH = {name: k for k, names in enumerate(_MONTHS, 1) for name in names.split(",")}
_WORDED = re.compile(
    r"(?<!\d)(\d{1,2})(?:\.|st|nd|rd|th|er|º)?\s+(?:de\s+)?([^\W\d_]{3,12})\.?,?\s+(?:del?\s+)?(\d{4})(?!\d)"
    r"|\b([^\W\d_]{3,10})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})(?!\d)"
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_CHANGE = re.compile(
    r"updat|modif|review|edited|stand\b|aktualis|geändert|bearbeitet|mis à jour|mise à jour|actualiz|atualiz|aggiorn"
    r"|bijgewerkt|gewijzigd|uppdater|opdater|zaktualiz|обновл|изменен|güncelle",
    re.I,
)
_LONGEST = 100  # characters of a text that is a date
_MOST_BESIDE = 3  # words beside a date in a text that is one


def day(value: Any) -> date | None:
    """The day that a date says, in its own time zone; None where it is none, or not between 1990 and 2099.

    Days before months where points are between them. With the year last, slashes and dashes leave open which is the
    month: such a date is none, unless one of the two numbers can be no month or both are the same.
    """
    return _parsed(value)[0] if isinstance(value, str) and len(value) <= _LONGEST else None


def told_day(text: str) -> date | None:
    """The day of a text that says little else, such as "By A. B. | 3 May 2020"; none of a change or an update."""
    found, rest = _parsed(text) if len(text) <= _LONGEST else (None, "")
    return found if found and len(_WORD.findall(rest)) <= _MOST_BESIDE and not _CHANGE.search(rest) else None


def _parsed(value: str) -> tuple[date | None, str]:
    """The first date of a text, and the rest of the text."""
    if found := _DAY.search(value):
        y, m, d, y2, m2, d2, d3, m3, y3 = (int(x or 0) for x in found.groups())
        return _date(y or y2 or y3, m or m2 or m3, d or d2 or d3), _without(value, found)
    for found in _WORDED.finditer(value):
        d_, month, y_, month2, d2_, y2_ = found.groups()
        name = (month or month2).lower()
        if number := next((_MONTH[name[:k]] for k in (8, 6, 4, 3) if name[:k] in _MONTH), 0):
            return _date(int(y_ or y2_), number, int(d_ or d2_)), _without(value, found)
    if found := _YEAR_LAST.search(value):
        a, b, year = int(found[1]), int(found[3]), int(found[4])
        return (_date(year, min(a, b), max(a, b)) if max(a, b) > 12 or a == b else None), _without(value, found)
    if found := _SHORT.search(value):
        return _date(2000 + int(found[3]), int(found[2]), int(found[1])), _without(value, found)
    return None, value


def _without(text: str, found: re.Match[str]) -> str:
    return text[: found.start()] + " " + text[found.end() :]


def address_day(url: str) -> date | None:
    """The day in a path such as /2020/12/31/."""
    found = _IN_URL.search(url)
    return _date(int(found[1]), int(found[2]), int(found[3])) if found else None


def _date(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number) if 1990 <= year < 2100 else None
    except ValueError:
        return None
