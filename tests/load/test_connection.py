"""A connection: replies whole or in pieces, errors that are replies, and servers that go."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import hiredis
import pytest

from harness.load.connection import BrokenError, Connection, GreenConnection, command

KINDS = [Connection, GreenConnection]
PING = command(b"PING")


@contextmanager
def answering(*parts: bytes) -> Iterator[int]:
    """A server of one client, which answers its first command with these parts, one send each, and goes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            client, _ = listening.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client:
                client.recv(64)
                for part in parts:
                    client.sendall(part)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(10)


def test_a_command_is_an_array_of_words() -> None:
    """As every RESP server reads it."""
    assert command(b"SET", b"k", b"") == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("parts", "reply"),
    [
        ((b"+PONG\r\n",), b"PONG"),
        ((b"$5\r\nhe", b"llo\r\n"), b"hello"),
        ((b"$-1\r\n",), None),
        ((b":12\r\n",), 12),
        ((b"*2\r\n:1\r\n", b":2\r\n"), [1, 2]),
    ],
)
def test_replies(kind: type[Connection], parts: tuple[bytes, ...], reply: object) -> None:
    """Whole, or in pieces as the network has them."""
    with answering(*parts) as port:
        connection = kind("127.0.0.1", port)
        assert connection.call(PING) == reply
        assert (connection.calls, connection.waits) == (1, False)
        connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_a_reply(kind: type[Connection]) -> None:
    """The connection goes on after it."""
    with answering(b"-ERR no\r\n") as port:
        connection = kind("127.0.0.1", port)
        assert isinstance(connection.call(PING), hiredis.ReplyError)
        connection.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parts", [(), (b"$5\r\nhe",), (b"no RESP at all\r\n",)])
def test_a_server_that_goes_or_talks_nonsense(kind: type[Connection], parts: tuple[bytes, ...]) -> None:
    """Broken, and what became of the command is not known."""
    with answering(*parts) as port:
        connection = kind("127.0.0.1", port)
        with pytest.raises(BrokenError):
            connection.call(PING)
        connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_there(kind: type[Connection]) -> None:
    """Told with the address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(BrokenError, match=f"127.0.0.1:{port}: Connection refused"):
        kind("127.0.0.1", port)


def test_a_large_value_goes_in_pieces() -> None:
    """More than the socket takes at once, while other greenlets run."""
    size = 32 * 1024 * 1024
    received: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            client, _ = listening.accept()
            with client:
                count = 0
                while count < size:
                    count += len(client.recv(1 << 20))
                received.append(count)
                client.sendall(b"+OK\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        connection = GreenConnection("127.0.0.1", listening.getsockname()[1])
        with gevent.Timeout(30):
            assert connection.call(b"x" * size) == b"OK"
        connection.close()
        thread.join(10)
    assert received == [size]


def test_cut_by_a_watchdog() -> None:
    """Whoever waits for an answer that does not come is told."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection = GreenConnection("127.0.0.1", listening.getsockname()[1])
        waiting = gevent.spawn(connection.call, PING)
        gevent.sleep(0)
        assert connection.waits
        connection.abort()
        with gevent.Timeout(10), pytest.raises(BrokenError):
            waiting.get()
        connection.close()
