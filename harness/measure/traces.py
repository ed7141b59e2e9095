"""Readers of recorded accesses. A format is one function from bytes to keys and one row of `FORMATS`.

Compression is told by the name's ending, the format by the content.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError

Accesses = NDArray[np.int64]


def read_cache2k(data: bytes, path: Path) -> Accesses:
    """cache2k-benchmark's traces: big-endian signed 32-bit integers, one key each."""
    if len(data) % 4:
        raise UsageError(f"trace {path}: {len(data)} bytes is no whole number of 32-bit keys; is it truncated?")
    return np.frombuffer(data, dtype=">i4").astype(np.int64)


FORMATS: dict[str, Callable[[bytes, Path], Accesses]] = {"cache2k": read_cache2k}


def read_accesses(path: Path) -> Accesses:
    """All keys of the trace at path, in order. Raises UsageError for what cannot be read."""
    unpack: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".xz": lzma.decompress}
    try:
        data = path.read_bytes()
        if path.suffix in unpack:
            data = unpack[path.suffix](data)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise UsageError(f"trace {path}: cannot be read ({error}); is it truncated or damaged?") from error
    if not data:
        raise UsageError(f"trace {path}: it is empty")
    if data[:64].translate(None, b"0123456789 \t\r\n,.*abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == b"":
        raise UsageError(f"trace {path}: this is text; known formats are {', '.join(FORMATS)} (binary)")
    return FORMATS["cache2k"](data, path)
