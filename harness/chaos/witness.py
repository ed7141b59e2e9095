"""A client of our own beside the users: what a connection is like now, from which a fault is seen to act.

It asks nothing of the cache: PING, with a word that comes back.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import NamedTuple

from harness.load.connection import command
from harness.load.plan import target

PATIENCE_SECONDS = 0.4
BULK_BYTES = 16_000
_CHUNK = 64 * 1024


class Seen(NamedTuple):
    """A connection that was tried. Times in seconds; None: that did not come within `PATIENCE_SECONDS`."""

    connect: float | None
    ping: float | None
    bulk: float | None
    """For `BULK_BYTES` there and back."""
    pieces: int
    """In which those came back."""
    close: float | None
    """From QUIT until the server's end was there."""
    problem: str | None
    """What ended it early."""

    def told(self) -> str:
        """In a few words."""
        if self.connect is None:
            return f"no connection ({self.problem})"
        if self.ping is None:
            return f"no answer ({self.problem})"
        return f"PING {1e3 * self.ping:.1f} ms"


def look(url: str) -> Seen:
    """Try a connection, as far as it goes."""
    found = target(url)
    connect = ping = bulk = close = problem = None
    pieces = 0
    began = time.monotonic()
    try:
        with socket.create_connection((found.address, found.port), PATIENCE_SECONDS) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connect = time.monotonic() - began
            ping, _ = _asked(client, b"*1\r\n$4\r\nPING\r\n", len(b"+PONG\r\n"))
            word = b"x" * BULK_BYTES
            bulk, pieces = _asked(client, command(b"PING", word), len(b"$%d\r\n" % BULK_BYTES) + BULK_BYTES + 2)
            began = time.monotonic()
            client.sendall(command(b"QUIT"))
            while client.recv(_CHUNK):
                pass
            close = time.monotonic() - began
    except TimeoutError:
        problem = f"nothing within {PATIENCE_SECONDS:g} s"
    except OSError as error:
        problem = error.strerror or str(error)
    return Seen(connect, ping, bulk, pieces, close, problem)


def answers(url: str) -> float | None:
    """Seconds that a PING takes on a connection of its own; None if it has no answer."""
    return look(url).ping


def call(url: str, *words: bytes, seconds: float = 5.0) -> bytes:
    """The first line of the answer to one command. Raises OSError."""
    found = target(url)
    with socket.create_connection((found.address, found.port), seconds) as client:
        client.sendall(command(*words))
        answer = b""
        while b"\r\n" not in answer:
            received = client.recv(_CHUNK)
            if not received:
                raise ConnectionError("the server closed the connection")
            answer += received
        head, _, rest = answer.partition(b"\r\n")
        if head.startswith(b"$"):  # a bulk string: its word
            size = int(head[1:])
            while len(rest) < size:
                rest += client.recv(_CHUNK)
            return rest[:size]
        return head


def _asked(client: socket.socket, sent: bytes, size: int) -> tuple[float, int]:
    """How long the answer of so many bytes took, and in how many pieces it came."""
    began = time.monotonic()
    end = began + PATIENCE_SECONDS
    client.settimeout(PATIENCE_SECONDS)
    client.sendall(sent)
    got = pieces = 0
    while got < size:
        client.settimeout(max(0.001, end - time.monotonic()))
        received = client.recv(_CHUNK)
        if not received:
            raise ConnectionError("the connection was closed")
        got += len(received)
        pieces += 1
    with suppress(OSError):
        client.settimeout(PATIENCE_SECONDS)
    return time.monotonic() - began, pieces
