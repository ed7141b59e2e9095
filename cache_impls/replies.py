"""Replies of a server that may be hostile: a parser for redis-py's connections that bounds their bytes, items and time.

hiredis, which redis-py prefers, takes whatever length a reply announces and buffers for as long as bytes come; it has
no limit to set, so this parser is in Python. Replies are RESP2: one command, one answer.
"""

from __future__ import annotations

from contextvars import ContextVar
from math import inf
from time import perf_counter
from typing import Any

from redis._parsers import _AsyncRESP2Parser
from redis.exceptions import ConnectionError as ClosedError
from redis.exceptions import InvalidResponse

MOST_BYTES = 64 * 1024 * 1024
"""Of one reply. A value is not stored if it would be longer."""
MOST_ITEMS = 100_000
"""Of one reply, the items of arrays in arrays included."""
_LONGEST_LINE = 64 * 1024
_READ_BYTES = 64 * 1024

DEADLINE: ContextVar[float] = ContextVar("DEADLINE", default=inf)
"""Until when this task waits for replies, in real seconds of `time.perf_counter`.

A loop in workload time does not move its clock while bytes come, however slowly, so its timers alone do not bound a
reply of which a byte comes every three seconds.
"""


class BoundedParser(_AsyncRESP2Parser):  # type: ignore[misc]  # redis-py has no types here
    """redis-py's RESP2 parser, reading from a buffer that it fills itself. Raises InvalidResponse past a limit."""

    _buffer: bytearray
    _pos: int

    async def read_response(self, disable_decoding: bool = False) -> Any:
        """The next reply."""
        if not self._connected:
            raise ClosedError("the connection is closed")
        self._bytes_left, self._items_left = MOST_BYTES, MOST_ITEMS
        found = await self._read_response(disable_decoding=disable_decoding)
        del self._buffer[: self._pos]  # what comes after is the next reply
        self._pos = 0
        return found

    def _clear(self) -> None:
        self._buffer = bytearray()
        self._pos = 0

    async def _readline(self) -> bytes:
        """The head of a reply or of an item, without its line's end."""
        while (end := self._buffer.find(b"\r\n", self._pos)) < 0:
            if len(self._buffer) - self._pos > _LONGEST_LINE:
                raise InvalidResponse(f"a line of more than {_LONGEST_LINE} bytes")
            await self._fill()
        line = bytes(self._buffer[self._pos : end])
        self._spend(end + 2)
        if line[:1] == b"*":
            self._items_left -= _length(line)
            if self._items_left < 0:
                raise InvalidResponse(f"a reply of more than {MOST_ITEMS} items")
        elif line[:1] == b"$":
            _length(line)
        return line

    async def _read(self, length: int) -> bytes:
        """The length bytes of a string, without the line's end after them."""
        end = self._pos + length
        if length > self._bytes_left:
            raise InvalidResponse(f"a reply of more than {MOST_BYTES} bytes")
        while len(self._buffer) < end + 2:
            await self._fill()
        found = bytes(self._buffer[self._pos : end])
        self._spend(end + 2)
        return found

    def _spend(self, position: int) -> None:
        self._bytes_left -= position - self._pos
        self._pos = position
        if self._bytes_left < 0:
            raise InvalidResponse(f"a reply of more than {MOST_BYTES} bytes")

    async def _fill(self) -> None:
        if perf_counter() > DEADLINE.get():
            raise TimeoutError("the reply comes too slowly")
        found = await self._stream.read(_READ_BYTES)
        if not found:
            raise ClosedError("the server closed the connection")
        self._buffer += found


def _length(line: bytes) -> int:
    """The length that a head announces. Raises InvalidResponse for what is none."""
    digits = line[1:]
    if digits == b"-1":
        return 0
    if not digits.isdigit() or len(digits) > 18:
        raise InvalidResponse("a reply whose length is no number")
    return int(digits)
