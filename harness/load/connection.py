"""One RESP connection: a command out, a reply in.

In a locust process the socket is a plain non-blocking one, and the user waits on the event loop for its answer: a
third more requests a second of processor time than with gevent's own socket (measured with 100 users: 72,000 against
54,000). Elsewhere it blocks.
"""

from __future__ import annotations

import socket
from typing import Any

import hiredis

_CHUNK = 64 * 1024


class BrokenError(ConnectionError):
    """The connection ended, or never was: what became of the command is not known."""


def command(*words: bytes) -> bytes:
    """A command as it is sent."""
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


class Connection:
    """A client of one server. Raises BrokenError when there is none, or it goes."""

    def __init__(self, address: str, port: int, *, timeout_seconds: float = 10.0) -> None:
        self._reader = hiredis.Reader()
        self.calls = 0
        self.waits = False
        """Whether an answer is awaited: with calls, what a watchdog looks at."""
        self._watchers: list[Any] = []
        try:
            self._connect(address, port, timeout_seconds)
        except (OSError, UnicodeError) as error:
            raise BrokenError(f"{address}:{port}: {getattr(error, 'strerror', None) or error}") from error

    def _connect(self, address: str, port: int, timeout_seconds: float) -> None:
        self._socket = socket.create_connection((address, port), timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, sent: bytes) -> Any:
        """The reply to one command: bytes, int, None, list, or a hiredis.ReplyError that is returned, not raised."""
        self.calls += 1
        try:
            self.waits = True
            self._send(sent)
            reader = self._reader
            reader.feed(self._receive())
            while (reply := reader.gets()) is False:
                reader.feed(self._receive())
        except (OSError, hiredis.ProtocolError) as error:
            raise BrokenError(str(error) or "the connection was lost") from error
        finally:
            self.waits = False
        return reply

    def _send(self, sent: bytes) -> None:
        self._socket.sendall(sent)

    def _receive(self) -> bytes:
        return self._some(self._socket.recv(_CHUNK))

    @staticmethod
    def _some(received: bytes) -> bytes:
        if not received:
            raise BrokenError("the server closed the connection")
        return received

    def abort(self) -> None:
        """Cut it, from another greenlet: whoever waits for an answer gets BrokenError."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is cut already

    def close(self) -> None:
        """End it."""
        for watcher in self._watchers:
            watcher.close()
        self._watchers.clear()
        self._socket.close()


class GreenConnection(Connection):
    """The same for greenlets."""

    def _connect(self, address: str, port: int, timeout_seconds: float) -> None:
        import gevent  # noqa: PLC0415  # not where connections block
        from gevent import monkey  # noqa: PLC0415  # as above

        plain = monkey.get_original("socket", "socket")
        with gevent.Timeout(timeout_seconds, TimeoutError("no answer to connect")):
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
