"""Bytes of a page to text, as browsers find the character set, with the bytes themselves as a check.

Order: byte order mark, HTTP header, `<meta>`, detection (WHATWG, HTML Standard, section 13.2.3.2 "Determining the
character encoding"; labels as in its Encoding Standard, where "iso-8859-1" means windows-1252). Two departures, for
what crawls hold and browsers show as mojibake:

- Bytes that are valid UTF-8 with several multi-byte sequences are UTF-8, whatever header and meta say: text of another
  set forms such sequences by chance next to never (a two-byte set is asked for more of them than a one-byte set).
- A declared set that most of the non-ASCII bytes contradict is passed over for the next source.
"""

import codecs
import re
import struct
from collections.abc import Iterator

import pyarrow as pa

SAMPLE = 1 << 17  # bytes that detection reads
_META_WINDOW = 4096  # bytes searched for <meta>; the standard says 1,024, browsers go on reading the head
_HEADER_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([^\s\"';,]+)", re.I)
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.S)
_META = re.compile(rb"<meta[\s/][^>]*?charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)", re.I)
_XML = re.compile(rb"\A\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._:-]+)", re.I)
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"))
_MULTI_BYTE = {"gb18030", "big5hkscs", "cp932", "cp949", "euc_jp"}
# Python's codec of what the standard means by the label: its sets are supersets of those named
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
# what a detector says of Latin text with few other letters, and hardly a page is in
_RARE = {"iso8859-3", "iso8859-4", "iso8859-10", "iso8859-13", "iso8859-14", "iso8859-16", "mac-roman"}
_NAMES = {"gb18030": "gb18030", "big5hkscs": "big5", "cp932": "shift_jis", "cp949": "euc-kr", "cp874": "windows-874"}


class Decoded:
    """`charset`: the name in the Encoding Standard. `lost`: the share of characters that became U+FFFD, 0..1.

    Made of text without surrogates or of its UTF-8; the other of `text` and `utf8` is made when it is asked for: most
    pages of a crawl are refused before.
    """

    __slots__ = ("_text", "_utf8", "charset", "lost")

    def __init__(self, text: str | bytes, charset: str = "utf-8", lost: float = 0.0):
        self._text = None if isinstance(text, bytes) else text
        self._utf8 = text if isinstance(text, bytes) else None
        self.charset, self.lost = charset, lost

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


def decode(data: bytes, content_type: str | None = None) -> Decoded:
    """The text of an HTML page. `content_type`: the HTTP header's value. Never raises; see `Decoded.lost`."""
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], codec)
    said = list(_said(data, content_type))
    if data.isascii():
        return _ascii(data, said)
    if _plainly_utf8(data, said[0] if said else None):
        return Decoded(data, "utf-8", 0.0)
    for codec in said:
        if not contradicted(data, codec):
            return _decoded(data, codec)
    return _detected(data, said)


def _said(data: bytes, content_type: str | None) -> Iterator[str]:
    """Codecs that the header and the page declare, in their order of authority."""
    if match := _HEADER_CHARSET.search(content_type or ""):
        yield from _codec(match[1])
    head = _COMMENT.sub(b"", data[:_META_WINDOW])
    for pattern in (_META, _XML):
        if match_ := pattern.search(head):
            for codec in _codec(match_[1].decode("latin-1")):
                yield "utf-8" if codec.startswith("utf-16") else codec  # a meta in ASCII bytes is no UTF-16


def _codec(label: str) -> Iterator[str]:
    from resiliparse.parse.encoding import map_encoding_to_html5

    if found := map_encoding_to_html5(label.strip(), fallback_utf8=False):
        yield _SUPERSETS.get(found, found)


def _ascii(data: bytes, said: list[str]) -> Decoded:
    if said and said[0] == "iso2022_jp" and b"\x1b" in data:
        return _decoded(data, "iso2022_jp")
    if said and said[0].startswith("utf-16") and b"\0" in data:
        return _decoded(data, said[0])
    return Decoded(data, _name(said[0]) if said and not said[0].startswith("utf-16") else "utf-8", 0.0)


def _plainly_utf8(data: bytes, declared: str | None) -> bool:
    if not is_utf8(data):
        return False
    if declared in (None, "utf-8"):
        return True
    extra = len(data) - len(data.decode("utf-8"))  # continuation bytes
    return extra >= (12 if declared in _MULTI_BYTE else 1)


def is_utf8(data: bytes) -> bool:
    """Whether it is valid UTF-8: Arrow's check, a tenth of the time that Python takes to make the text."""
    bounds = pa.py_buffer(struct.pack("=qq", 0, len(data)))  # its allocator takes longer than the check
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, bounds, pa.py_buffer(data)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def contradicted(data: bytes, codec: str) -> bool:
    """Whether more of the non-ASCII characters are undecodable in `codec` than are not."""
    text = data.decode(codec, "replace")
    bad = text.count("\ufffd")
    return bad > 0 and 2 * bad > len(text) - len(text.encode("ascii", "ignore"))


def _detected(data: bytes, said: list[str]) -> Decoded:
    from resiliparse.parse.encoding import detect_encoding

    found = detect_encoding(data, max_len=SAMPLE) or "cp1252"
    guess = _SUPERSETS.get(found, found)
    guess = "cp1252" if guess in _RARE else guess
    fitting = (codec for codec in (guess, *said) if not contradicted(data, codec))
    return _decoded(data, next(fitting, "cp1252"))


def _decoded(data: bytes, codec: str) -> Decoded:
    text = data.decode(codec, "whatwg-c1" if codec in ("cp1252", "cp1254") else "replace")
    if text.startswith("\ufeff"):
        text = text[1:]
    own = data.count(b"\xef\xbf\xbd") if codec == "utf-8" else 0  # U+FFFD that the page itself has
    bad = max(0, text.count("\ufffd") - own)
    return Decoded(text, _name(codec), bad / max(1, len(text)))


def _name(codec: str) -> str:
    if codec in _NAMES:
        return _NAMES[codec]
    return codec.replace("cp125", "windows-125").replace("iso8859-", "iso-8859-").replace("_", "-")


def _as_c1(error: UnicodeError) -> tuple[str, int]:
    """The standard gives the unused bytes of windows-1252 and -1254 the C1 controls of the same number."""
    assert isinstance(error, UnicodeDecodeError)
    return "".join(map(chr, error.object[error.start : error.end])), error.end


codecs.register_error("whatwg-c1", _as_c1)
