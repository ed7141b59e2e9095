"""A file's content in blocks, whatever it is compressed with: plain, gzip, xz or Zstandard.

Compression is told by the content's first bytes, else by the name's ending. Damage is told with the place.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import zstandard

from harness.errors import UsageError

BLOCK_BYTES = 1 << 18
_ZST_INPUT_BYTES = 1 << 14
"""Small, because what a few bytes unpack to is held as a whole."""


def blocks(path: Path) -> Iterator[bytes]:
    """The content of path, unpacked, about `BLOCK_BYTES` at a time.

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
    except (OSError, EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError) as error:
        what = " ".join(str(error).split())
        raise UsageError(
            f"trace {path}: cannot be read after byte {offset:,} of its content ({what}); is it truncated or damaged?"
        ) from error


def _plain(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _gzip(file: IO[bytes]) -> Iterator[bytes]:
    with gzip.open(file) as unpacked:
        yield from _plain(unpacked)  # type: ignore[arg-type]  # it reads as any file of bytes does


def _xz(file: IO[bytes]) -> Iterator[bytes]:
    with lzma.open(file) as unpacked:
        yield from _plain(unpacked)


def _zst(file: IO[bytes]) -> Iterator[bytes]:
    """Frame by frame: the library's own reader takes the end of the file within a frame for the end of the frame."""
    decompressor, frame = zstandard.ZstdDecompressor(), None
    while rest := file.read(_ZST_INPUT_BYTES):
        while rest:
            frame = frame or decompressor.decompressobj()
            unpacked = frame.decompress(rest)
            rest = frame.unused_data if frame.eof else b""
            frame = None if frame.eof else frame
            yield unpacked
    if frame is not None:
        raise EOFError("the file ends within a Zstandard frame")


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
    """The same bytes in blocks of at least `BLOCK_BYTES`, the last excepted."""
    waiting: list[bytes] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= BLOCK_BYTES:
            yield b"".join(waiting)
            waiting.clear()
    if any(waiting):
        yield b"".join(waiting)
