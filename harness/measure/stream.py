"""The trial child's view of a file of requests: columns as arrays, keys as fresh strings.

Runs in the trial child: standard library only. Keys are made anew for every batch, because a request in
real life brings a string of its own, whose hash nobody has computed yet.
"""

from __future__ import annotations

import json
import mmap
from array import array
from pathlib import Path
from typing import Protocol

HEADER_BYTES = 256
COLUMNS = (("op", "B"), ("key", "I"), ("size", "I"), ("ttl_ms", "I"), ("time_ns", "q"))
"""Name and array type code of each column, in file order (written by `requests`)."""


class RequestSource(Protocol):
    """What the driver reads its requests from; rows are [start, stop), columns those of `COLUMNS`."""

    requests: int
    look_aside: bool
    distinct_keys: int

    def column(self, name: str, start: int, stop: int) -> list[int]:
        """Rows of a column."""

    def keys(self, start: int, stop: int) -> list[str]:
        """The keys of rows, each a string of its own."""


class Stream:
    """A file of requests, open until the process ends."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        header = json.loads(self._map[:HEADER_BYTES])
        self.requests: int = header["requests"]
        self.preload: int = header["preload"]
        self.warmup: int = header["warmup"]
        self.look_aside: bool = header["look_aside"]
        self.distinct_keys: int = header["distinct_keys"]
        self._key_width: int = header["key_width"]
        offset = HEADER_BYTES
        self._offsets: dict[str, tuple[int, str, int]] = {}
        for name, code in COLUMNS:
            width = array(code).itemsize
            self._offsets[name] = (offset, code, width)
            offset += width * self.requests
        self._text_offset = offset

    def column(self, name: str, start: int, stop: int) -> list[int]:
        """Rows [start, stop) of a column."""
        offset, code, width = self._offsets[name]
        rows = array(code)
        rows.frombytes(self._map[offset + start * width : offset + stop * width])
        return rows.tolist()

    def keys(self, start: int, stop: int) -> list[str]:
        """The keys of rows [start, stop), each a string of its own."""
        text = self._map[self._text_offset + start * self._key_width : self._text_offset + stop * self._key_width]
        return text.decode().split("\n")[:-1]
