"""Opening inputs, local or on an object store, and telling their compression by their first bytes."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from pipeline.base.errors import UserError

BLOCK = 1 << 18  # bytes a read


@dataclass(frozen=True)
class Lost:
    """A stretch of a file in which something could not be read.

    `offset`, `length`: bytes of the file as it is stored (a length of 0: the file ends there and more was due).
    """

    source: str
    offset: int
    length: int
    why: str


def open_source(path: str) -> BinaryIO:
    """A seekable binary file for a local path or a URI that pyarrow knows (`s3://`, `gs://`, `file://`, `hdfs://`).

    Raises UserError when there is no such file or it may not be read.
    """
    try:
        if "://" not in path:
            if os.path.isdir(path):
                raise IsADirectoryError(21, "is a folder")
            return open(path, "rb")
        from pyarrow import fs

        system, inside = fs.FileSystem.from_uri(path)
        return cast(BinaryIO, system.open_input_file(inside))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise UserError(f"{path}: cannot be read ({reason}); give the path of an existing file") from error


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file; its position is kept."""
    here = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(here)
    return int(size)


class DecodeError(ValueError):
    """Compressed bytes that cannot be decompressed."""


class Decoder:
    """One compressed member (gzip) or frame (zstd, lz4) over any object of the bz2.BZ2Decompressor or zlib kind."""

    def __init__(self, inner: Any, error: type[Exception]) -> None:
        self._inner, self._error = inner, error

    def decode(self, data: bytes | memoryview) -> tuple[bytes, bytes, bool]:
        """(output, input behind the member's end, whether the end is reached). Raises DecodeError."""
        try:
            out = self._inner.decompress(data)
        except self._error as error:
            raise DecodeError(str(error).partition("\n")[0]) from error
        return out, (self._inner.unused_data or b"") if self._inner.eof else b"", self._inner.eof


@dataclass(frozen=True)
class Codec:
    """A compression: name, the bytes a member starts with, a maker of decoders, and bytes of input a step.

    The step bounds the output of one call, however the input was made (gzip puts out 1,032 bytes for one at most: 64
    MiB; a zstd block of 4 bytes 128 KiB). Most pages are one step.
    """

    name: str
    magic: bytes
    decoder: Callable[[], Decoder]
    step: int = 1 << 16


def gzip_decoder(window_bits: int = 31) -> Decoder:
    """isal, 2.3 times as fast as zlib; `window_bits` as zlib's: 31 gzip, 15 zlib, -15 raw deflate."""
    from isal import igzip_lib, isal_zlib

    return Decoder(isal_zlib.decompressobj(window_bits), igzip_lib.IsalError)  # type: ignore[arg-type]


def zstd_decoder(dictionary: bytes = b"") -> Decoder:
    from backports import zstd

    inner = zstd.ZstdDecompressor(zstd.ZstdDict(dictionary)) if dictionary else zstd.ZstdDecompressor()
    return Decoder(inner, zstd.ZstdError)


def lz4_decoder() -> Decoder:
    from lz4.frame import LZ4FrameDecompressor

    return Decoder(LZ4FrameDecompressor(), RuntimeError)


GZIP = Codec("gzip", b"\x1f\x8b\x08", gzip_decoder)
ZSTD = Codec("zstd", b"\x28\xb5\x2f\xfd", zstd_decoder, step=4096)
LZ4 = Codec("lz4", b"\x04\x22\x4d\x18", lz4_decoder)
CODECS = (GZIP, ZSTD, LZ4)
_SKIPPABLE = b"\x2a\x4d\x18"  # after a byte 0x50..0x5f: a frame to be skipped, in zstd as in lz4
_DICTIONARY = b"\x5d\x2a\x4d\x18"
_LONGEST_DICTIONARY = 64 << 20  # bytes


def skippable(head: bytes) -> int:
    """Length in bytes of the skippable frame that starts with `head` (8 bytes are enough), 0 if none does."""
    if len(head) < 8 or head[1:4] != _SKIPPABLE or head[0] >> 4 != 5:
        return 0
    return 8 + int.from_bytes(head[4:8], "little")


def codec_of(file: BinaryIO) -> Codec | None:
    """The compression that the first bytes tell, None for none. A zstd WARC's dictionary is taken from its first frame.

    Source: IIPC, "WARC compression with Zstandard" 1.0 (dictionary in a skippable frame 0x184D2A5D, itself perhaps
    compressed).
    """
    file.seek(0)
    head = file.read(8)
    if skip := skippable(head):
        stored = file.read(min(skip - 8, _LONGEST_DICTIONARY)) if head[:4] == _DICTIONARY else b""
        if dictionary := _dictionary(stored):
            return Codec("zstd", ZSTD.magic, lambda: zstd_decoder(dictionary), step=4096)
        file.seek(skip)
        head = file.read(8)
    return next((codec for codec in CODECS if head.startswith(codec.magic)), None)


def _dictionary(stored: bytes) -> bytes:
    """The dictionary that a frame holds; b"" where it is none: what rests on it cannot be decompressed then."""
    try:
        found = zstd_decoder().decode(stored)[0] if stored.startswith(ZSTD.magic) else stored
        zstd_decoder(found)
    except ValueError:
        return b""
    return found
