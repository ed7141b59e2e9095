"""RESP, the wire protocol of Redis and Valkey: commands in, replies out. Pure.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec. Commands come as arrays of bulk strings, or as
a line of words (what telnet sends). hiredis is not used here, on purpose: its reader makes a list of whatever
length a client announces, 780 MB of address space for twelve bytes, and cannot be told to refuse. It is faster, by
0.7 us for one command and 2.8 us for each of fifty that come together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

OK = b"+OK\r\n"
PONG = b"+PONG\r\n"
NULL = {2: b"$-1\r\n", 3: b"_\r\n"}
_MAX_WORDS = 1_024
"""Of one command: more keys than any client of a cache removes at once."""
_MAX_HEADER = 32
"""Bytes of a line that announces a length."""
_MAX_LINE = 64 * 1024
_MOST_SKIPPED = 1 << 30
"""Bytes of a word, or words, that are waited for where there is no memory."""
_ARRAY, _BULK = b"*"[0], b"$"[0]
_OF_HTTP = (b"post", b"host:")
"""Words that begin a line of every request by which a browser could send commands in its body."""

Command = list[bytes]


class ProtocolError(Exception):
    """What came is no RESP, or more than is allowed: the message is told to the client, whose connection ends."""

    before: Sequence[Command] = ()
    """Whole commands that came before it, which are answered."""


class Limits(NamedTuple):
    """What one client may send, in bytes."""

    key: int = 64 * 1024
    value: int = 16 * 1024 * 1024


NO_ROOM: Command = [b"\0OOM"]
"""In the place of a command for which there was no memory. No client can send it: a name has no such byte."""


class Skipper:
    """Finds the end of one command without keeping any of it, however it is cut into pieces."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._body = 0
        """Bytes of the word that are still to come, its end of line included."""
        self._words: int | None = None
        """Still to come; None: how many is not known yet."""

    def feed(self, data: bytes | memoryview) -> int | None:
        """How many bytes of data belong to it, or None if it goes on after them. Raises ProtocolError."""
        at = 0
        while at < len(data):
            if self._body:
                took = min(self._body, len(data) - at)
                self._body -= took
                at += took
            else:
                self._header.append(data[at])
                at += 1
                if self._header.endswith(b"\r\n"):
                    self._read_header()
                elif len(self._header) > _MAX_HEADER:
                    raise ProtocolError("invalid length")
            if self._words == 0 and not self._body:
                return at
        return None

    def _read_header(self) -> None:
        sign, digits = self._header[0], bytes(self._header[1:-2])
        self._header.clear()
        if not digits.isdigit() or sign != (_ARRAY if self._words is None else _BULK):
            raise ProtocolError("invalid length")
        number = int(digits)
        if number > _MOST_SKIPPED:
            raise ProtocolError("invalid length")
        if self._words is None:
            self._words = number
        else:
            self._words -= 1
            self._body = number + 2


class Parser:
    """Bytes as they come -> whole commands, for one connection."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._short = min(len(_LENGTHS), limits.key, limits.value)
        self._chunks: list[bytes] = []
        self._held = 0
        """Bytes in chunks."""
        self._needed = 0
        """Bytes without which looking again is in vain."""
        self._skipping: Skipper | None = None

    def feed(self, data: bytes) -> list[Command]:
        """The commands that data completes. Raises ProtocolError.

        Raises MemoryError where there is no room for one; `skip` then leaves it out.
        """
        if self._skipping is not None:
            return self.skip(data)
        if not self._chunks and len(data) < self._short:
            command = _alone(data)
            if command is not None:
                return [command]
        if self._chunks:
            if self._held + len(data) < self._needed:
                self._chunks.append(data)
                self._held += len(data)
                return []
            data = b"".join([*self._chunks, data])
            self._chunks.clear()
        commands: list[Command] = []
        at, end, self._needed = 0, len(data), 0
        while at < end:
            try:
                command, after = (self._array if data[at] == _ARRAY else self._line)(data, at)
                if command is None:
                    self._needed = after - at
                    self._chunks.append(data[at:])
                    self._held = end - at
                    break
            except ProtocolError as wrong:
                wrong.before = commands
                raise
            except MemoryError:
                try:
                    return [*commands, *self.skip(memoryview(data)[at:])]
                except ProtocolError as wrong:
                    wrong.before = [*commands, *wrong.before]
                    raise
            if command:
                commands.append(command)
            at = after
        return commands

    def skip(self, data: bytes | memoryview) -> list[Command]:
        """The same, but without the command that is coming: it is answered with an error, and its bytes not kept."""
        if self._skipping is None:
            self._skipping = Skipper()
            for chunk in self._chunks:
                self._skipping.feed(chunk)
            self._chunks.clear()
            self._held = self._needed = 0
        used = self._skipping.feed(data)
        if used is None:
            return []
        self._skipping = None
        rest = bytes(data[used:])  # a MemoryError here is the end: nobody knows any more where a command begins
        try:
            return [NO_ROOM, *self.feed(rest)]
        except ProtocolError as wrong:
            wrong.before = [NO_ROOM, *wrong.before]
            raise

    def _array(self, data: bytes, at: int) -> tuple[Command | None, int]:
        """A command and where it ends; or None and how far data has to reach before it is worth another look."""
        count, at = _length(data, at + 1, "multibulk")
        if count is None:
            return None, at
        if count > _MAX_WORDS:
            raise ProtocolError("invalid multibulk length")
        command: Command = []
        most = self._limits.value + self._limits.key + _MAX_LINE
        for place in range(count):
            if at < len(data) and data[at] != _BULK:
                raise ProtocolError(f"expected '$', got {chr(data[at])!r}")
            length, start = _length(data, at + 1, "bulk")
            if length is None:
                return None, start
            most -= length
            if most < 0 or length > (self._limits.value if place > 1 else self._limits.key):
                raise ProtocolError("invalid bulk length")
            at = start + length + 2
            if at > len(data):
                return None, at
            if data[at - 2 : at] != b"\r\n":
                raise ProtocolError("a bulk string does not end where it said")
            command.append(data[start : start + length])
        return command, at

    def _line(self, data: bytes, at: int) -> tuple[Command | None, int]:
        stop = data.find(b"\n", at)
        if (len(data) if stop < 0 else stop) - at > _MAX_LINE:
            raise ProtocolError("too big inline request")
        if stop < 0:
            return None, len(data) + 1
        words = data[at:stop].split()
        if words and words[0].lower() in _OF_HTTP:
            raise ProtocolError("this is no HTTP server")
        return words, stop + 1


_COUNTS = {b"*%d" % count: count for count in range(1, 8)}
_LENGTHS = [b"$%d" % length for length in range(1_024)]


def _alone(data: bytes) -> Command | None:
    """The one short command that data is, as nearly all of it is; None if it is not, or not surely."""
    parts = data.split(b"\r\n")
    count = _COUNTS.get(parts[0])
    if count is None or len(parts) != 2 * count + 2 or parts[-1]:
        return None
    command = parts[2:-1:2]
    return command if [_LENGTHS[len(word)] for word in command] == parts[1:-1:2] else None


def _length(data: bytes, at: int, what: str) -> tuple[int | None, int]:
    """The number of a header that begins at `at`, and where its line ends; None if it has not come whole."""
    stop = data.find(b"\r\n", at, at + _MAX_HEADER)
    if stop < 0:
        if len(data) - at >= _MAX_HEADER:
            raise ProtocolError(f"invalid {what} length")
        return None, len(data) + 1
    digits = data[at:stop]
    if not digits.isdigit():
        raise ProtocolError(f"invalid {what} length")
    return int(digits), stop + 2


def error(message: str, kind: str = "ERR") -> bytes:
    """An error of one line."""
    return f"-{kind} {' '.join(message.split())}\r\n".encode(errors="replace")


def integer(value: int) -> bytes:
    """A number."""
    return b":%d\r\n" % value


def bulk(value: bytes) -> bytes:
    """A string of any bytes."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


def array(items: Iterable[bytes]) -> bytes:
    """Replies as one."""
    parts = list(items)
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))


def mapping(pairs: Iterable[tuple[str, bytes]], protocol: int) -> bytes:
    """Names and replies: a map in RESP3, a flat array in RESP2."""
    parts = [part for name, reply in pairs for part in (bulk(name.encode()), reply)]
    head = b"%%%d\r\n" % (len(parts) // 2) if protocol == 3 else b"*%d\r\n" % len(parts)  # RESP3
    return head + b"".join(parts)
