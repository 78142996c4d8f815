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

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.pii.phone import SIGN, Span, phones
from pipeline.base.errors import UserError
from pipeline.base.suggestions import unknown_name

KINDS = ("email", "iban", "ip", "phone")  # in this order: an address with digits is never taken for a number
TAG = "<{kind}-pii>"  # as Apertus writes them (arXiv:2509.14233, section 3.1.3)

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


# What every find of a kind holds, in one piece, as Arrow's RE2 spells it.
_SIGNS = {
    "email": r"@|[\[({](?s:.)?(?i:at|ät)(?s:.)?[\])}]",
    "iban": "[A-Z][A-Z][ \u00a0]?[0-9]{2}(?:[ \u00a0.-]?[A-Z0-9]){11}",
    "ip": r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|:[0-9A-Fa-f]{0,4}:",
    "phone": SIGN,
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
            raise UserError(f"pii: {unknown_name('kind', kind, KINDS)}")
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


_FINDERS: dict[str, Callable[[str, str], Iterator[Span]]] = {
    "email": _emails,
    "iban": _ibans,
    "ip": _addresses,
    "phone": phones,
}
