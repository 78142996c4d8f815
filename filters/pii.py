"""Personal data in text, found and masked: e-mail addresses, IP addresses, phone numbers, IBANs.

Every kind is a cheap regular expression for candidates and a check that knows the standard: public addresses only
(`ipaddress`, IANA registries), numbers that exist in the numbering plan (`phonenumbers`, Google's libphonenumber),
IBANs with their check digits and national structure (ISO 13616, `python-stdnum`). The result depends on the text alone:
no state, no rotating replacements (datatrove's formatter takes turns, so its output changes with the order of pages).

What is left alone on purpose, because masking it harms more text than it protects people:
- private, loopback, documentation and other non-public IP addresses, as in datatrove; addresses whose four numbers are
  all below 32 (section numbers and versions such as 3.2.1.4; of all addresses, (32/256)^4 = 0.02 % are so);
- numbers without area code ("call 4711"); numbers that look like dates, prices, ISBNs, order or account numbers;
- national numbers in plans without trunk prefix (es, pl, pt, cs, da, no; it mobile), unless a word like "tel." leads.
"""

import functools
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.check import unknown
from pipeline.errors import UserError

KINDS = ("email", "iban", "ip", "phone")  # in this order: an address with digits is never taken for a number
TAG = "<{kind}-pii>"  # as Apertus writes them (arXiv:2509.14233, section 3.1.3)

Span = tuple[int, int]

# Latin, Greek, Cyrillic; not Han or kana, which touch addresses without a space.
_LATIN_AND_NEAR = "A-Za-z\u00c0-\u04ff"
_LOCAL = rf"[{_LATIN_AND_NEAR}0-9_%+~-]+(?:[.']+[{_LATIN_AND_NEAR}0-9_%+~-]+)*"
_FREE = rf"(?<![{_LATIN_AND_NEAR}0-9_%+~-])(?<![{_LATIN_AND_NEAR}0-9_%+~-][.'])"  # no start in the middle: linear time
_LABEL = rf"[{_LATIN_AND_NEAR}0-9](?:[{_LATIN_AND_NEAR}0-9-]*[{_LATIN_AND_NEAR}0-9])?"
_EMAIL = re.compile(rf"{_FREE}{_LOCAL}@{_LABEL}(?:\.{_LABEL})+")
_AT = r"[ \u00a0]?[\[({]\s?(?:at|ät|@)\s?[\])}][ \u00a0]?"
_DOT = r"[ \u00a0]?[\[({]\s?(?:dot|punkt|\.)\s?[\])}][ \u00a0]?"
_VEILED = re.compile(rf"{_FREE}{_LOCAL}{_AT}{_LABEL}(?:(?:\.|{_DOT}){_LABEL})+", re.IGNORECASE)
_SIGN = re.compile(r"@|[\[({]\s?(?:at|ät)\s?[\])}]", re.IGNORECASE)
_FILES = frozenset(["png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "ico", "css", "js", "json", "pdf"])  # a@2x.png

# Patterns start with the digit itself (Python's engine skips ahead to it); what stands before is looked at afterwards.
_IPV4 = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?!\w|\.\d)")
_JOINED = re.compile(r"[\w.]\Z")
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")  # every IPv6 address has them, and few texts do
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])")
_VERSION = re.compile(
    r"(?:\b(?:v|ver)|version|release|firmware|build|driver|treiber|§|section|kapitel|abschnitt)[ .:]*\Z", re.IGNORECASE
)

_IBAN = re.compile(r"[A-Z][A-Z][ \u00a0]?[0-9]{2}(?:[ \u00a0.-]?[A-Z0-9]){11,32}")

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


# What every find of a kind holds, in one piece, as Arrow's RE2 spells it.
_SIGNS = {
    "email": r"@|[\[({](?s:.)?(?i:at|ät)(?s:.)?[\])}]",
    "iban": "[A-Z][A-Z][ \u00a0]?[0-9]{2}(?:[ \u00a0.-]?[A-Z0-9]){11}",
    "ip": r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|:[0-9A-Fa-f]{0,4}:",
    "phone": f"[0-9](?:{_SEPARATOR}[0-9]){{6}}",
}


def mask_all(texts: pa.Array, kinds: Sequence[str], regions: Sequence[str], tag: str) -> tuple[pa.Array, list[Counter]]:
    """`texts` as `mask` leaves each of them, nulls as they are, and their counts. `regions`: one a text."""
    counts: list[Counter] = [Counter() for _ in regions]
    if not kinds:
        return texts, counts
    signs = [pc.fill_null(pc.match_substring_regex(texts, _SIGNS[kind]), False) for kind in kinds]
    found = np.array([sign.to_numpy(zero_copy_only=False) for sign in signs])
    some, masked = found.any(axis=0), []
    for row in np.flatnonzero(some).tolist():
        likely = [kind for kind, sign in zip(kinds, found[:, row], strict=True) if sign]
        text, counts[row] = mask(texts[row].as_py(), kinds, regions[row], tag, likely)
        masked.append(text)
    return pc.replace_with_mask(texts, pa.array(some), pa.array(masked, texts.type)), counts


def mask(
    text: str, kinds: Iterable[str] = KINDS, region: str = "DE", tag: str = TAG, likely: Iterable[str] = KINDS
) -> tuple[str, Counter]:
    """`text` with personal data replaced, and how many of each kind were.

    `region` (ISO 3166-1 alpha-2) is whose numbering plan national phone numbers belong to. `tag` holds `{kind}`.
    Masking is repeated until it changes nothing, so it is idempotent: a tag may part what stood together and so make
    a number that was none before. `likely`: kinds that the text as it is given may hold.
    """
    wanted, counts = set(kinds), Counter()  # type: ignore[var-annotated]
    first = wanted.intersection(likely)
    while found := [(s, kind) for kind in KINDS if kind in first for s in _FINDERS[kind](text, region)]:
        text, masked = _replace(text, found, tag)
        counts.update(masked)
        first = wanted
    return text, counts


def check(kinds: Iterable[str], region: str, tag: str) -> None:
    """Raise UserError for settings that `mask` cannot work with."""
    import phonenumbers

    check_words(kinds, region, tag)
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise UserError(f"region: {region!r} is no country with a numbering plan; type two letters such as DE")


def check_words(kinds: Iterable[str] = KINDS, region: str = "DE", tag: str = TAG) -> None:
    """What can be told of them without the numbering plans, which take a tenth of a second to load."""
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"pii: {unknown('kind', kind, KINDS)}")
    if not re.fullmatch("[A-Z]{2}", region):
        raise UserError(f"region: {region!r} is no country: type two capital letters such as DE")
    if re.search(r"[\d@\[({]", tag.replace("{kind}", "")):
        raise UserError(f"tag: {tag!r} would be taken for personal data again; leave out digits, @ and brackets")


def region_of(host: str | None, default: str) -> str:
    """The country of a host's top-level domain where it has a numbering plan, else `default`."""
    import phonenumbers

    country = (host or "").rpartition(".")[2].upper()
    country = {"UK": "GB"}.get(country, country)
    # .io, .ai, .me, .tv, .co and their like are sold to the whole world and say nothing about a country
    sold_to_all = {"IO", "AI", "ME", "TV", "CO", "CC", "WS", "FM", "TO", "AC", "SH", "LY", "GG", "LA", "AM"}
    return country if country in phonenumbers.SUPPORTED_REGIONS and country not in sold_to_all else default


def _replace(text: str, found: list[tuple[Span, str]], tag: str) -> tuple[str, Counter]:
    """Replace spans left to right; where two overlap, the one that starts first (then: the earlier kind) counts."""
    pieces, end, counts = [], 0, Counter()  # type: ignore[var-annotated]
    for (start, stop), kind in sorted(found, key=lambda f: (f[0][0], KINDS.index(f[1]))):
        if start >= end:
            pieces += [text[end:start], tag.replace("{kind}", kind)]
            counts[kind] += 1
            end = stop
    return "".join([*pieces, text[end:]]), counts


def _emails(text: str, _region: str) -> Iterator[Span]:
    """Addresses as in RFC 5322 without quoted local parts, and veiled ones: `name (at) host (dot) tld`."""
    for start, found in _in_lines(text):
        last = re.split(r"[.\s\])}]", found.group())[-1].lower()
        is_remote = found.group().startswith("git@") and found.string[found.end() :].startswith(":")
        is_host = len(last) >= 2 and (last.isalpha() or last.startswith("xn--")) and last not in _FILES
        if is_host and not is_remote:
            yield start + found.start(), start + found.end()


def _in_lines(text: str) -> Iterator[tuple[int, re.Match]]:
    """What may be an address in the few lines that have an @ or its veil, with the line's start."""
    end = -1
    for at in _SIGN.finditer(text):
        if at.start() >= end:
            start = text.rfind("\n", 0, at.start()) + 1
            end = text.find("\n", at.end()) % (len(text) + 1)  # -1, none: the end
            line = text[start:end]
            yield from ((start, found) for pattern in (_EMAIL, _VEILED) for found in pattern.finditer(line))


def _addresses(text: str, _region: str) -> Iterator[Span]:
    """Public IPv4 and IPv6 addresses."""
    for found in _IPV4.finditer(text):
        before = text[max(0, found.start() - 16) : found.start()]
        if _is_public_ipv4(found.group()) and not _JOINED.search(before) and not _VERSION.search(before):
            yield found.span()
    for found in _IPV6.finditer(text) if _COLONS.search(text) else ():
        if _is_public_ipv6(found.group()):
            yield found.span()


def _is_public_ipv4(candidate: str) -> bool:
    try:
        address = ipaddress.IPv4Address(candidate)
    except ValueError:
        return False
    return address.is_global and max(address.packed) >= 32 and not address.is_multicast


def _is_public_ipv6(candidate: str) -> bool:
    try:
        address = ipaddress.IPv6Address(candidate)
    except ValueError:
        return False
    return address.is_global and int(address) >> 125 == 1  # 2000::/3 is all that IANA has given out


def _ibans(text: str, _region: str) -> Iterator[Span]:
    for found in _IBAN.finditer(text):
        length = _iban_length(found.group(), text[found.end() : found.end() + 1])
        if length and not text[found.start() - 1 : found.start()].isalnum():
            yield found.start(), found.start() + length


def _iban_length(candidate: str, following: str) -> int:
    """Characters of `candidate` that are an IBAN; words in capitals may follow it. 0 when none is."""
    from stdnum import iban

    for end in range(len(candidate), 14, -1):
        next_character = candidate[end] if end < len(candidate) else following
        if next_character.isalnum() or not candidate[end - 1].isalnum():
            continue
        if iban.is_valid(re.sub(r"[^A-Z0-9]", "", candidate[:end])):
            return end
    return 0


def _phones(text: str, region: str) -> Iterator[Span]:
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


_FINDERS: dict[str, Callable[[str, str], Iterator[Span]]] = {
    "email": _emails,
    "iban": _ibans,
    "ip": _addresses,
    "phone": _phones,
}
