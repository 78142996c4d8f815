"""Content codings and gzip members of the demo crawl. Their bytes never change: all is stored, nothing compressed.

A compressor may write other bytes with each release (zlib of Python 3.13 is not that of 3.11), and offsets of records
are part of their ids. What these functions write follows from the formats alone, and every decoder reads it.

Sources: RFC 1951 (deflate, section 3.2.4), RFC 1950 (zlib), RFC 1952 (gzip), RFC 7932 (brotli, section 9.2).
"""

import zlib
from collections.abc import Callable, Iterator

_STORED_BYTES = 0xFFFF  # of a stored block of deflate at most
_BROTLI_BYTES = 1 << 16  # of an uncompressed metablock whose length has four hex digits
_BROTLI_WINDOW_BITS = 1  # of the stream's first byte: a window of 64 KiB is a single 0
_CHUNK_BYTES = 1371


def apply_codings(content: bytes, encoding: str) -> bytes:
    """Apply content codings and chunked transfer coding in the order of `encoding`."""
    for coding in filter(None, encoding.split("+")):
        content = _CODINGS[coding](content)
    return content


def stored_gzip(content: bytes) -> bytes:
    """A gzip member, of no time and an unknown system."""
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    tail = zlib.crc32(content).to_bytes(4, "little") + (len(content) & 0xFFFFFFFF).to_bytes(4, "little")
    return head + _stored_blocks(content) + tail


def stored_zlib(content: bytes) -> bytes:
    """A zlib stream: what HTTP calls deflate."""
    return b"\x78\x01" + _stored_blocks(content) + zlib.adler32(content).to_bytes(4, "big")


def stored_brotli(content: bytes) -> bytes:
    """A brotli stream of uncompressed metablocks.

    The header of one is ISLAST 0, MNIBBLES 0 (four digits), the length less one, ISUNCOMPRESSED 1, from the lowest bit
    on, then zeros to the next byte. The stream ends with an empty last metablock.
    """
    out = []
    for number, piece in enumerate(_pieces(content, _BROTLI_BYTES)):
        bits = (len(piece) - 1) << 3 | 1 << 19
        out += [(bits << _BROTLI_WINDOW_BITS if number == 0 else bits).to_bytes(3, "little"), piece]
    return b"".join([*out, b"\x03" if content else b"\x06"])


def chunked(content: bytes) -> bytes:
    """The chunked transfer coding."""
    chunks = (b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in _pieces(content, _CHUNK_BYTES))
    return b"".join(chunks) + b"0\r\n\r\n"


def _stored_blocks(content: bytes) -> bytes:
    pieces = list(_pieces(content, _STORED_BYTES)) or [b""]
    blocks = []
    for number, piece in enumerate(pieces, 1):
        size = len(piece)
        blocks += [bytes([number == len(pieces)]), size.to_bytes(2, "little"), (size ^ 0xFFFF).to_bytes(2, "little")]
        blocks.append(piece)
    return b"".join(blocks)


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


_CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": stored_gzip,
    "deflate": stored_zlib,
    "br": stored_brotli,
    "chunked": chunked,
}
