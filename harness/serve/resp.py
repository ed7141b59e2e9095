"""RESP, the wire protocol of Redis and Valkey: commands in, replies out. Pure.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec. Commands come as arrays of bulk strings, or as
a line of words (what telnet sends). hiredis is not used here, on purpose: its reader makes a list of whatever
length a client announces, 780 MB of address space for twelve bytes, and cannot be told to refuse. It is faster, by
0.7 us for one command and 2.8 us for each of fifty that come together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

OK = b"+OK\r\n"
PONG = b"+PONG\r\n"
NULL = {2: b"$-1\r\n", 3: b"_\r\n"}
_MAX_HEADER = 32
"""Bytes of a line that announces a length."""
_MAX_LINE = 64 * 1024
"""Bytes of a line of words, and of all words of a command beside its largest key and value."""
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
    """What one client may send, in bytes; of words, how many."""

    key: int = 64 * 1024
    value: int = 16 * 1024 * 1024
    words: int = 1_024
    """Of one command: more keys than any client of a cache removes at once."""
    line: int = _MAX_LINE


OF_STRANGERS = Limits(key=1024, value=1024, words=10, line=10 * 1024)
"""Of a client that has not given the password: enough to give it, and for what clients ask around that."""


NO_ROOM: Command = [b"\0OOM"]
"""In the place of a command for which there was no memory. No client can send it: a name has no such byte."""


class Skipper:
    """Finds the end of one command without keeping any of it, however it is cut into pieces."""

    def __init__(self, words: int | None = None) -> None:
        self._header = bytearray()
        self._body = 0
        """Bytes of the word that are still to come, its end of line included."""
        self._words = words
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
    """Bytes as they come -> whole commands, for one connection.

    Words that have come whole are kept as words, so that a byte costs no more for all that came before it.
    """

    def __init__(self, limits: Limits) -> None:
        self.allow(limits)
        self._command: Command = []
        """Of a command that has begun to come, the words that came whole."""
        self._left = 0
        """Its words that have not; 0: none has begun, or nobody knows yet how many words it has."""
        self._most = 0
        """Bytes that these may have."""
        self._chunks: list[bytes] = []
        """What came after the words: not empty while a command goes on, if only with nothing."""
        self._held = 0
        """Bytes in chunks."""
        self._needed = 0
        """Bytes without which looking again is in vain."""
        self._in_line = False
        """Whether chunks are the beginning of a line of words."""
        self._skipping: Skipper | None = None

    def allow(self, limits: Limits) -> None:
        """From the next command on these are its limits."""
        self._limits = limits
        self._short = min(len(_LENGTHS), limits.key, limits.value)

    def feed(self, data: bytes) -> list[Command]:
        """The commands that data completes. Raises ProtocolError.

        Raises MemoryError where there is no room for one; `skip` then leaves it out.
        """
        if not self._chunks and len(data) < self._short and self._skipping is None:
            command = _alone(data)
            if command is not None:
                return [command]
        return gathered(self.each(data))

    def skip(self, data: bytes | memoryview) -> list[Command]:
        """The same, but without the command that is coming: it is answered with an error, and its bytes not kept."""
        return gathered(self.skip_each(data))

    def each(self, data: bytes) -> Iterator[Command]:
        """As `feed`, one by one, so that the limits of the next may depend on the answer to the one before it."""
        if self._skipping is not None:
            yield from self.skip_each(data)
            return
        if self._chunks:
            if self._goes_on(data):
                self._chunks.append(data)
                self._held += len(data)
                return
            data = b"".join([*self._chunks, data])
            self._chunks.clear()
        at, end = 0, len(data)
        while at < end:
            try:
                command, at = (self._array if self._left or data[at] == _ARRAY else self._line)(data, at)
            except MemoryError:
                yield from self.skip_each(memoryview(data)[at:])
                return
            if command:
                yield command

    def skip_each(self, data: bytes | memoryview) -> Iterator[Command]:
        """As `skip`, one by one."""
        if self._skipping is None:
            self._skipping = Skipper(self._left or None)
            for chunk in self._chunks:
                self._skipping.feed(chunk)
            self._chunks.clear()
            self._command = []
            self._left = 0
        used = self._skipping.feed(data)
        if used is None:
            return
        self._skipping = None
        rest = bytes(data[used:])  # a MemoryError here is the end: nobody knows any more where a command begins
        yield NO_ROOM
        yield from self.each(rest)

    def _goes_on(self, data: bytes) -> bool:
        """Whether data surely completes nothing of what is held, and nothing is wrong with it."""
        held = self._held + len(data)
        return held <= self._limits.line and b"\n" not in data if self._in_line else held < self._needed

    def _keep(self, data: bytes, at: int, needed: int, left: int = 0, most: int = 0) -> None:
        """Data from `at` on are a beginning; state changes last, for there may be no memory to keep them."""
        self._chunks.append(data[at:])
        self._held, self._needed, self._left, self._most = len(data) - at, needed, left, most
        self._in_line = False

    def _array(self, data: bytes, at: int) -> tuple[Command | None, int]:
        """A command and where it ends; or None and the end of data, where it goes on after them."""
        left, command, most = self._left, self._command, self._most
        if not left:
            count, start = _length(data, at + 1, "multibulk")
            if count is None:
                self._keep(data, at, 0)
                return None, len(data)
            if count > self._limits.words:
                raise ProtocolError("invalid multibulk length")
            left, command, at = count, [], start
            most = self._limits.value + self._limits.key + _MAX_LINE
        words = len(command) + left
        for place in range(len(command), words):
            if at < len(data) and data[at] != _BULK:
                raise ProtocolError(f"expected '$', got {chr(data[at])!r}")
            length, start = _length(data, at + 1, "bulk")
            if length is None:
                stop = at
            else:
                if length > most or length > (self._limits.value if place > 1 else self._limits.key):
                    raise ProtocolError("invalid bulk length")
                stop = start + length + 2
            if length is None or stop > len(data):
                self._keep(data, at, stop - at, words - place, most)
                self._command = command
                return None, len(data)
            if data[stop - 2 : stop] != b"\r\n":
                raise ProtocolError("a bulk string does not end where it said")
            command.append(data[start : start + length])
            most -= length
            at = stop
        self._left = 0
        return command, at

    def _line(self, data: bytes, at: int) -> tuple[Command | None, int]:
        stop = data.find(b"\n", at)
        if (len(data) if stop < 0 else stop) - at > self._limits.line:
            raise ProtocolError("too big inline request")
        if stop < 0:
            self._keep(data, at, 0)
            self._in_line = True
            return None, len(data)
        words = data[at:stop].split()
        if words and words[0].lower() in _OF_HTTP:
            raise ProtocolError("this is no HTTP server")
        return words, stop + 1


def gathered(coming: Iterable[Command]) -> list[Command]:
    """All that come. Raises ProtocolError, which has those that came before it."""
    commands: list[Command] = []
    try:
        for command in coming:
            commands.append(command)  # noqa: PERF402  # those before an error are kept
    except ProtocolError as wrong:
        wrong.before = commands
        raise
    return commands


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
        return None, len(data)
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
