"""Decode the bytes of a page as browsers do, and check the character set against the bytes themselves.

Order: byte order mark, HTTP header, `<meta>`, detection (WHATWG, HTML Standard, section 13.2.3.2 "Determining the
character encoding"; labels as in its Encoding Standard, where "iso-8859-1" means windows-1252). There are two
departures, for pages of crawls that browsers show as mojibake:

- Bytes that are valid UTF-8 with several multi-byte sequences are UTF-8, whatever header and meta declare: text in
  another set hardly ever forms such sequences by chance (more of them are needed against a declared two-byte set).
- A declared set that most of the non-ASCII bytes contradict is skipped for the next source.
"""

import codecs
import re
import struct
from collections.abc import Iterator

import pyarrow as pa

DETECTION_BYTES = 1 << 17  # that detection reads
_META_BYTES = 4096  # searched for <meta>; the standard says 1,024, but browsers go on reading the head
_MIN_EXTRA_BYTES, _MIN_EXTRA_BYTES_MULTI = 1, 12  # continuation bytes of UTF-8 that outweigh a declared set
_HEADER_CHARSET = re.compile(r"charset\s*+=\s*+(?:[\"']\s*+)?([^\s\"';,]+)", re.I)
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.S)
_META = re.compile(rb"<meta[\s/](?:(?!<meta[\s/])[^>])*?charset\s*+=\s*+(?:[\"']\s*+)?([^\s\"'/>;]+)", re.I)
_XML = re.compile(rb"\A\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._:-]+)", re.I)
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"))
_MULTI_BYTE_CODECS = {"gb18030", "big5hkscs", "cp932", "cp949", "euc_jp"}
# Python's codec for what the standard means by a label: its sets are supersets of those named
_SUPERSETS = {
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso8859-11": "cp874",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "ascii": "cp1252",
}
# what detection returns for Latin text with few other letters, although hardly any page is in it
_RARE_CODECS = {"iso8859-3", "iso8859-4", "iso8859-10", "iso8859-13", "iso8859-14", "iso8859-16", "mac-roman"}
_STANDARD_NAMES = {
    "gb18030": "gb18030",
    "big5hkscs": "big5",
    "cp932": "shift_jis",
    "cp949": "euc-kr",
    "cp874": "windows-874",
}


class DecodedPage:
    """Text of a page.

    `charset` is the set's name in the Encoding Standard, `undecodable` the share of characters that became U+FFFD (0 to
    1). A page is made from text without surrogates or from its UTF-8; the other of `text` and `utf8` is computed when
    it is asked for, since most pages of a crawl are rejected before.
    """

    __slots__ = ("_text", "_utf8", "charset", "undecodable")

    def __init__(self, text: str | bytes, charset: str = "utf-8", undecodable: float = 0.0):
        self._text = None if isinstance(text, bytes) else text
        self._utf8 = text if isinstance(text, bytes) else None
        self.charset, self.undecodable = charset, undecodable

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = self.utf8.decode("utf-8")
        return self._text

    @property
    def utf8(self) -> bytes:
        if self._utf8 is None:
            self._utf8 = self.text.encode("utf-8", "replace")
        return self._utf8


def decode_page(data: bytes, content_type: str | None = None) -> DecodedPage:
    """Decode an HTML page. `content_type` is the value of the HTTP header. Never raises; see `undecodable`."""
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return _decode_as(data[len(mark) :], codec)
    declared = list(_declared_codecs(data, content_type))
    if data.isascii():
        return _decode_ascii(data, declared)
    if _is_surely_utf8(data, declared[0] if declared else None):
        return DecodedPage(data)
    for codec in declared:
        if not is_contradicted(data, codec):
            return _decode_as(data, codec)
    return _decode_by_detection(data, declared)


def _declared_codecs(data: bytes, content_type: str | None) -> Iterator[str]:
    """Codecs that the header and the page declare, the most authoritative one first."""
    if in_header := _HEADER_CHARSET.search(content_type or ""):
        yield from _find_codec(in_header[1])
    head = _COMMENT.sub(b"", data[:_META_BYTES])
    for pattern in (_META, _XML):
        if in_page := pattern.search(head):
            for codec in _find_codec(in_page[1].decode("latin-1")):
                yield "utf-8" if codec.startswith("utf-16") else codec  # a meta in ASCII bytes is no UTF-16


def _find_codec(label: str) -> Iterator[str]:
    """Python's codec for a label of the Encoding Standard; nothing for an unknown label."""
    from resiliparse.parse.encoding import map_encoding_to_html5

    if codec := map_encoding_to_html5(label.strip(), fallback_utf8=False):
        yield _SUPERSETS.get(codec, codec)


def _decode_ascii(data: bytes, declared: list[str]) -> DecodedPage:
    if declared and declared[0] == "iso2022_jp" and b"\x1b" in data:
        return _decode_as(data, "iso2022_jp")
    if declared and declared[0].startswith("utf-16") and b"\0" in data:
        return _decode_as(data, declared[0])
    return DecodedPage(
        data, _standard_name(declared[0]) if declared and not declared[0].startswith("utf-16") else "utf-8"
    )


def _is_surely_utf8(data: bytes, declared: str | None) -> bool:
    if not is_utf8(data):
        return False
    if declared in (None, "utf-8"):
        return True
    continuation_bytes = len(data) - len(data.decode("utf-8"))
    return continuation_bytes >= (_MIN_EXTRA_BYTES_MULTI if declared in _MULTI_BYTE_CODECS else _MIN_EXTRA_BYTES)


def is_utf8(data: bytes) -> bool:
    """Whether it is valid UTF-8, by Arrow's check, which takes a tenth of the time that Python takes to decode it."""
    bounds = pa.py_buffer(struct.pack("=qq", 0, len(data)))  # its allocator takes longer than the check
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, bounds, pa.py_buffer(data)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def is_contradicted(data: bytes, codec: str) -> bool:
    """Whether most of the non-ASCII characters are undecodable in `codec`."""
    text = data.decode(codec, "replace")
    undecodable = text.count("\ufffd")
    return undecodable > 0 and 2 * undecodable > len(text) - len(text.encode("ascii", "ignore"))


def _decode_by_detection(data: bytes, declared: list[str]) -> DecodedPage:
    from resiliparse.parse.encoding import detect_encoding

    detected = detect_encoding(data, max_len=DETECTION_BYTES) or "cp1252"
    codec = _SUPERSETS.get(detected, detected)
    codec = "cp1252" if codec in _RARE_CODECS else codec
    fitting = (candidate for candidate in (codec, *declared) if not is_contradicted(data, candidate))
    return _decode_as(data, next(fitting, "cp1252"))


def _decode_as(data: bytes, codec: str) -> DecodedPage:
    text = data.decode(codec, "whatwg-c1" if codec in ("cp1252", "cp1254") else "replace")
    if text.startswith("\ufeff"):
        text = text[1:]
    in_source = data.count(b"\xef\xbf\xbd") if codec == "utf-8" else 0  # U+FFFD that the page itself has
    undecodable = max(0, text.count("\ufffd") - in_source)
    return DecodedPage(text, _standard_name(codec), undecodable / max(1, len(text)))


def _standard_name(codec: str) -> str:
    if codec in _STANDARD_NAMES:
        return _STANDARD_NAMES[codec]
    return codec.replace("cp125", "windows-125").replace("iso8859-", "iso-8859-").replace("_", "-")


def _decode_as_c1(error: UnicodeError) -> tuple[str, int]:
    """Decode the unused bytes of windows-1252 and -1254 as the C1 controls of the same number, as the standard does."""
    assert isinstance(error, UnicodeDecodeError)
    return "".join(map(chr, error.object[error.start : error.end])), error.end


codecs.register_error("whatwg-c1", _decode_as_c1)
