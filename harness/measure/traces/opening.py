"""A file's content in blocks, whatever it is compressed with: plain, gzip, xz or Zstandard.

Compression is told by the content's first bytes, else by the name's ending. Damage is told with the place. What is
held is bounded whatever a few bytes unpack to: the output of each call, the window that a file asks for, and the parts
in a row that hold nothing.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import zstandard

from harness.errors import UsageError

BLOCK_BYTES = 1 << 18
WINDOW_BYTES = 1 << 24
"""That a file may be packed with: 16 MiB, as `xz -7` and `zstd -19` take at most. Unpacking holds it as a whole."""
MOST_EMPTY = 100_000
"""Frames in a row that hold nothing; files made by appending have a few."""
_INPUT_BYTES = 1 << 14
_XZ_MEMORY_BYTES = WINDOW_BYTES + (1 << 20)
"""The window, and what the decompressor holds beside it."""
_RLE = 1
"""The kind of Zstandard's blocks of one byte, repeated."""


class _UnfitError(Exception):
    """It is neither truncated nor damaged, and is not read all the same. The message is the reason."""


def blocks(path: Path) -> Iterator[bytes]:
    """The content of path, unpacked, `BLOCK_BYTES` at a time, the last excepted.

    Raises UsageError for what cannot be read, is truncated or damaged, after what came before it.
    """
    offset = 0
    try:
        with path.open("rb") as file:
            unpack = _unpacker(path, file.read(8))
            file.seek(0)
            for block in _gathered(unpack(file)):
                yield block
                offset += len(block)
    except _UnfitError as error:
        raise UsageError(f"trace {path}: {error}") from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError) as error:
        what = " ".join(str(error).split())
        raise UsageError(
            f"trace {path}: cannot be read after byte {offset:,} of its content ({what}); is it truncated or damaged?"
        ) from error


def _plain(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _gzip(file: IO[bytes]) -> Iterator[bytes]:
    """Member by member: `gzip.open` copies what it has read ahead for each of them."""
    rest = file.read(_INPUT_BYTES)
    while rest:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        while not member.eof:
            rest = rest or _some(file, "gzip member")
            yield member.decompress(rest, BLOCK_BYTES)
            rest = member.unused_data or member.unconsumed_tail
        rest = _after_padding(rest, file)


def _xz(file: IO[bytes]) -> Iterator[bytes]:
    """Stream by stream: `lzma.open` takes any window."""
    rest = file.read(_INPUT_BYTES)
    while rest:
        stream = lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES)
        while not stream.eof:
            if stream.needs_input:
                rest = rest or _some(file, "xz stream")
            try:
                yield stream.decompress(rest, BLOCK_BYTES)
            except lzma.LZMAError as error:
                if "limit" in str(error):  # liblzma's LZMA_MEMLIMIT_ERROR, of which Python keeps the words alone
                    raise _too_wide("xz -d") from error
                raise
            rest = b""
        rest = _after_padding(stream.unused_data, file)


def _zst(file: IO[bytes]) -> Iterator[bytes]:
    """Block by block (RFC 8878, 3.1.1), each of which unpacks to 128 KiB at most.

    The library's own readers take the end of the file within a frame for the end of the frame, or unpack all of their
    input at once.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
    while start := file.read(4):
        if start[1:] == b"\x2a\x4d\x18" and start[0] >> 4 == 5:  # a frame to be skipped
            _skip(file, int.from_bytes(_exactly(file, 4), "little"))
            yield b""
            continue
        start += _exactly(file, 5 - len(start))
        start += _exactly(file, zstandard.frame_header_size(start) - len(start))
        told = zstandard.get_frame_parameters(start)
        if told.window_size > WINDOW_BYTES:
            raise _too_wide("zstd -d --long=31")
        frame, part, last = decompressor.decompressobj(), start, False
        while not last:
            head = _exactly(file, 3)
            number = int.from_bytes(head, "little")
            last = bool(number & 1)
            size = 1 if number >> 1 & 3 == _RLE else number >> 3
            part += head + _exactly(file, size + (4 if last and told.has_checksum else 0))
            yield frame.decompress(part)
            part = b""


def _too_wide(how: str) -> _UnfitError:
    return _UnfitError(f"it is packed with a window of more than {WINDOW_BYTES >> 20} MiB; unpack it first ({how})")


def _some(file: IO[bytes], within: str) -> bytes:
    """What comes next. Raises EOFError if nothing does."""
    if part := file.read(_INPUT_BYTES):
        return part
    raise EOFError(f"the file ends within a {within}")


def _exactly(file: IO[bytes], size: int) -> bytes:
    part = file.read(size)
    if len(part) < size:
        raise EOFError("the file ends within a Zstandard frame")
    return part


def _skip(file: IO[bytes], size: int) -> None:
    while size:
        size -= len(_exactly(file, min(size, BLOCK_BYTES)))


def _after_padding(rest: bytes, file: IO[bytes]) -> bytes:
    """What follows a member and the zeros after it; nothing at the end of the file."""
    while not (rest := rest.lstrip(b"\0")):
        if not (rest := file.read(_INPUT_BYTES)):
            return b""
    return rest


_Unpack = Callable[[IO[bytes]], Iterator[bytes]]
_COMPRESSIONS: dict[str, tuple[bytes, _Unpack]] = {
    ".gz": (b"\x1f\x8b\x08", _gzip),
    ".xz": (b"\xfd7zXZ\x00", _xz),
    ".zst": (b"\x28\xb5\x2f\xfd", _zst),
}
"""Ending -> (first bytes, how to unpack)."""

ENDINGS = tuple(_COMPRESSIONS)


def _unpacker(path: Path, head: bytes) -> _Unpack:
    for magic, unpack in _COMPRESSIONS.values():
        if head.startswith(magic):
            return unpack
    return _COMPRESSIONS.get(path.suffix, (b"", _plain))[1]


def _gathered(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of `BLOCK_BYTES`, the last excepted."""
    waiting = bytearray()
    empty = 0
    for part in parts:
        empty = 0 if part else empty + 1
        if empty > MOST_EMPTY:
            raise _UnfitError(f"more than {MOST_EMPTY:,} parts of it in a row hold nothing")
        waiting += part
        while len(waiting) >= BLOCK_BYTES:
            yield bytes(waiting[:BLOCK_BYTES])
            del waiting[:BLOCK_BYTES]
    if waiting:
        yield bytes(waiting)
