"""Open input files, local or on an object store, and detect their compression from their first bytes."""

import io
import os
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from pipeline.base.errors import DamagedObject, StorageError, UserError
from pipeline.store.filesystem import Store

READ_BYTES = 1 << 18  # bytes per read
DAMAGED, KILLED = "damaged", "killed"  # rules of the ledger for what is lost: KILLED ends the process that reads it


@dataclass(frozen=True)
class LostRange:
    """A range of a file in which something could not be read.

    `offset` and `length` count bytes of the file as it is stored. A length of 0 means that the file ends at `offset`
    although more was due. In a Parquet file, `offset` is the number of the first row that is lost, as in `Row`, and
    `rows` is how many rows are lost. `reason` says what is wrong there, `rule` what the ledger calls it.
    """

    source: str
    offset: int
    length: int
    reason: str
    rows: int = 0
    rule: str = DAMAGED


def open_source(path: str) -> BinaryIO:
    """Open a seekable binary file at a local path or a URI that pyarrow knows (`s3://`, `gs://`, `file://`, `hdfs://`).

    Reads on S3 are tried again as those of the store are. Raises UserError when the file does not exist or may not be
    read, StorageError when S3 fails for longer than that.
    """
    try:
        if path.startswith("s3://"):
            root, name = source_bucket(path)
            return cast(BinaryIO, Store(root).open(name))
        if "://" not in path:
            if os.path.isdir(path):
                raise IsADirectoryError(21, "is a folder")
            return open(path, "rb")
        from pyarrow import fs

        file_system, inner_path = fs.FileSystem.from_uri(path)
        return cast(BinaryIO, file_system.open_input_file(inner_path))
    except (OSError, ValueError) as error:
        if isinstance(error, StorageError) and not isinstance(error, DamagedObject):
            raise
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise UserError(f"{path}: cannot be read ({reason}); give the path of an existing file") from error


def source_bucket(uri: str) -> tuple[str, str]:
    """Split `s3://bucket/key` into the root of a store, the bucket, and the name of the object in it."""
    parts = urllib.parse.urlsplit(uri)
    root = f"s3://{parts.netloc}" + (f"?{parts.query}" if parts.query else "")
    return root, urllib.parse.unquote(parts.path.lstrip("/"))


def file_size(file: BinaryIO) -> int:
    """Size of an open file in bytes. Its position does not change."""
    position = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(position)
    return int(size)


class CheckedFile:
    """A file for Arrow. It keeps the error of a failed read, which is no damage of the file, to be raised again."""

    closed = False

    def __init__(self, file: BinaryIO):
        self._file = file
        self.error: OSError | None = None

    def read(self, count: int = -1) -> bytes:
        try:
            return self._file.read(count)
        except OSError as error:
            self.error = error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        """Leave the file open: whoever opened it closes it."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def raise_read_error(self) -> None:
        """Raise the error of a read that has failed, if one has."""
        if self.error:
            raise self.error


class DecodeError(ValueError):
    """Compressed bytes that cannot be decompressed."""


class Decoder:
    """Decompresses one gzip member, or one frame of zstd or lz4.

    Wraps any object with the interface of bz2.BZ2Decompressor or of zlib's decompression objects.
    """

    def __init__(self, decompressor: Any, error: type[Exception]) -> None:
        self._decompressor, self._error = decompressor, error

    def decode(self, data: bytes | memoryview) -> tuple[bytes, bytes, bool]:
        """Return (output, input after the end of the member, whether that end was reached). Raises DecodeError."""
        decompressor = self._decompressor
        try:
            output = decompressor.decompress(data)
        except self._error as error:
            raise DecodeError(str(error).partition("\n")[0]) from error
        return output, (decompressor.unused_data or b"") if decompressor.eof else b"", decompressor.eof


@dataclass(frozen=True)
class Codec:
    """A compression format.

    `magic` is what a member starts with. `new_decoder` makes the decoder of one member. `step_bytes` is how much input
    one call gets, which bounds its output whatever the input is (a gzip byte gives 1,032 bytes at most, so 64 MiB; a
    zstd block of 4 bytes gives 128 KiB). Most pages take one step.
    """

    name: str
    magic: bytes
    new_decoder: Callable[[], Decoder]
    step_bytes: int = 1 << 16


def gzip_decoder(window_bits: int = 31) -> Decoder:
    """Decoder of isal, 2.3 times as fast as zlib. `window_bits` means what it does in zlib.

    31 is gzip, 15 is zlib, and -15 is raw deflate.
    """
    from isal import igzip_lib, isal_zlib

    return Decoder(isal_zlib.decompressobj(window_bits), igzip_lib.IsalError)  # type: ignore[arg-type]


def zstd_decoder(dictionary: bytes = b"") -> Decoder:
    """Decoder of a zstd frame, compressed with a dictionary or without. Raises ValueError for a bad dictionary."""
    from backports import zstd

    decompressor = zstd.ZstdDecompressor(zstd.ZstdDict(dictionary)) if dictionary else zstd.ZstdDecompressor()
    return Decoder(decompressor, zstd.ZstdError)


def lz4_decoder() -> Decoder:
    """Decoder of an lz4 frame."""
    from lz4.frame import LZ4FrameDecompressor

    return Decoder(LZ4FrameDecompressor(), RuntimeError)


GZIP = Codec("gzip", b"\x1f\x8b\x08", gzip_decoder)
ZSTD = Codec("zstd", b"\x28\xb5\x2f\xfd", zstd_decoder, step_bytes=4096)
LZ4 = Codec("lz4", b"\x04\x22\x4d\x18", lz4_decoder)
CODECS = (GZIP, ZSTD, LZ4)
SUFFIXES = (".gz", ".zst", ".zstd", ".lz4")  # of the names of compressed files
_SKIPPABLE_MAGIC = b"\x2a\x4d\x18"  # after a byte 0x50..0x5f: a frame that readers skip, in zstd as in lz4
_DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
_MAX_DICTIONARY_BYTES = 64 << 20


def is_compressed(path: str) -> bool:
    """Whether the name of a file says that it is compressed."""
    return path.lower().endswith(SUFFIXES)


def skippable_frame_size(head: bytes) -> int:
    """Size in bytes of the skippable frame that starts with `head` (8 bytes suffice), 0 if there is none."""
    if len(head) < 8 or head[1:4] != _SKIPPABLE_MAGIC or head[0] >> 4 != 5:
        return 0
    return 8 + int.from_bytes(head[4:8], "little")


def detect_codec(file: BinaryIO) -> Codec | None:
    """The compression that the first bytes of a file show, None for none.

    The dictionary of a zstd WARC is taken from its first frame. Source: IIPC, "WARC compression with Zstandard" 1.0
    (a dictionary in a skippable frame 0x184D2A5D, which may itself be compressed).
    """
    file.seek(0)
    head = file.read(8)
    if frame_size := skippable_frame_size(head):
        stored = file.read(min(frame_size - 8, _MAX_DICTIONARY_BYTES)) if head[:4] == _DICTIONARY_MAGIC else b""
        if dictionary := _read_dictionary(stored):
            return Codec("zstd", ZSTD.magic, lambda: zstd_decoder(dictionary), step_bytes=4096)
        file.seek(frame_size)
        head = file.read(8)
    return next((codec for codec in CODECS if head.startswith(codec.magic)), None)


def _read_dictionary(stored: bytes) -> bytes:
    """The dictionary in a frame, b"" if there is none: frames that need it cannot be decompressed then."""
    try:
        dictionary = zstd_decoder().decode(stored)[0] if stored.startswith(ZSTD.magic) else stored
        zstd_decoder(dictionary)
    except ValueError:
        return b""
    return dictionary


def buffer_lines(file: BinaryIO) -> BinaryIO:
    """The file with `readline`, which pyarrow's files of an object store do not have.

    It stays open when what is returned is closed or dropped, since others read on in it.
    """
    if isinstance(file, io.BufferedReader):
        return file
    raw = file if isinstance(file, _DecompressedFile) else _SharedFile(file)
    return cast(BinaryIO, io.BufferedReader(raw, READ_BYTES))


def open_decompressed(file: BinaryIO, codec: Codec | None) -> BinaryIO:
    """The decompressed bytes of a file as a file. Reading raises DecodeError where they are damaged."""
    file.seek(0)
    return buffer_lines(cast(BinaryIO, _DecompressedFile(file, codec)) if codec else file)


class _SharedFile(io.RawIOBase):
    """Reads another file and does not close it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _DecompressedFile(io.RawIOBase):
    """Reads all members of a compressed file, one after the other. Skippable frames are skipped."""

    def __init__(self, file: BinaryIO, codec: Codec) -> None:
        self._file, self._codec = file, codec
        self._decoder: Decoder | None = None  # of the member that is being read
        self._input, self._output, self._position = b"", b"", 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        while not self._output and self._decode_step():
            continue
        data, self._output = self._output[: len(buffer)], self._output[len(buffer) :]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _decode_step(self) -> bool:
        """Decode the next input into `_output`. Returns False at the end of the file."""
        self._input = self._input or self._file.read(self._codec.step_bytes)
        if not self._input:
            if self._decoder:
                raise DecodeError(f"the file ends inside a {self._codec.name} member")
            return False
        if not self._decoder:
            self._input = self._input.lstrip(b"\0")  # padding between members
            while len(self._input) < 8 and (more := self._file.read(8)):
                self._input += more
            if not self._input:
                return True
            if frame_size := skippable_frame_size(self._input):
                rest = frame_size - len(self._input)
                if rest > 0:
                    self._file.seek(rest, os.SEEK_CUR)
                self._input = self._input[frame_size:]
                return True
        self._decoder = self._decoder or self._codec.new_decoder()
        step, rest_input = self._input[: self._codec.step_bytes], self._input[self._codec.step_bytes :]
        self._output, unused, at_end = self._decoder.decode(step)
        self._input = unused + rest_input
        self._decoder = None if at_end else self._decoder
        return True
