"""Masking of personal data in text: e-mail addresses, IP addresses, phone numbers, IBANs.

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
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.pii.phone import PHONE_SIGN, Span, find_phones
from pipeline.base.errors import UserError
from pipeline.base.suggestions import unknown_name
from pipeline.base.time_limit import document_time_limit

KINDS = ("email", "iban", "ip", "phone")  # in this order, so that an address with digits is never taken for a number
TAG = "<{kind}-pii>"  # as Apertus writes them (arXiv:2509.14233, section 3.1.3)

# Latin, Greek, Cyrillic; not Han or kana, which stand next to addresses without a space.
_ALPHABETIC = "A-Za-z\u00c0-\u04ff"
_LOCAL = rf"[{_ALPHABETIC}0-9_%+~-]"  # a character of a local part; dots and apostrophes may stand between two
# All before the sign that may belong to a local part; no match starts inside, so each character is looked at once.
_LOCAL_RUN = rf"(?<![{_ALPHABETIC}0-9_%+~.'-])[{_ALPHABETIC}0-9_%+~.'-]*+"
_HOST_LABEL = rf"[{_ALPHABETIC}0-9](?:[{_ALPHABETIC}0-9-]*[{_ALPHABETIC}0-9])?"
_AT_SIGN = r"[ \u00a0]?[\[({]\s?(?:at|ät|@)\s?[\])}][ \u00a0]?"
_DOT = r"[ \u00a0]?[\[({]\s?(?:dot|punkt|\.)\s?[\])}][ \u00a0]?"


class _AddressForm(NamedTuple):
    """How addresses are written: what stands before the host, where a local part may start, and the host."""

    before_host: re.Pattern[str]  # group 1 is the run that ends in the local part
    start: re.Pattern[str]  # of a local part inside a run
    host: re.Pattern[str]


def _address_form(at_sign: str, dot: str, flags: int = 0) -> _AddressForm:
    return _AddressForm(
        re.compile(rf"({_LOCAL_RUN}){at_sign}", flags),
        re.compile(rf"(?<!{_LOCAL})(?<!{_LOCAL}[.']){_LOCAL}", flags),
        re.compile(rf"{_HOST_LABEL}(?:{dot}{_HOST_LABEL})+", flags),
    )


_EMAIL = _address_form("@", r"\.")
_OBFUSCATED_EMAIL = _address_form(_AT_SIGN, rf"(?:\.|{_DOT})", re.IGNORECASE)
_EMAIL_SIGN = re.compile(r"@|[\[({]\s?(?:at|ät)\s?[\])}]", re.IGNORECASE)
_HOST_BREAK = re.compile(r"[.\s\])}]")
# a@2x.png is a file.
_FILE_SUFFIXES = frozenset(["png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "ico", "css", "js", "json", "pdf"])

# Patterns start with the digit itself, to which Python's engine skips ahead; the text before is checked afterwards.
_IPV4 = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?!\w|\.\d)")
_JOINED_BEFORE = re.compile(r"[\w.]\Z")
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")  # in every IPv6 address, and in few texts
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])")
_VERSION_BEFORE = re.compile(
    r"(?:\b(?:v|ver)|version|release|firmware|build|driver|treiber|§|section|kapitel|abschnitt)[ .:]*\Z", re.IGNORECASE
)

_IBAN = re.compile(r"[A-Z][A-Z][ \u00a0]?[0-9]{2}(?:[ \u00a0.-]?[A-Z0-9]){11,32}")
_MAX_PASSES = 64  # over one text
_MIN_IBAN_LENGTH = 15  # characters (Norway)
_CONTEXT = 16  # characters before an IPv4 address that are checked
_MIN_IPV4_NUMBER = 32  # an address whose numbers are all below is more likely a version or a section

# What every match of a kind contains, in one piece, as Arrow's RE2 spells it.
_SIGNS = {
    "email": r"@|[\[({](?s:.)?(?i:at|ät)(?s:.)?[\])}]",
    "iban": "[A-Z][A-Z][ \u00a0]?[0-9]{2}(?:[ \u00a0.-]?[A-Z0-9]){11}",
    "ip": r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|:[0-9A-Fa-f]{0,4}:",
    "phone": PHONE_SIGN,
}


def mask_all(
    texts: pa.Array,
    kinds: Sequence[str],
    regions: Sequence[str],
    tag: str,
    documents: Sequence[str] | None = None,
) -> tuple[pa.Array, list[Counter]]:
    """Mask each text as `mask` does, nulls stay; returns (texts, counts of each text). `regions`: one a text.

    Raises DocumentTimeout for a text that takes minutes; `documents` are the names of the texts in its message.
    """
    counts: list[Counter] = [Counter() for _ in regions]
    if not kinds:
        return texts, counts
    matches = [pc.fill_null(pc.match_substring_regex(texts, _SIGNS[kind]), False) for kind in kinds]
    has_sign = np.array([match.to_numpy(zero_copy_only=False) for match in matches])  # (kinds, texts)
    may_change, masked = has_sign.any(axis=0), []
    for row in np.flatnonzero(may_change).tolist():
        possible = [kind for kind, sign in zip(kinds, has_sign[:, row], strict=True) if sign]
        text = texts[row].as_py()
        with document_time_limit(text, "masking", documents[row] if documents else f"text {row}"):
            text, counts[row] = mask(text, kinds, regions[row], tag, possible)
        masked.append(text)
    return pc.replace_with_mask(texts, pa.array(may_change), pa.array(masked, texts.type)), counts


def mask(
    text: str, kinds: Iterable[str] = KINDS, region: str = "DE", tag: str = TAG, possible: Iterable[str] = KINDS
) -> tuple[str, Counter]:
    """Replace personal data in a text; returns (text, number of replacements by kind).

    Masking is repeated until it changes nothing, so it is idempotent: a tag may separate what stood together, and so
    make a number that was none before. Real texts need two or three passes; after _MAX_PASSES a text made to need one
    pass for each address stays as it is, so that time remains linear.

    Args:
        text: The text.
        kinds: Kinds of personal data to mask, of KINDS.
        region: Country (ISO 3166-1 alpha-2) whose numbering plan national phone numbers belong to.
        tag: Replacement; `{kind}` in it becomes the kind.
        possible: Kinds that the text as it is given may contain.
    """
    counts: Counter = Counter()
    searched = set(kinds).intersection(possible)
    for _ in range(_MAX_PASSES):
        matches = [(span, kind) for kind in KINDS if kind in searched for span in _FINDERS[kind](text, region)]
        if not matches:
            break
        text, replaced = _replace_spans(text, matches, tag)
        counts.update(replaced)
        searched = set(kinds)
    return text, counts


def check_masking(kinds: Iterable[str], region: str, tag: str) -> None:
    """Raise UserError for settings that `mask` cannot work with."""
    import phonenumbers

    check_masking_syntax(kinds, region, tag)
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise UserError(f"region: {region!r} is no country with a numbering plan; type two letters such as DE")


def check_masking_syntax(kinds: Iterable[str] = KINDS, region: str = "DE", tag: str = TAG) -> None:
    """Raise UserError for settings that are wrong whatever the numbering plans, which take 0.1 s to load."""
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"pii: {unknown_name('kind', kind, KINDS)}")
    if not re.fullmatch("[A-Z]{2}", region):
        raise UserError(f"region: {region!r} is no country: type two capital letters such as DE")
    if re.search(r"[\d@\[({]", tag.replace("{kind}", "")):
        raise UserError(f"tag: {tag!r} would be taken for personal data again; leave out digits, @ and brackets")


def region_of(host: str | None, default: str) -> str:
    """Return the country of a host's top-level domain if it has a numbering plan, else `default`."""
    import phonenumbers

    country = (host or "").rpartition(".")[2].upper()
    country = {"UK": "GB"}.get(country, country)
    # .io, .ai, .me, .tv, .co and their like are sold worldwide and say nothing about a country
    sold_worldwide = {"IO", "AI", "ME", "TV", "CO", "CC", "WS", "FM", "TO", "AC", "SH", "LY", "GG", "LA", "AM"}
    return country if country in phonenumbers.SUPPORTED_REGIONS and country not in sold_worldwide else default


def _replace_spans(text: str, matches: list[tuple[Span, str]], tag: str) -> tuple[str, Counter]:
    """Replace spans from left to right; of two that overlap only the first (at one start: the earlier kind)."""
    pieces, end = [], 0
    counts: Counter = Counter()
    for (start, stop), kind in sorted(matches, key=lambda match: (match[0][0], KINDS.index(match[1]))):
        if start >= end:
            pieces += [text[end:start], tag.replace("{kind}", kind)]
            counts[kind] += 1
            end = stop
    return "".join([*pieces, text[end:]]), counts


def _find_emails(text: str, _region: str) -> Iterator[Span]:
    """Addresses as in RFC 5322 without quoted local parts, and obfuscated ones: `name (at) host (dot) tld`.

    Only the few lines with an @ or an obfuscated one are searched.
    """
    line_end = -1
    for sign in _EMAIL_SIGN.finditer(text):
        if sign.start() < line_end:
            continue
        line_start = text.rfind("\n", 0, sign.start()) + 1
        line_end = text.find("\n", sign.end()) % (len(text) + 1)  # -1, none: the end
        line = text[line_start:line_end]
        for start, end in (span for form in (_EMAIL, _OBFUSCATED_EMAIL) for span in _find_addresses(line, form)):
            last = _HOST_BREAK.split(line[start:end])[-1].lower()
            is_git_remote = line.startswith("git@", start) and line.startswith(":", end)
            is_host = len(last) >= 2 and (last.isalpha() or last.startswith("xn--")) and last not in _FILE_SUFFIXES
            if is_host and not is_git_remote:
                yield line_start + start, line_start + end


def _find_addresses(line: str, form: _AddressForm) -> Iterator[Span]:
    """Yield spans that have the form of an address, from left to right and without overlap, in linear time.

    The same as a search for one pattern, local part, sign and host, whose local part does not start inside another
    one. Such a pattern looks for the sign from every start of a local part in `a'.'a'.'a'.'...`; here the sign comes
    first, and each run before a sign is read once.
    """
    end = 0
    for before in form.before_host.finditer(line):
        run_start, run_end = before.span(1)
        host = form.host.match(line, before.end())
        if run_end == run_start or line[run_end - 1] in ".'" or not host:
            continue
        start = form.start.search(line, max(run_start, end), run_end)
        if start is None:
            continue
        end = host.end()
        yield start.start(), end


def _find_ip_addresses(text: str, _region: str) -> Iterator[Span]:
    """Public IPv4 and IPv6 addresses."""
    for match in _IPV4.finditer(text):
        before = text[max(0, match.start() - _CONTEXT) : match.start()]
        is_part = _JOINED_BEFORE.search(before) or _VERSION_BEFORE.search(before)
        if _is_public_ipv4(match.group()) and not is_part:
            yield match.span()
    for match in _IPV6.finditer(text) if _COLONS.search(text) else ():
        if _is_public_ipv6(match.group()):
            yield match.span()


def _is_public_ipv4(candidate: str) -> bool:
    try:
        address = ipaddress.IPv4Address(candidate)
    except ValueError:
        return False
    return address.is_global and max(address.packed) >= _MIN_IPV4_NUMBER and not address.is_multicast


def _is_public_ipv6(candidate: str) -> bool:
    try:
        address = ipaddress.IPv6Address(candidate)
    except ValueError:
        return False
    return address.is_global and int(address) >> 125 == 1  # 2000::/3 is all that IANA has assigned


def _find_ibans(text: str, _region: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        length = _iban_length(match.group(), text[match.end() : match.end() + 1])
        if length and not text[match.start() - 1 : match.start()].isalnum():
            yield match.start(), match.start() + length


def _iban_length(candidate: str, following: str) -> int:
    """Characters at the start of `candidate` that are an IBAN; words in capitals may follow it. 0 if it has none."""
    from stdnum import iban

    for end in range(len(candidate), _MIN_IBAN_LENGTH - 1, -1):
        next_character = candidate[end] if end < len(candidate) else following
        if next_character.isalnum() or not candidate[end - 1].isalnum():
            continue
        if iban.is_valid(re.sub(r"[^A-Z0-9]", "", candidate[:end])):
            return end
    return 0


_FINDERS: dict[str, Callable[[str, str], Iterator[Span]]] = {
    "email": _find_emails,
    "iban": _find_ibans,
    "ip": _find_ip_addresses,
    "phone": find_phones,
}
