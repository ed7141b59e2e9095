"""One RESP connection: a command out, a reply in.

In a locust process the socket is a plain non-blocking one, and the user waits on the event loop for its answer: a
third more requests a second of processor time than with gevent's own socket (measured with 100 users: 72,000 against
54,000). Elsewhere it blocks.

Whoever answers may mean harm: an answer has a time by which it must be whole, a size, and one of the kinds that a
cache has. hiredis is not shown others, since it makes room for whatever length a server announces.
"""

from __future__ import annotations

import socket
import time
from typing import Any

import hiredis

from harness.load.plan import target

_CHUNK = 64 * 1024
_TOLD = 200
"""Characters of an error."""
_KINDS = b"+-:$"
"""The first bytes of a status, an error, a number and a string."""
SLACK_BYTES = 64 * 1024
"""Of an answer, beside its value: INFO of a server is such an answer, and so is an error."""
MOST_BYTES = 16 * 1024 * 1024 + SLACK_BYTES
"""Of an answer: the largest value that a host of ours takes."""


class BrokenError(ConnectionError):
    """The connection ended, or never was: what became of the command is not known."""


class RefusedError(BrokenError):
    """The server is there, and does not let us in with the password that it was given, or without one."""


def command(*words: bytes) -> bytes:
    """A command as it is sent."""
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


def told(reply: object) -> str:
    """An error of a server, in words that a terminal bears: its first line's beginning, of printable characters."""
    return "".join(char if char.isprintable() else "?" for char in str(reply)[:_TOLD])


class Connection:
    """A client of one server. Raises BrokenError when there is none, or it goes.

    A call takes timeout_seconds at most, from its first byte to the answer's last, and an answer has most_bytes at
    most. credentials are the words that AUTH takes.
    """

    def __init__(
        self, address: str, port: int, *, timeout_seconds: float = 10.0, credentials: tuple[bytes, ...] = (),
        most_bytes: int = MOST_BYTES,
    ) -> None:  # fmt: skip
        self._reader = hiredis.Reader()
        self._place = f"{address}:{port}"
        self._timeout_seconds = timeout_seconds
        self._end = 0.0
        """When the answer must be whole."""
        self._most_bytes = most_bytes
        self.calls = 0
        self.waits = False
        """Whether an answer is awaited: with calls, what a watchdog looks at."""
        self._watchers: list[Any] = []
        self._socket: socket.socket | None = None
        try:
            self._open(address, port, credentials)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | UnicodeError) and not isinstance(error, BrokenError):
                raise BrokenError(f"{self._place}: {getattr(error, 'strerror', None) or error}") from error
            raise

    def _open(self, address: str, port: int, credentials: tuple[bytes, ...]) -> None:
        self._connect(address, port)
        if credentials:
            reply = self.call(command(b"AUTH", *credentials))
            if isinstance(reply, hiredis.ReplyError):
                raise RefusedError(f"{self._place}: {told(reply)}")

    def _connect(self, address: str, port: int) -> None:
        self._socket = socket.create_connection((address, port), self._timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, sent: bytes) -> Any:
        """The reply to one command: bytes, int, None, or a hiredis.ReplyError that is returned, not raised."""
        self.calls += 1
        try:
            self.waits = True
            self._send(sent)
            reader, received = self._reader, self._receive()
            if received[0] not in _KINDS:
                raise BrokenError(f"it answered {received[:40]!r}, which is no answer of a cache")
            reader.feed(received)
            reply = reader.gets()
            if reply is False:
                reply = self._rest(len(received))
            if reader.has_data():
                raise BrokenError("it answered more than was asked")
        except (OSError, hiredis.ProtocolError) as error:
            why = getattr(error, "strerror", None) or str(error) or "the connection was lost"
            raise BrokenError(f"{self._place}: {why}") from error
        finally:
            self.waits = False
        return reply

    def _rest(self, size: int) -> Any:
        """The reply, of which so many bytes have come."""
        reader = self._reader
        while True:
            received = self._receive()
            size += len(received)
            if size > self._most_bytes:
                raise BrokenError(f"it answered more than {self._most_bytes:,} bytes")
            reader.feed(received)
            reply = reader.gets()
            if reply is not False:
                return reply

    def _send(self, sent: bytes) -> None:
        assert self._socket is not None  # it is connected
        self._end = time.monotonic() + self._timeout_seconds
        self._socket.settimeout(self._timeout_seconds)
        self._socket.sendall(sent)

    def _receive(self) -> bytes:
        assert self._socket is not None  # as above
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no whole answer within {self._timeout_seconds:g} s")
        self._socket.settimeout(left)
        try:
            return self._some(self._socket.recv(_CHUNK))
        except TimeoutError:
            raise TimeoutError(f"no whole answer within {self._timeout_seconds:g} s") from None

    @staticmethod
    def _some(received: bytes) -> bytes:
        if not received:
            raise BrokenError("the server closed the connection")
        return received

    def abort(self) -> None:
        """Cut it, from another greenlet: whoever waits for an answer gets BrokenError."""
        try:
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is cut already

    def close(self) -> None:
        """End it."""
        for watcher in self._watchers:
            watcher.close()
        self._watchers.clear()
        if self._socket is not None:
            self._socket.close()


class GreenConnection(Connection):
    """The same for greenlets. Of a call the time is a watchdog's affair (`drive.watch`), who cuts what is overdue."""

    _socket: socket.socket

    def _open(self, address: str, port: int, credentials: tuple[bytes, ...]) -> None:
        import gevent  # noqa: PLC0415  # not where connections block

        with gevent.Timeout(self._timeout_seconds, TimeoutError("no answer to connect")):
            super()._open(address, port, credentials)

    def _connect(self, address: str, port: int) -> None:
        import gevent  # noqa: PLC0415  # as above
        from gevent import monkey  # noqa: PLC0415  # as above

        plain = monkey.get_original("socket", "socket")
        made = socket.create_connection((address, port))  # gevent's: others run meanwhile
        self._socket = plain(fileno=made.detach())
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hub = gevent.get_hub()
        self._hub_wait = hub.wait
        self._readable = hub.loop.io(self._socket.fileno(), 1)
        self._writable = hub.loop.io(self._socket.fileno(), 2)
        self._watchers = [self._readable, self._writable]

    def _send(self, sent: bytes) -> None:
        done = self._socket.send(sent)
        while done < len(sent):
            self._hub_wait(self._writable)
            done += self._socket.send(sent[done:])

    def _receive(self) -> bytes:
        self._hub_wait(self._readable)
        return self._some(self._socket.recv(_CHUNK))


def connect(url: str, *, timeout_seconds: float = 10.0) -> Connection:
    """A client of the server of a URL, let in with the password that the URL has. Raises BrokenError."""
    place = target(url)
    return Connection(place.address, place.port, timeout_seconds=timeout_seconds, credentials=place.credentials)
