"""Phone numbers in text: chains of digits in a form that numbers have, and that the numbering plan knows.

Libphonenumber knows which numbers exist. The rest of this module is about what looks like a number and is none: dates,
prices, ISBNs, order and account numbers. `filters.pii.mask` lists what is not masked on purpose.
"""

import functools
import re
from collections.abc import Iterator
from itertools import pairwise

Span = tuple[int, int]
_SEPARATOR = "(?:[ \u00a0]?[-./()\u2010-\u2013]{1,2}[ \u00a0]?[(]?|[ \u00a0])?"
_CHAIN = re.compile(rf"[0-9](?:{_SEPARATOR}[0-9]){{6,40}}")
_OPENING = re.compile(r"(?:\+[ \u00a0]?\(?|\(\+?|)\Z")
_NOT_AFTER = re.compile(r"(?:[\w+#=&@/-]|\d[.,:])\Z")  # before a chain, it is no number
_NOT_BEFORE = re.compile(r"\w|[.,:]\d|\s?(?:[%€$£°]|(?:EUR|Euro|USD|CHF|PLN|zł|TL|kg|km|cm|mm|ml)\b)")
_DATE = re.compile(r"(?<!\d)(?:[0-3]?\d([./-])[0-3]?\d\1(?:1\d|20)\d\d|(?:1\d|20)\d\d([./-])[01]?\d\2[0-3]?\d)(?!\d)")
_ISBN = re.compile(r"(?:97[89][- ]?\d|0-)[\d-]+-\d\Z|97[89]\d{10}\Z")
_POSTCODE, _CITY = re.compile(r"[ \u00a0]\d{5}\Z"), re.compile(r"[ \u00a0][^\W\d_a-z]")  # 030 1234567 10187 Berlin
_YEAR = re.compile(r"(?:19|20)\d\d\Z")
_NANP = re.compile(r"(?:1[-. ])?\(?[2-9]\d\d(?:\) ?|[-.])\d{3}[-. ]\d{4}$")
_PHONE_WORD = re.compile(
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
PHONE_SIGN = f"[0-9](?:{_SEPARATOR}[0-9]){{6}}"  # in every number, as Arrow's RE2 spells it
# Regions where numbers are written two digits a group.
_REGIONS_WITH_PAIRS = frozenset(["FR", "BE", "LU", "MC", "GP", "RE", "MQ", "GF", "TR"])
_MAX_DIGITS = 24  # 17 is the longest national number of any plan, 7 the longest prefix before one (Japan has both)
_WORDS_BEFORE, _TEXT_AFTER = 32, 8  # characters of context that are checked


def find_phones(text: str, region: str) -> Iterator[Span]:
    """Yield the spans of numbers of the international plan, or of `region`'s, in a form that numbers have."""
    for match in _CHAIN.finditer(text):
        opening = _OPENING.search(text[max(0, match.start() - 3) : match.start()])
        assert opening is not None  # it may be empty
        start = match.start() - len(opening.group())
        chain, before = text[start : match.end()], text[max(0, start - _WORDS_BEFORE) : start]
        if not _NOT_AFTER.search(before):
            length = _phone_length(chain, before, text[match.end() : match.end() + _TEXT_AFTER], region)
            if length:
                yield start, start + length


def _phone_length(chain: str, before: str, after: str, region: str) -> int:
    """Characters at the start of `chain` that are a phone number, 0 if none are.

    Other digits may follow only a number that is international or that a word such as "tel." announces.
    """
    digits = re.sub(r"\D", "", chain[:24])
    is_announced = _PHONE_WORD.search(before) is not None
    has_double_zero = digits[:2] == "00" and chain.lstrip("(")[:3] == digits[:3] and digits[2] != "0"
    is_international = "+" in chain[:2] or has_double_zero
    if _DATE.search(chain) and not is_international:
        return 0
    is_sure = is_international or is_announced
    has_form = not _NOT_BEFORE.match(after) and (is_sure or _has_form(chain, digits, before, region))
    postcode = _POSTCODE.search(chain) if is_sure and _CITY.match(after) else None
    if has_form and postcode and _is_number(chain[: postcode.start()], is_international, is_announced, region):
        return postcode.start()
    if has_form and _is_number(chain, is_international, is_announced, region):
        return len(chain)
    ends = [match.start() for match in re.finditer(r"(?<=\d)[ \u00a0](?=[\d(])", chain)] if is_sure else []
    return next((end for end in reversed(ends) if _is_number(chain[:end], is_international, is_announced, region)), 0)


def _has_form(chain: str, digits: str, before: str, region: str) -> bool:
    """Whether a national number that no word announces looks like a number and like nothing else."""
    if _OTHER_NUMBER.search(before) or _ISBN.match(chain):
        return False
    if region in ("US", "CA") and _NANP.match(chain):
        return True
    groups = re.findall(r"\d+", chain)
    has_area_code = "/" in chain or chain[0] == "("  # 0 36 31 / 46 55 08
    if digits[0] != "0" or digits[1] == "0" or (groups[0] == "0" and not has_area_code) or len(groups) > 7:
        return False
    if "." in chain and set(re.findall(r"\D", chain)) != {"."}:
        return False  # hours: 08.00 - 12.00
    if len(digits) < 8 or (len(groups) == 2 and _YEAR.match(groups[1])):
        return False  # issue 030 / 2021
    if len(groups) == 1:
        return True  # `_is_number` lets mobile numbers pass
    are_pairs = not has_area_code and all(len(group) <= 2 for group in groups)
    steps = {int(second) - int(first) for first, second in pairwise(groups)}
    is_progression = len(groups) > 2 and len(steps) == 1  # 1 2 3 4 5, 10 20 30
    if is_progression or all(len(group) == 5 for group in groups):
        return False
    return not are_pairs or region in _REGIONS_WITH_PAIRS


@functools.lru_cache(maxsize=65536)  # of a pure function: pages of one host repeat their numbers
def _is_number(chain: str, is_international: bool, is_announced: bool, region: str) -> bool:
    """Whether a chain of digits is a valid number; one of bare digits only if it is a mobile number."""
    import phonenumbers

    digits = re.sub(r"\D", "", chain)
    if len(digits) > _MAX_DIGITS:
        return False
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if is_announced and not is_international and _NANP.match(chain):  # hosts of .com say nothing about the country
        chain, digits, is_international = f"+1{digits[-10:]}", f"1{digits[-10:]}", True
    if not is_international and metadata is not None and metadata.national_prefix == "0" and digits[0] != "0":
        return False  # a number without its area code
    try:
        number = phonenumbers.parse(f"+{digits.lstrip('0')}" if is_international else chain, region)
    except phonenumbers.NumberParseException:
        return False
    exists = phonenumbers.is_valid_number(number)
    if not exists or not (is_international or phonenumbers.is_valid_number_for_region(number, region)):
        return False
    is_bare = chain.isdigit() and not is_international and not is_announced
    return not is_bare or phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
