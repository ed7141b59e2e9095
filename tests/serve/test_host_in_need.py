"""A host without memory, with a loop that stalls, with clients that fetch nothing: errors, and connections in step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hosting import Client, hosted

from cache_impls.registry import adapt
from harness.serve.host import Host
from harness.serve.resp import Command, Parser

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


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
