"""Parses days as pages write them: ISO 8601 and the like, 31.12.2020, "December 31, 2020", "31. Dezember 2020"."""

import re
from datetime import date
from typing import Any

_NUMERIC = re.compile(
    r"(?<!\d)(?:(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{4})(\d\d)(\d\d)|(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4}))(?!\d)"
)
_YEAR_LAST = re.compile(r"(?<![\d/.-])(\d{1,2})([/-])(\d{1,2})\2(\d{4})(?![\d/-])")
_SHORT_YEAR = re.compile(r"(?<![\d.])(\d\d?)\.(\d\d?)\.(\d\d)(?![\d.])")
_IN_URL = re.compile(r"/(20\d\d|199\d)[/-](0?[1-9]|1[0-2])[/-](0?[1-9]|[12]\d|3[01])(?:[/-]|\b)")
# how names of months begin in the languages of the recipes
_MONTH_STEMS = (
    "jan,gen,ene,led,sty,oca,янв", "feb,fév,fev,úno,lut,şub,фев", "mar,mär,mrt,maa,bře,мар",
    "apr,avr,abr,dub,kwi,nis,апр",
    "may,mai,mei,mag,maj,kvě,мая,май", "jun,giu,juin,červen,června,cze,haz,июн",
    "jul,lug,juil,červenec,července,lip,tem,июл",
    "aug,ago,aoû,srp,sie,ağu,авг", "sep,set,zář,wrz,eyl,сен", "oct,okt,ott,out,říj,paź,eki,окт",
    "nov,lis,kas,ноя", "dec,dez,dic,déc,pro,gru,ara,дек",
)  # fmt: skip
_MONTH_OF_STEM = {stem: k for k, stems in enumerate(_MONTH_STEMS, 1) for stem in stems.split(",")}
_STEM_LENGTHS = (8, 6, 4, 3)  # the longest stem decides
_WITH_MONTH_NAME = re.compile(
    r"(?<!\d)(\d{1,2})(?:\.|st|nd|rd|th|er|º)?\s+(?:de\s+)?([^\W\d_]{3,12})\.?,?\s+(?:del?\s+)?(\d{4})(?!\d)"
    r"|\b([^\W\d_]{3,10})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})(?!\d)"
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_CHANGE = re.compile(
    r"updat|modif|review|edited|stand\b|aktualis|geändert|bearbeitet|mis à jour|mise à jour|actualiz|atualiz|aggiorn"
    r"|bijgewerkt|gewijzigd|uppdater|opdater|zaktualiz|обновл|изменен|güncelle",
    re.I,
)
_MAX_CHARACTERS = 100  # of a text that is a date
_MAX_OTHER_WORDS = 3  # beside a date in a text that is one


def parse_day(value: Any) -> date | None:
    """The day of a date in its own time zone, None if it is none, or not between 1990 and 2099.

    With points, the day comes before the month. With slashes or dashes and the year last, either number may be the
    month: such a date counts only if one of the numbers cannot be a month, or if both are the same.
    """
    return _find_day(value)[0] if isinstance(value, str) and len(value) <= _MAX_CHARACTERS else None


def parse_dateline(text: str) -> date | None:
    """The day in a text that has little else, such as "By A. B. | 3 May 2020"; None if it is the day of an update."""
    day, rest = _find_day(text) if len(text) <= _MAX_CHARACTERS else (None, "")
    return day if day and len(_WORD.findall(rest)) <= _MAX_OTHER_WORDS and not _CHANGE.search(rest) else None


def _find_day(value: str) -> tuple[date | None, str]:
    """(the first date of a text, the text without it)."""
    if match := _NUMERIC.search(value):
        y1, m1, d1, y2, m2, d2, d3, m3, y3 = (int(group or 0) for group in match.groups())
        return _valid_date(y1 or y2 or y3, m1 or m2 or m3, d1 or d2 or d3), _remove_match(value, match)
    for match in _WITH_MONTH_NAME.finditer(value):
        day1, month1, year1, month2, day2, year2 = match.groups()
        name = (month1 or month2).lower()
        month = next((_MONTH_OF_STEM[name[:k]] for k in _STEM_LENGTHS if name[:k] in _MONTH_OF_STEM), 0)
        if month:
            return _valid_date(int(year1 or year2), month, int(day1 or day2)), _remove_match(value, match)
    if match := _YEAR_LAST.search(value):
        low, high = sorted((int(match[1]), int(match[3])))
        is_clear = high > 12 or low == high
        return (_valid_date(int(match[4]), low, high) if is_clear else None), _remove_match(value, match)
    if match := _SHORT_YEAR.search(value):
        return _valid_date(2000 + int(match[3]), int(match[2]), int(match[1])), _remove_match(value, match)
    return None, value


def _remove_match(text: str, match: re.Match[str]) -> str:
    return text[: match.start()] + " " + text[match.end() :]


def parse_url_day(url: str) -> date | None:
    """The day in a path such as /2020/12/31/, None if there is none."""
    match = _IN_URL.search(url)
    return _valid_date(int(match[1]), int(match[2]), int(match[3])) if match else None


def _valid_date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if 1990 <= year < 2100 else None
    except ValueError:
        return None
