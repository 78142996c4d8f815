"""Phone numbers in text: chains of digits in a form that numbers have, and that the numbering plan knows.

Libphonenumber says which numbers exist; the rest is about what looks like one and is none: dates, prices, ISBNs, order
and account numbers. `filters.pii.mask` says what is left alone on purpose.
"""

import functools
import re
from collections.abc import Iterator
from itertools import pairwise

Span = tuple[int, int]
_SEPARATOR = "(?:[ \u00a0]?[-./()\u2010-\u2013]{1,2}[ \u00a0]?[(]?|[ \u00a0])?"
_CHAIN = re.compile(rf"[0-9](?:{_SEPARATOR}[0-9]){{6,40}}")
_OPENING = re.compile(r"(?:\+[ \u00a0]?\(?|\(\+?|)\Z")
_NO_START = re.compile(r"(?:[\w+#=&@/-]|\d[.,:])\Z")  # what a number does not follow
_NO_END = re.compile(r"\w|[.,:]\d|\s?(?:[%€$£°]|(?:EUR|Euro|USD|CHF|PLN|zł|TL|kg|km|cm|mm|ml)\b)")
_DATE = re.compile(r"(?<!\d)(?:[0-3]?\d([./-])[0-3]?\d\1(?:1\d|20)\d\d|(?:1\d|20)\d\d([./-])[01]?\d\2[0-3]?\d)(?!\d)")
_ISBN = re.compile(r"(?:97[89][- ]?\d|0-)[\d-]+-\d\Z|97[89]\d{10}\Z")
_PLACE, _CITY = re.compile(r"[ \u00a0]\d{5}\Z"), re.compile(r"[ \u00a0][^\W\d_a-z]")  # 030 1234567 10187 Berlin
_YEAR = re.compile(r"(?:19|20)\d\d\Z")
_NANP = re.compile(r"(?:1[-. ])?\(?[2-9]\d\d(?:\) ?|[-.])\d{3}[-. ]\d{4}$")
_CUE = re.compile(
    r"(?:(?:\b(?:tele?|tél|tlf|tfno|tlm|telm|telef|fon|phone|mob|handy|cell|fax|gsm|sms|hotline|call|dial|ruf|puh|m[óo]vil"
    r"|whats\s?app|тел|моб|факс|τηλ)|fono|phone|foon|fon|rufnummer|unter der nummer)[^\W\d]*"
    r"|\b[TMF](?=[.:])|[☎📞✆📱]|電話|电话|手机)"
    r"[^\w+(]{0,8}(?:(?:nr|no|nummer|number|num|n°|nº|zentrale|fax)\b[^\w+(]{0,6})?\Z",
    re.IGNORECASE,
)
_OTHER_NUMBER = re.compile(
    r"(?:isbn|issn|ean|gtin|upc|pzn|asin|wkn|isin|doi|art(?:ikel|icle)?|bestell|order|konto|kto|blz|account|nr|no|n°|nº|№"
    r"|nummer|number|numéro|número|numero|num|id|az|aktenzeichen|din|iso|ref|hrb|hra|siret|siren|nip|regon|krs|ust|vat|tax"
    r"|steuer\w*|rechnung\w*|kunden\w*|serial|model|modell|typ|part|tracking|patent|plz|postfach|apartado|casilla|box)\b[^\w\n]{0,5}\Z",
    re.IGNORECASE,
)
SIGN = f"[0-9](?:{_SEPARATOR}[0-9]){{6}}"  # what every number holds, as Arrow's RE2 spells it


def phones(text: str, region: str) -> Iterator[Span]:
    """Chains of digits that are a number of the international plan, or of `region`'s, in a form that numbers have."""
    for found in _CHAIN.finditer(text):
        start = found.start() - len(_OPENING.search(text[max(0, found.start() - 3) : found.start()]).group())  # type: ignore[union-attr]
        chain, before = text[start : found.end()], text[max(0, start - 32) : start]
        if not _NO_START.search(before):
            length = _phone_length(chain, before, text[found.end() : found.end() + 8], region)
            if length:
                yield start, start + length


def _phone_length(chain: str, before: str, after: str, region: str) -> int:
    """Characters of `chain` that are a phone number, 0 when none. Only a sure one may be followed by other digits."""
    digits = re.sub(r"\D", "", chain[:24])
    cue = _CUE.search(before) is not None
    abroad = "+" in chain[:2] or (digits[:2] == "00" and chain.lstrip("(")[:3] == digits[:3] and digits[2] != "0")
    if _DATE.search(chain) and not abroad:
        return 0
    formed = not _NO_END.match(after) and (abroad or cue or _has_form(chain, digits, before, region))
    place = _PLACE.search(chain) if (abroad or cue) and _CITY.match(after) else None
    if formed and place and _is_number(chain[: place.start()], abroad, cue, region):
        return place.start()
    if formed and _is_number(chain, abroad, cue, region):
        return len(chain)
    ends = [m.start() for m in re.finditer(r"(?<=\d)[ \u00a0](?=[\d(])", chain)] if abroad or cue else []
    return next((end for end in reversed(ends) if _is_number(chain[:end], abroad, cue, region)), 0)


def _has_form(chain: str, digits: str, before: str, region: str) -> bool:
    """Whether a national number that no word announces looks like one and like nothing else."""
    if _OTHER_NUMBER.search(before) or _ISBN.match(chain):
        return False
    if region in ("US", "CA") and _NANP.match(chain):
        return True
    groups = re.findall(r"\d+", chain)
    parted = "/" in chain or chain[0] == "("  # area code set apart: 0 36 31 / 46 55 08
    if digits[0] != "0" or digits[1] == "0" or (groups[0] == "0" and not parted) or len(groups) > 7:
        return False
    if "." in chain and set(re.findall(r"\D", chain)) != {"."}:
        return False  # hours: 08.00 - 12.00
    if len(digits) < 8 or (len(groups) == 2 and _YEAR.match(groups[1])):
        return False  # issue 030 / 2021
    if len(groups) == 1:
        return True  # `_is_number` lets mobile numbers pass
    pairs = not parted and all(len(group) <= 2 for group in groups)
    return not _is_progression(groups) and not all(len(g) == 5 for g in groups) and (not pairs or region in _PAIRS)


# regions where numbers are written two digits a group
_PAIRS = frozenset(["FR", "BE", "LU", "MC", "GP", "RE", "MQ", "GF", "TR"])


def _is_progression(groups: list[str]) -> bool:
    """1 2 3 4 5, 10 20 30: counting, not calling."""
    steps = {int(b) - int(a) for a, b in pairwise(groups)}
    return len(groups) > 2 and len(steps) == 1


@functools.lru_cache(maxsize=65536)  # of a pure function: pages of one host repeat their numbers
def _is_number(chain: str, abroad: bool, cue: bool, region: str) -> bool:
    import phonenumbers

    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    digits = re.sub(r"\D", "", chain)
    if cue and not abroad and _NANP.match(chain):  # hosts of .com say nothing about the country
        chain, digits, abroad = f"+1{digits[-10:]}", f"1{digits[-10:]}", True
    if not abroad and metadata is not None and metadata.national_prefix == "0" and digits[0] != "0":
        return False  # a number without its area code
    try:
        number = phonenumbers.parse(f"+{digits.lstrip('0')}" if abroad else chain, region)
    except phonenumbers.NumberParseException:
        return False
    exists = phonenumbers.is_valid_number(number)
    if not exists or not (abroad or phonenumbers.is_valid_number_for_region(number, region)):
        return False
    bare = chain.isdigit() and not abroad and not cue
    return not bare or phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
