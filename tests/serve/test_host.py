"""The host on a loopback socket: what it answers, counts and refuses, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from hosting import Client, hosted

from harness.serve.commands import COMMANDS
from harness.serve.connection import Connection
from harness.serve.debug import Debug
from harness.serve.host import Host

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


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
    """DEBUG is for hosts that chaos starts, and of those for whoever knows the password."""

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        answer = await (await client()).ask("DEBUG", "SLEEP", "1")
        assert answer is not None
        assert b"DEBUG is for" in answer

    hosted(body)
    hosted(body, debug=Debug())


HTTP = (
    b"POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\nFLUSHALL\r\n",
    b"post / HTTP/1.1\r\nFLUSHALL\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1:6380\r\nFLUSHALL\r\n",
    b"PUT / HTTP/1.1\r\nhOST: rebound.example\r\n\r\n*1\r\n$8\r\nFLUSHALL\r\n",
)
"""What a browser sends for a page of somebody else."""


@pytest.mark.parametrize("sent", HTTP)
def test_a_request_of_http_does_nothing(sent: bytes) -> None:
    """It ends its connection; what was asked before it is answered, nothing after it."""

    async def body(host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        page, other = await client(), await client()
        assert await other.ask("SET", "a", "1") == b"+OK"
        page.send("PING")
        page.writer.write(sent)
        said = await page.reader.read()
        assert said.startswith(b"+PONG\r\n")
        assert said.endswith(b"-ERR Protocol error: this is no HTTP server\r\n")
        assert await other.ask("GET", "a") == b"1"
        assert host.refused == 1

    hosted(body)


def test_words_of_http_are_keys_and_values_like_others() -> None:
    """Where they are no command."""

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        assert await one.ask("SET", "POST", "Host:") == b"+OK"
        one.writer.write(b"GET POST\r\n")
        assert [await one.line(), await one.line()] == [b"$5", b"Host:"]
        assert await one.ask("POST") == (await one.ask("LPUSH") or b"").replace(b"LPUSH", b"POST")

    hosted(body)


WORD = "open\udcff sesame"
"""A password may be any bytes."""
GIVEN = WORD.encode("utf-8", "surrogateescape")


def test_a_password_is_asked_before_anything_else() -> None:
    """A client without it may give it, and leave; with it all is as ever; who resets gives it again."""

    async def body(host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        nobody = sorted({*COMMANDS} - {b"AUTH", b"HELLO", b"QUIT", b"RESET"})
        for name in [*nobody, b"LPUSH"]:
            assert await one.ask(name, "a", "b") == b"-NOAUTH Authentication required."
        assert await one.ask("HELLO", "3") == b"-NOAUTH Authentication required."
        assert await one.ask("AUTH") == b"-ERR wrong number of arguments for 'auth' command"
        for wrong in ((b"",), (GIVEN + b"x",), (GIVEN[:-1],), (b"admin", GIVEN), (b"default", b"x"), (b"", GIVEN)):
            assert await one.ask("AUTH", *wrong) == b"-WRONGPASS invalid username-password pair"
            assert await one.ask("FLUSHALL") == b"-NOAUTH Authentication required."
        assert await one.ask("HELLO", "3", "AUTH", "default", "x") == b"-WRONGPASS invalid username-password pair"
        assert await one.ask("AUTH", GIVEN) == b"+OK"
        assert await one.ask("GET", "a") is None  # in RESP 2: a HELLO that is refused changes nothing
        assert await one.ask("RESET") == b"+RESET"
        assert await one.ask("GET", "a") == b"-NOAUTH Authentication required."
        assert await one.ask("AUTH", "default", GIVEN) == b"+OK"
        assert await one.ask("SET", "a", "1") == b"+OK"
        assert await one.ask("QUIT") == b"+OK"
        assert [host.tallies[name].ok for name in ("get", "set", "clear")] == [1, 1, 0]

    hosted(body, password=WORD)


def test_a_password_and_what_follows_it_may_come_together() -> None:
    """As pipelines do; and HELLO takes it too, with a name."""

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one, other = await client(), await client()
        one.send("GET", "a")
        one.send("AUTH", GIVEN)
        one.send("PING")
        assert [await one.line() for _ in range(3)] == [b"-NOAUTH Authentication required.", b"+OK", b"+PONG"]
        other.send("HELLO", "2", "AUTH", "default", GIVEN, "SETNAME", "me")
        other.send("PING", "end")
        while await other.line() != b"end":
            pass
        assert await other.ask("CLIENT", "GETNAME") == b"me"

    hosted(body, password=WORD)


def test_debug_is_there_for_those_who_have_the_password() -> None:
    """And for nobody else."""

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        assert await one.ask("DEBUG", "BALLAST", "10") == b"-NOAUTH Authentication required."
        assert await one.ask("AUTH", GIVEN) == b"+OK"
        assert await one.ask("DEBUG", "BALLAST", "10") == b":10"

    hosted(body, password=WORD, debug=Debug())


def test_without_a_password_nobody_is_asked() -> None:
    """AUTH says so; HELLO takes one that is not needed, as Redis does."""

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        assert await one.ask("AUTH", "x") == b"-ERR AUTH called, but this server has no password"
        assert await one.ask("HELLO", "2", "AUTH", "default", "x") == b"*14"

    hosted(body)


def test_a_probe_is_no_operation_of_users() -> None:
    """It is counted under a name of its own, and INFO does not know it."""

    async def body(host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        before = await one.ask("INFO")
        assert (await host.health())["status"] == "pass"
        assert [host.tallies[name].ok for name in ("get", "set", "delete", "probe")] == [0, 0, 0, 3]
        after = await one.ask("INFO")
        assert before is not None
        assert after is not None
        told = [line for line in after.splitlines() if line.startswith(b"cachegate_")]
        assert told == [line for line in before.splitlines() if line.startswith(b"cachegate_")]
        assert b"probe" not in after

    hosted(body)
