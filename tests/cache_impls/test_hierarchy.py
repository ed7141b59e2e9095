"""The hierarchy's rules, one test each, in virtual time: L2 fails, is late, and is away, and nothing false is read."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from conftest import VirtualTime
from sides import Recording

from cache_impls.dialects import adapt
from cache_impls.hierarchy import HierarchyCache
from cache_impls.improved import ImprovedAsyncCache
from cache_impls.protocol import CacheClosedError, Capability
from cache_impls.registry import SpecError, make


class Tiers:
    """A hierarchy with room for one entry in L1, and its second tier, which notes what it is asked."""

    def __init__(self, **options: Any) -> None:
        self.log: list[tuple[str, str]] = []
        self.l2 = Recording("l2", self.log)
        self.cache = HierarchyCache(**({"max_entries": 1} | options))
        self.cache.interpose(lambda _name, _tier: adapt(self.l2))

    async def far(self, key: str, value: str, ttl: float | None = None) -> None:
        """Have an entry in L2 alone."""
        await self.cache.set(key, value, ttl)
        await self.push_out()

    async def push_out(self) -> None:
        """Leave no room in L1 for what is there."""
        await self.cache.set("other", "pushes out")

    @property
    def stats(self) -> dict[str, Any]:
        return self.cache.get_stats()


async def parked(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that has gone as far as it gets."""
    task = asyncio.create_task(work)
    for _ in range(10):
        await asyncio.sleep(0)
    return task


def test_what_l1_has_no_room_for_is_found_in_l2(virtual_time: VirtualTime) -> None:
    """And is back in L1 from then on."""

    async def main() -> None:
        tiers = Tiers()
        await tiers.far("k", "v")
        assert [await tiers.cache.get("k") for _ in range(2)] == ["v", "v"]
        assert (tiers.stats["l1_hits"], tiers.stats["l2_hits"]) == (1, 1)
        assert tiers.log.count(("l2", "get")) == 1
        await tiers.cache.shutdown()

    virtual_time.run(main())


@pytest.mark.parametrize("operation", ["set", "delete"])
@pytest.mark.parametrize("fault", ["error", "timeout", "cancelled", "breaker"])
def test_a_write_that_is_not_known_to_be_good_leaves_nothing_to_read(
    virtual_time: VirtualTime, operation: str, fault: str
) -> None:
    """Whatever became of it, the value before is not read again (C1, C4), and the operation does not fail."""

    async def main() -> None:
        tiers = Tiers(breaker_failures=1 if fault == "breaker" else 100)
        await tiers.far("k", "old")
        if fault in ("error", "breaker"):
            tiers.l2.fails = {"set", "delete"}
        else:
            tiers.l2.gate = asyncio.Event()
        if fault == "breaker":
            await tiers.push_out()
            assert tiers.stats["breaker_state"] == "open"
        work: Coroutine[Any, Any, Any]
        work = tiers.cache.set("k", "new") if operation == "set" else tiers.cache.delete("k")
        task = await parked(work)
        if fault == "cancelled":
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled() is (fault == "cancelled")
        assert task.cancelled() or task.exception() is None
        tiers.l2.fails, tiers.l2.gate = set(), None
        await asyncio.sleep(2)  # a breaker that has opened lets a probe through
        await tiers.push_out()
        assert await tiers.cache.get("k") is None
        assert tiers.stats["renamed"] >= 1
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_while_l2_is_away_l1_serves_alone(virtual_time: VirtualTime) -> None:
    """What is in L1 is read at once, what is not misses, and after some failures L2 is not asked."""

    async def main() -> None:
        tiers = Tiers(breaker_failures=3, max_entries=2)
        tiers.l2.fails = {"get", "set", "delete"}
        began = asyncio.get_running_loop().time()
        for i in range(10):
            await tiers.cache.set("k", i)
            assert await tiers.cache.get("k") == i
            assert await tiers.cache.get("absent") is None
        assert asyncio.get_running_loop().time() == began
        assert len(tiers.log) == 3
        assert (tiers.stats["l2_errors"], tiers.stats["l2_skipped"]) == (3, 17)
        tiers.l2.fails = set()
        await asyncio.sleep(2)
        await tiers.cache.set("k", "far again")
        assert tiers.stats["breaker_state"] == "closed"
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_a_name_under_which_nothing_was_sent_is_kept(virtual_time: VirtualTime) -> None:
    """While the breaker is open a key that is written again and again needs one new name."""

    async def main() -> None:
        tiers = Tiers(breaker_failures=1)
        tiers.l2.fails = {"set"}
        await tiers.push_out()
        for i in range(5):
            await tiers.cache.set("k", i)
        assert tiers.stats["renamed"] == 2  # and that of the key which opened it
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_l2_takes_no_longer_than_its_timeout(virtual_time: VirtualTime) -> None:
    """A get and a set of what hangs there take 0.25 s each; a delete of what is in L1 does too."""

    async def main() -> None:
        tiers = Tiers()
        loop = asyncio.get_running_loop()
        tiers.l2.gate = asyncio.Event()
        took = []
        for work in (tiers.cache.get("k"), tiers.cache.set("k", "v"), tiers.cache.delete("k")):
            began = loop.time()
            await work
            took.append(loop.time() - began)
        assert took == [0.25] * 3
        assert tiers.stats["l2_timeouts"] == 3
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_l2_is_asked_by_so_many_at_once(virtual_time: VirtualTime) -> None:
    """Who finds no place in time was never sent."""

    async def main() -> None:
        tiers = Tiers(l2_connections=2)
        tiers.l2.gate = asyncio.Event()
        await asyncio.gather(*(tiers.cache.get(f"k{i}") for i in range(5)))
        assert len(tiers.log) == 2
        assert tiers.stats["l2_timeouts"] == 5
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_a_copy_lives_for_what_remains(virtual_time: VirtualTime) -> None:
    """Read from L2 after 6 of 10 s it ends 4 s later, whatever L2 makes of its own ttl (C2)."""

    async def main() -> None:
        tiers = Tiers()
        await tiers.far("k", "v", 10.0)
        virtual_time.clock.advance_by(6)
        assert await tiers.cache.get("k") == "v"
        virtual_time.clock.advance_by(3.999)
        assert await tiers.cache.get("k") == "v"
        virtual_time.clock.advance_by(0.001)
        assert await tiers.cache.get("k") is None
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_l2s_own_ttl_decides_nothing(virtual_time: VirtualTime) -> None:
    """What it still holds past the deadline is neither read, nor was it live for a delete."""

    async def main() -> None:
        tiers = Tiers()
        store = tiers.l2.set

        async def for_ever(key: str, value: Any, _ttl: float) -> None:
            await store(key, value, 1e6)

        tiers.cache._far.tier.set = for_ever
        await tiers.far("k", "v", 10.0)
        virtual_time.clock.advance_by(10)
        assert await tiers.cache.get("k") is None
        assert await tiers.cache.delete("k") is False
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_a_clear_overtakes_reads_and_writes(virtual_time: VirtualTime) -> None:
    """What a reader had asked for before it is not copied, and a write of before it cannot be read in L2 (C4)."""

    async def main() -> None:
        tiers = Tiers()
        await tiers.far("k", "v")
        tiers.l2.gate = asyncio.Event()
        reader, writer = await parked(tiers.cache.get("k")), await parked(tiers.cache.set("w", "v"))
        await tiers.cache.clear()
        tiers.l2.gate.set()
        await asyncio.gather(reader, writer)
        assert [await tiers.cache.get(key) for key in ("k", "w", "other")] == [None] * 3
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_readers_share_one_request(virtual_time: VirtualTime) -> None:
    """Of ten who miss L1 at once one asks L2, whether it has the key or not."""

    async def main() -> None:
        tiers = Tiers()
        await tiers.far("k", "v")
        for key, answer in (("k", "v"), ("absent", None)):
            tiers.log.clear()
            tiers.l2.gate = asyncio.Event()
            readers = [await parked(tiers.cache.get(key)) for _ in range(10)]
            tiers.l2.gate.set()
            assert await asyncio.gather(*readers) == [answer] * 10
            assert tiers.log == [("l2", "get")]
        assert tiers.stats["l2_shared"] == 18
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_a_reader_after_a_clear_shares_nothing_of_before(virtual_time: VirtualTime) -> None:
    """It asks anew, under another name."""

    async def main() -> None:
        tiers = Tiers()
        await tiers.far("k", "v")
        tiers.l2.gate = asyncio.Event()
        early = await parked(tiers.cache.get("k"))
        await tiers.cache.clear()
        late = await parked(tiers.cache.get("k"))
        tiers.l2.gate.set()
        assert [await early, await late] == ["v", None]
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_a_reader_that_is_cancelled_fails_nobody(virtual_time: VirtualTime) -> None:
    """The next of those who waited for it asks, and all get the answer."""

    async def main() -> None:
        tiers = Tiers()
        await tiers.far("k", "v")
        tiers.l2.gate = asyncio.Event()
        leader, *followers = [await parked(tiers.cache.get("k")) for _ in range(4)]
        leader.cancel()
        await asyncio.wait([leader])
        tiers.l2.gate.set()
        assert await asyncio.gather(*followers) == ["v"] * 3
        assert not tiers.cache._flights
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_who_misses_l1_waits_for_a_write_under_way(virtual_time: VirtualTime) -> None:
    """Between the tiers the old value in L2 is not read."""

    async def main() -> None:
        tiers = Tiers()
        await tiers.far("k", "old")
        tiers.l2.gate = asyncio.Event()
        writer = await parked(tiers.cache.set("k", "new"))
        await tiers.cache._l1.delete("k")  # as if there were no room for it
        reader = await parked(tiers.cache.get("k"))
        assert not reader.done()
        tiers.l2.gate.set()
        await writer
        assert await reader == "new"
        assert not len(tiers.cache._locks)
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_delete_says_whether_it_was_live_anywhere(virtual_time: VirtualTime) -> None:
    """In L1, in L2 alone, nowhere."""

    async def main() -> None:
        tiers = Tiers()
        await tiers.cache.set("k", "v")
        assert [await tiers.cache.delete("k") for _ in range(2)] == [True, False]
        await tiers.far("k", "v")
        assert [await tiers.cache.delete("k") for _ in range(2)] == [True, False]
        assert tiers.stats["deletes"] == 2
        await tiers.cache.shutdown()

    virtual_time.run(main())


def test_after_the_shutdown_it_is_closed(virtual_time: VirtualTime) -> None:
    """Both tiers are, twice is as good as once, and every use is refused."""

    async def main() -> None:
        tiers = Tiers()
        await tiers.cache.set("k", "v")
        await tiers.cache.shutdown()
        await tiers.cache.shutdown()
        for work in (tiers.cache.get("k"), tiers.cache.set("k", "v"), tiers.cache.delete("k"), tiers.cache.clear()):
            with pytest.raises(CacheClosedError):
                await work
        with pytest.raises(CacheClosedError):
            await ImprovedAsyncCache.get(tiers.l2, "k")

    virtual_time.run(main())


def test_another_loop_has_other_names() -> None:
    """Its clock is another, so what L2 holds by the first is not read."""
    tiers = Tiers()
    asyncio.run(tiers.far("k", "v"))

    async def second() -> None:
        assert await tiers.cache.get("k") is None
        await tiers.far("k", "v")
        assert await tiers.cache.get("k") == "v"
        await tiers.cache.shutdown()

    asyncio.run(second())


def test_it_says_what_it_can_do() -> None:
    """It counts what it holds nowhere, and declares of L1's promises all, of L2's that others are seen late."""
    cache = make("hierarchy?l2=improved%3Fnum_shards%3D4", capacity=7)
    assert cache.capacity == 7
    assert Capability.SIZE not in cache.capabilities
    assert not cache.promises.weak


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("hierarchy?l1=nonsense", "no cache 'nonsense'"),
        ("hierarchy?l1=improved%3Fmax_entries%3D5", "l1's bound is max_entries of the hierarchy"),
        ("hierarchy?l2=cache_impls.serverless:Nothing", "could not be imported"),
        ("hierarchy?max_entries=0", "max_entries must be > 0"),
        ("hierarchy?l2_timeout=0", "l2_timeout must be > 0"),
        ("hierarchy?breaker_failures=0.5", "breaker_failures is an int"),
        ("hierarchy?l2=tests/zoo/decoys.py:MinimalCache", "l2 lacks delete"),
    ],
)
def test_a_wrong_tier_is_one_line(spec: str, message: str) -> None:
    """It says which, and why."""
    with pytest.raises(SpecError, match=message) as caught:
        make(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["valkey", "redis", "resp"])
def test_a_server_is_a_tier_by_its_url(scheme: str) -> None:
    """Written plain or encoded; none need be there when it is made."""
    pytest.importorskip("redis", reason="redis is not installed: pip install 'cachegate[valkey]'")
    from cache_impls.remote import RemoteTier

    for url in (f"{scheme}://127.0.0.1:1/0", f"{scheme}%3A%2F%2F127.0.0.1%3A1%2F0"):
        native: Any = make(f"hierarchy?l2={url}").native
        assert isinstance(native._far.tier.native, RemoteTier)
