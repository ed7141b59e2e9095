"""The host on a loopback socket: what it answers, counts and refuses, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
import uvloop

from cache_impls.registry import adapt, make
from harness.serve.host import Connection, Host
from harness.serve.resp import Command, Limits, Parser, array, bulk

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Client:
    """Sends words, reads replies as they are written."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *words: str | bytes) -> None:
        """One command, without waiting."""
        encoded = [word.encode() if isinstance(word, str) else word for word in words]
        self.writer.write(array(map(bulk, encoded)))

    async def line(self) -> bytes:
        """The next line of a reply."""
        return (await self.reader.readline()).removesuffix(b"\r\n")

    async def ask(self, *words: str | bytes) -> bytes | None:
        """The reply to one command: a bulk string's content, or the line."""
        self.send(*words)
        head = await self.line()
        if head.startswith(b"$"):
            length = int(head[1:])
            return None if length < 0 else (await self.reader.readexactly(length + 2))[:-2]
        return head


def hosted(
    body: Callable[[Host, Callable[[], Awaitable[Client]]], Awaitable[None]], cache: Any = None, **limits: int
) -> Host:
    """Run body against a host of cache, and drain it."""

    async def main() -> Host:
        host = Host(make("improved") if cache is None else cache, "it", Limits(**limits))
        server = await asyncio.get_running_loop().create_server(lambda: Connection(host), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        writers = []

        async def client() -> Client:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            return Client(reader, writer)

        try:
            async with asyncio.timeout(20):
                await body(host, client)
        finally:
            await host.drain(server)
            for writer in writers:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()
        return host

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as it is served
        return runner.run(main())


def test_the_commands_of_a_cache() -> None:
    """Set, get, overwrite, exists, size, delete, clear; bytes of any kind."""

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        assert await one.ask("GET", "a") is None
        assert await one.ask("SET", "a", b"\x00\r\n\xff") == b"+OK"
        assert await one.ask("get", "a") == b"\x00\r\n\xff"
        assert await one.ask("SET", b"\xff\xfe", "") == b"+OK"
        assert await one.ask("GET", b"\xff\xfe") == b""
        assert await one.ask("EXISTS", "a", "b", b"\xff\xfe") == b":2"
        assert await one.ask("DBSIZE") == b":2"
        assert await one.ask("DEL", "a", "b") == b":1"
        assert await one.ask("FLUSHALL") == b"+OK"
        assert await one.ask("DBSIZE") == b":0"
        assert await one.ask("PING") == b"+PONG"
        assert await one.ask("PING", "hello") == b"hello"

    hosted(body)


def test_ttls() -> None:
    """Seconds and milliseconds reach the cache as seconds; other options are refused, and nothing is stored."""
    given = []

    class Noting:
        async def get(self, key: str) -> Any:
            return None

        async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
            given.append(ttl)

    from cache_impls.dialects import adapt

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        assert await one.ask("SET", "a", "1", "EX", "5") == b"+OK"
        assert await one.ask("SET", "a", "1", "px", "1500") == b"+OK"
        assert await one.ask("SET", "a", "1") == b"+OK"
        assert await one.ask("SETEX", "a", "7", "1") == b"+OK"
        assert await one.ask("PSETEX", "a", "250", "1") == b"+OK"
        for words in (("EX",), ("EX", "x"), ("EX", "0"), ("PX", "-1"), ("NX",), ("KEEPTTL",), ("EX", "1", "NX")):
            reply = await one.ask("SET", "a", "1", *words)
            assert reply is not None
            assert reply.startswith(b"-ERR")

    hosted(body, adapt(Noting()))
    assert given == [5, 1.5, None, 7, 0.25]


def test_replies_come_in_order_and_clients_do_not_wait_for_each_other() -> None:
    """A thousand pipelined commands of two clients."""

    async def body(host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one, other = await client(), await client()
        for number in range(1_000):
            one.send("SET", f"k{number}", str(number))
            one.send("GET", f"k{number}")
            other.send("PING", str(number))
        for number in range(1_000):
            assert await one.line() == b"+OK"
            await one.line()
            assert await one.line() == str(number).encode()
            await other.line()
            assert await other.line() == str(number).encode()
        assert host.tallies["set"].ok == host.tallies["get"].ok == 1_000
        assert sum(host.tallies["get"].buckets) == 1_000

    hosted(body)


def test_what_the_cache_raises_is_an_error_and_counted() -> None:
    """The client and the host go on."""

    class Failing:
        async def get(self, key: str) -> Any:
            raise ConnectionResetError("the far tier\r\nis gone")

        async def set(self, key: str, value: Any) -> None:
            pass

    from cache_impls.dialects import adapt

    async def body(host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        assert await one.ask("GET", "a") == b"-ERR get raised ConnectionResetError: the far tier is gone"
        assert await one.ask("SET", "a", "1") == b"+OK"
        assert await one.ask("DBSIZE") == b"-ERR size raised NotImplementedError: Failing has no size()"
        assert host.errors == {"ConnectionResetError": 1, "NotImplementedError": 1}
        assert host.tallies["get"].errors == 1
        assert (await host.health())["status"] == "fail"

    hosted(body, adapt(Failing()))


@pytest.mark.parametrize(
    "sent", [b"*1\r\n:1\r\n", b"*2\r\n$3\r\nGET\r\n$999\r\n", b"\x16\x03\x01\x02\n", b"*9999999\r\n"]
)
def test_malformed_input_ends_its_connection_alone(sent: bytes) -> None:
    """With an error; what came whole before is answered, and others go on."""

    async def body(host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        bad, good = await client(), await client()
        bad.send("PING")
        bad.writer.write(sent)
        assert await bad.line() == b"+PONG"
        assert (await bad.line()).startswith(b"-ERR")
        if sent[:1] == b"*":
            assert await bad.reader.read() == b""
            assert host.refused == 1
        assert await good.ask("PING") == b"+PONG"

    hosted(body, key=100)


def test_one_who_closes_early_is_still_answered() -> None:
    """Half-closed: the replies come, then the end."""

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        one.send("SET", "a", "1")
        one.send("GET", "a")
        one.writer.write_eof()
        assert await one.reader.read() == b"+OK\r\n$1\r\n1\r\n"

    hosted(body)


def test_draining_finishes_what_was_asked() -> None:
    """A get that is under way is answered, the connection ends, the cache is shut down, nobody new comes in."""
    asked, gate = asyncio.Event(), asyncio.Event()

    class Slow:
        shut = False

        async def get(self, key: str) -> Any:
            asked.set()
            await gate.wait()
            return b"late"

        async def set(self, key: str, value: Any) -> None:
            pass

        async def shutdown(self) -> None:
            Slow.shut = True

    from cache_impls.dialects import adapt

    async def body(host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        one.send("GET", "a")
        await asked.wait()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(host), "127.0.0.1", 0)
        draining = asyncio.create_task(host.drain(server))
        await asyncio.sleep(0)
        assert not Slow.shut
        gate.set()
        assert await one.reader.read() == b"$4\r\nlate\r\n"
        await draining
        assert Slow.shut

    hosted(body, adapt(Slow()))


def test_what_clients_ask_on_connecting() -> None:
    """HELLO in both protocols, CLIENT, CONFIG, COMMAND, SELECT, INFO; and an unknown command says what there is."""

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        assert await one.ask("HELLO", "3") == b"%7"
        for _ in range(12):
            await one.line()
        rest = [await one.line() for _ in range(13)]
        assert rest[-1] == b"*0"
        assert await one.ask("GET", "nothing") == b"_"
        assert await one.ask("RESET") == b"+RESET"
        assert await one.ask("GET", "nothing") is None
        assert await one.ask("HELLO", "9") == b"-NOPROTO unsupported protocol version"
        assert await one.ask("CLIENT", "SETNAME", "me") == b"+OK"
        assert await one.ask("CLIENT", "GETNAME") == b"me"
        assert await one.ask("CLIENT", "SETINFO", "LIB-NAME", "x") == b"+OK"
        assert await one.ask("SELECT", "0") == b"+OK"
        assert await one.ask("SELECT", "1") == b"-ERR DB index is out of range: there is database 0"
        info = await one.ask("INFO")
        assert info is not None
        assert b"cachegate_get_ok:2" in info
        unknown = await one.ask("LPUSH", "a", "1")
        assert unknown is not None
        assert unknown.startswith(b"-ERR unknown command 'LPUSH'")
        assert b"DBSIZE" in unknown
        assert await one.ask("GET") == b"-ERR wrong number of arguments for 'get' command"
        assert await one.ask("QUIT") == b"+OK"
        assert await one.reader.read() == b""

    hosted(body)


def test_caches_that_wait_find_their_task() -> None:
    """A command that cannot be answered at once goes on in the connection's task: time-outs and contexts work."""
    seen: ContextVar[int] = ContextVar("seen", default=0)

    class Waiting:
        async def get(self, key: str) -> Any:
            seen.set(seen.get() + 1)
            task = asyncio.current_task()
            await asyncio.sleep(0)
            assert asyncio.current_task() is task
            if key == "never":
                async with asyncio.timeout(0.001):
                    await asyncio.get_running_loop().create_future()
            return str(seen.get())

        async def set(self, key: str, value: Any) -> None:
            async with asyncio.timeout(5):
                await asyncio.sleep(0)

    from cache_impls.dialects import adapt

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one, other = await client(), await client()
        assert await one.ask("SET", "a", "1") == b"+OK"
        assert await one.ask("GET", "a") == b"1"
        assert await one.ask("GET", "never") == b"-ERR get raised TimeoutError:"
        one.send("GET", "a")
        one.send("PING")
        assert [await one.line() for _ in range(3)] == [b"$1", b"3", b"+PONG"]
        assert await other.ask("GET", "a") == b"1"

    hosted(body, adapt(Waiting()))


def test_there_is_no_debug_unasked() -> None:
    """DEBUG is for hosts that chaos starts."""

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        answer = await (await client()).ask("DEBUG", "SLEEP", "1")
        assert answer is not None
        assert b"DEBUG is for" in answer

    hosted(body)


def test_a_command_without_memory_is_an_error_and_the_next_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection stays, and in step."""
    feed, refused = Parser.feed, [False]

    def no_room(self: Parser, data: bytes) -> list[Command]:
        if b"large" in data and not refused[0]:
            refused[0] = True
            raise MemoryError
        return feed(self, data)

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        monkeypatch.setattr(Parser, "feed", no_room)
        assert await one.ask("SET", "large", "x" * 100) == b"-OOM out of memory"
        assert await one.ask("SET", "a", "1") == b"+OK"
        assert await one.ask("GET", "a") == b"1"
        assert await one.ask("GET", "large") is None

    hosted(body)
    assert refused[0]


def test_a_cache_without_memory_is_an_error() -> None:
    """Counted as one of the cache."""

    class Full:
        """Has no room for anything."""

        async def get(self, _key: str) -> Any:
            """Nothing."""

        async def set(self, _key: str, _value: Any, _ttl: float | None = None) -> None:
            """No room."""
            raise MemoryError

    async def body(host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        answer = await (await client()).ask("SET", "a", "1")
        assert answer is not None
        assert b"MemoryError" in answer
        assert host.tallies["set"].errors == 1

    hosted(body, adapt(Full()))


class Impatient:
    """Waits for something behind it, for no longer than a twentieth of a second, while its loop stalls for two."""

    async def get(self, _key: str) -> Any:
        """Nothing, in time or too late."""
        try:
            async with asyncio.timeout(0.05):
                time.sleep(0.1)  # noqa: ASYNC251  # the loop stalls: that is what is tried
                await asyncio.sleep(10)
        except TimeoutError:
            return b"late"

    async def set(self, _key: str, _value: Any, _ttl: float | None = None) -> None:
        """Nothing."""


def test_a_timeout_of_the_caches_own_ends_a_command_not_its_connection() -> None:
    """Even if the loop stalls until the time is over before the command's task goes on with it."""

    async def body(host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        for _ in range(3):
            assert await one.ask("GET", "a") == b"late"
        assert await one.ask("PING") == b"+PONG"
        assert host.tallies["get"].ok == 3

    hosted(body, adapt(Impatient()))


def test_a_client_that_fetches_nothing_does_not_make_the_host_grow() -> None:
    """Its commands wait, one by one as they come, until it reads."""

    async def body(host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one, other = await client(), await client()
        await other.ask("SET", "a", "x" * 1_000_000)
        for _ in range(200):
            one.send("GET", "a")
            await other.ask("PING")
        assert host.tallies["get"].ok < 50

    hosted(body)


def test_where_there_is_no_memory_at_all_the_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an error: nobody knows any more where a command begins."""

    def no_room(_self: Parser, _data: bytes) -> list[Command]:
        raise MemoryError

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        monkeypatch.setattr(Parser, "feed", no_room)
        monkeypatch.setattr(Parser, "skip", no_room)
        assert await one.ask("SET", "a", "1") == b"-OOM out of memory"
        assert await one.reader.read() == b""

    hosted(body)
