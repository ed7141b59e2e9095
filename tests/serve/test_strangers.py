"""Clients that have not given a host's password: what they may send, for how long, and whose place they take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hosting import Client, hosted

from cache_impls.registry import make
from harness.serve import connection
from harness.serve.connection import LAST_LOOK_SECONDS, MAX_STRANGERS, PATIENCE_SECONDS, Connection
from harness.serve.host import Host
from harness.serve.resp import array, bulk

WORD = "sesame"
AUTH = array(map(bulk, (b"AUTH", b"sesame")))
NO_AUTH = b"-NOAUTH Authentication required."
LARGE = b"x" * 100_000


class Wire(asyncio.Transport):
    """What a host does with one connection, without a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.said = b""
        self.aborted = False

    def write(self, data: Any) -> None:
        """A reply."""
        self.said += data

    def abort(self) -> None:
        """The end."""
        self.aborted = True

    def close(self) -> None:
        """The end, after what was said."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""

    def get_write_buffer_size(self) -> int:
        """Nothing waits here."""
        return 0


class Came:
    """One connection to a host, by hand."""

    def __init__(self, host: Host) -> None:
        self.host, self.wire, self.connection = host, Wire(), Connection(host)
        self.connection.connection_made(self.wire)

    def send(self, data: bytes) -> None:
        """Bytes come."""
        self.host.received[: len(data)] = data
        self.connection.buffer_updated(len(data))


def in_a_loop(body: Callable[[list[tuple[float, Callable[[], None], asyncio.TimerHandle]]], None]) -> None:
    """Run body in a loop whose timers are noted, and run by hand."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        timers: list[tuple[float, Callable[[], None], asyncio.TimerHandle]] = []

        def call_later(delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
            timers.append((delay, callback, asyncio.TimerHandle(0, callback, (), loop)))
            return timers[-1][2]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "call_later", call_later)
            done = loop.create_future()

            def run() -> None:
                try:
                    body(timers)
                except BaseException as wrong:  # told where it is awaited
                    done.set_exception(wrong)
                else:
                    done.set_result(None)

            loop.call_soon(run)  # as a loop calls a protocol: from no task
            await done

    asyncio.run(main())


def a_host(password: str | None = WORD) -> Host:
    return Host(make("improved"), "it", password=password)


@pytest.mark.parametrize(
    "sent", [b"*11\r\n", b"*2\r\n$3\r\nGET\r\n$1025\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1025\r\n", b"x" * 10_241]
)
def test_a_stranger_may_send_little(sent: bytes) -> None:
    """What is more is refused when it is announced; who gave the password may send it."""

    async def body(host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        stranger, known = await client(), await client()
        stranger.writer.write(sent)
        assert (await stranger.line()).startswith(b"-ERR Protocol error")
        assert await stranger.reader.read() == b""
        assert host.refused == 1
        assert await known.ask("GET", "k" * 1_024) == NO_AUTH
        assert await known.ask("AUTH", WORD) == b"+OK"
        assert await known.ask("SET", "k" * 1_025, LARGE) == b"+OK"
        assert await known.ask("DEL", *("k" * 11)) == b":0"
        assert await known.ask("GET", "k" * 1_025) == LARGE

    hosted(body, password=WORD)


@pytest.mark.parametrize("first", [("AUTH", WORD), ("HELLO", "3", "AUTH", "default", WORD, "SETNAME", "me")])
def test_what_comes_together_with_the_password_may_be_large(first: tuple[str, ...]) -> None:
    """Its limits are those of a client, as soon as the password was right."""

    async def body(_host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        one.send(*first)
        one.send("SET", "a", LARGE)
        one.send("PING", "end")
        while await one.line() != b"end":
            pass
        assert await one.ask("GET", "a") == LARGE

    hosted(body, password=WORD)


def test_with_a_wrong_password_it_may_not() -> None:
    """The large command ends the connection, and is not done."""

    async def body(host: Host, client: Callable[[], Awaitable[Client]]) -> None:
        one = await client()
        one.send("AUTH", "x")
        one.send("SET", "a", LARGE)
        assert await one.line() == b"-WRONGPASS invalid username-password pair"
        assert await one.line() == b"-ERR Protocol error: invalid bulk length"
        assert host.tallies["set"].ok == 0

    hosted(body, password=WORD)


def test_a_stranger_ends_after_five_seconds() -> None:
    """Not before what has come meanwhile was read, where it was the host that stood still."""

    def body(timers: list[tuple[float, Callable[[], None], asyncio.TimerHandle]]) -> None:
        host = a_host()
        late, slow, known = Came(host), Came(host), Came(host)
        known.send(AUTH)
        assert timers[2][2].cancelled()
        assert [delay for delay, _, _ in timers] == [PATIENCE_SECONDS] * 3
        assert PATIENCE_SECONDS + LAST_LOOK_SECONDS == 5
        timers[0][1]()
        timers[1][1]()
        slow.send(AUTH)
        assert [timer.cancelled() for _, _, timer in timers[3:]] == [False, True]
        assert not late.wire.aborted
        timers[3][1]()
        assert [one.wire.aborted for one in (late, slow, known)] == [True, False, False]
        assert slow.wire.said == known.wire.said == b"+OK\r\n"
        assert host.refused == 1
        assert not host.strangers

    in_a_loop(body)


def test_of_too_many_strangers_the_first_ends() -> None:
    """Nobody who has given the password, though it came before them."""

    def body(_timers: list[tuple[float, Callable[[], None], asyncio.TimerHandle]]) -> None:
        host = a_host()
        known = Came(host)
        known.send(AUTH)
        strangers = [Came(host) for _ in range(MAX_STRANGERS + 3)]
        assert [one.wire.aborted for one in strangers] == [True] * 3 + [False] * MAX_STRANGERS
        assert not known.wire.aborted
        assert len(host.strangers) == MAX_STRANGERS
        strangers[-1].send(AUTH)
        assert strangers[-1].wire.said == b"+OK\r\n"

    in_a_loop(body)


def test_strangers_take_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places are for those who have given the password, and only these are counted as clients."""

    def body(_timers: list[tuple[float, Callable[[], None], asyncio.TimerHandle]]) -> None:
        monkeypatch.setattr(connection, "MAX_CLIENTS", 2)
        host = a_host()
        for _ in range(5):
            Came(host)
        users = [Came(host) for _ in range(2)]
        for user in users:
            user.send(AUTH)
            assert user.wire.said == b"+OK\r\n"
        assert host.info()["connected_clients"] == 2
        assert Came(host).wire.said == b"-ERR max number of clients reached\r\n"
        users[0].connection.connection_lost(None)
        again = Came(host)
        again.send(AUTH)
        assert again.wire.said == b"+OK\r\n"

    in_a_loop(body)


def test_a_stranger_that_fetches_no_replies_ends() -> None:
    """It could make the host keep them."""

    def body(_timers: list[tuple[float, Callable[[], None], asyncio.TimerHandle]]) -> None:
        host = a_host()
        one = Came(host)
        one.connection.pause_writing()
        one.send(b"a\n" * 1_000)
        assert one.wire.aborted
        assert one.wire.said.count(b"\n") == 1
        assert host.refused == 1

    in_a_loop(body)


def test_without_a_password_nobody_is_a_stranger() -> None:
    """No time is measured, and places are those of all."""

    def body(timers: list[tuple[float, Callable[[], None], asyncio.TimerHandle]]) -> None:
        host = a_host(None)
        all_of_them = [Came(host) for _ in range(MAX_STRANGERS + 1)]
        assert not any(one.wire.aborted for one in all_of_them)
        assert host.clients == MAX_STRANGERS + 1
        assert not timers

    in_a_loop(body)
