"""A client of our own beside the users: what a connection is like now, from which a fault is seen to act.

It asks nothing of the cache: PING, with a word that comes back.
"""

from __future__ import annotations

import socket
import time
from typing import NamedTuple

from harness.load.connection import command, connect, told
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
            sent, answer = command(b"PING"), b"+PONG\r\n"
            if found.credentials:  # on one way there and back, so that a fault shows as it does without a password
                sent, answer = command(b"AUTH", *found.credentials) + sent, b"+OK\r\n" + answer
            ping, _ = _asked(client, sent, answer)
            word = b"x" * BULK_BYTES
            bulk, pieces = _asked(client, command(b"PING", word), b"$%d\r\n%b\r\n" % (BULK_BYTES, word))
            close, _ = _asked(client, command(b"QUIT"), None)
    except TimeoutError:
        problem = f"nothing within {PATIENCE_SECONDS:g} s"
    except OSError as error:
        problem = error.strerror or str(error)
    return Seen(connect, ping, bulk, pieces, close, problem)


def answers(url: str) -> float | None:
    """Seconds that a PING takes on a connection of its own; None if it has no answer."""
    return look(url).ping


def call(url: str, *words: bytes, seconds: float = 5.0) -> bytes:
    """The answer to one command, which is a word or an error (`-` before it). Raises OSError."""
    connection = connect(url, timeout_seconds=seconds)
    try:
        answer = connection.call(command(*words))
    finally:
        connection.close()
    return answer if isinstance(answer, bytes) else f"-{told(answer)}".encode()


def _asked(client: socket.socket, sent: bytes, answer: bytes | None) -> tuple[float, int]:
    """How long an answer took (None: the connection's end, whatever comes before), and in how many pieces it came."""
    began = time.monotonic()
    end = began + PATIENCE_SECONDS
    client.settimeout(PATIENCE_SECONDS)
    client.sendall(sent)
    got, pieces = b"", 0
    while got != answer:
        client.settimeout(max(0.001, end - time.monotonic()))
        received = client.recv(_CHUNK)
        if time.monotonic() > end:
            raise TimeoutError
        if answer is None:
            if not received:
                break
            continue
        if not received:
            raise ConnectionError("the connection was closed")
        got += received
        pieces += 1
        if not answer.startswith(got):
            raise ConnectionError(f"it answered {got[:40]!r}")
    return time.monotonic() - began, pieces
