"""Requests as a folder of files, one a column: written in order once, read in any order, never held whole.

Runs in the cache's process too: standard library only.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from pathlib import Path

COLUMNS = {"op": "B", "key": "I", "ttl_ms": "I", "time_ns": "q", "next": "I"}
"""Name -> array type code. `next`: the number of the request that this one's entry can next answer, or `NEVER`."""

NEVER = 0
"""No request answers the first one, so its number is free."""

CHUNK = 1 << 16
"""Rows that are held at a time."""


class Folder:
    """The requests in a folder, as `stream.RequestSource` says. Values are as short as they can be: size 0."""

    def __init__(self, path: Path, requests: int, distinct_keys: int, key_format: str, *, look_aside: bool) -> None:
        self.path = path
        self.requests = requests
        self.distinct_keys = distinct_keys
        self.key_format = key_format
        self.look_aside = look_aside
        self._open: dict[str, int] = {}

    def raw(self, name: str, start: int, stop: int) -> bytes:
        """Rows [start, stop) of a column as they are in the file."""
        if name not in self._open:
            self._open[name] = os.open(self.path / name, os.O_RDONLY)
        width = array(COLUMNS[name]).itemsize
        return os.pread(self._open[name], (stop - start) * width, start * width)

    def column(self, name: str, start: int, stop: int) -> list[int]:
        """Rows [start, stop) of a column; `size` is 0 throughout."""
        if name == "size":
            return [0] * (stop - start)
        rows = array(COLUMNS[name])
        rows.frombytes(self.raw(name, start, stop))
        return rows.tolist()

    def keys(self, start: int, stop: int) -> list[str]:
        """The keys of rows [start, stop), each a string of its own."""
        return [self.key_format.format(key) for key in self.column("key", start, stop)]

    def stream(self, name: str) -> Iterator[int]:
        """A column from its first row to its last."""
        for start in range(0, self.requests, CHUNK):
            yield from self.column(name, start, min(start + CHUNK, self.requests))

    def close(self) -> None:
        """Close the files."""
        while self._open:
            os.close(self._open.popitem()[1])
