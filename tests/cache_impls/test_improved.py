"""What of the new cache the contract does not show: its queues, its eviction, its turns."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest

from cache_impls.improved import ImprovedAsyncCache
from cache_impls.improved import cache as module
from cache_impls.improved.entry import Entry
from cache_impls.improved.eviction import Eviction
from cache_impls.improved.memory import Memory
from cache_impls.improved.queue import Queue
from cache_impls.protocol import CacheClosedError


def an_entry(key: str) -> Entry:
    entry = Entry()
    entry.value, entry.deadline, entry.bytes, entry.key, entry.uses = f"value of {key}", 1e9, 1, key, 0
    return entry


def enter(queue: Queue, entry: Entry) -> None:
    entry.queue = queue
    queue.append(entry)


def filled(*keys: str) -> tuple[Queue, list[Entry]]:
    queue, entries = Queue(), [an_entry(key) for key in keys]
    for entry in entries:
        enter(queue, entry)
    return queue, entries


def remove(queue: Queue, entry: Entry) -> None:
    entry.queue = None
    queue.removed_one()


def test_a_queue_gives_back_in_order_what_was_not_removed() -> None:
    queue, entries = filled("a", "b", "c", "d")
    for entry in (entries[0], entries[2]):
        remove(queue, entry)
    assert len(queue) == 2
    assert [entry and entry.key for entry in (queue.pop(), queue.pop(), queue.pop())] == ["b", "d", None]
    assert len(queue) == queue.places == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_queue_is_bounded_by_what_is_live(seed: int) -> None:
    """Whatever is removed in whatever order, behind an entry that stays in front."""
    rng = random.Random(seed)
    queue, _ = filled("first")
    live: list[Entry] = []
    for i in range(30_000):
        entry = an_entry(f"k{i}")
        enter(queue, entry)
        live.append(entry)
        if len(live) > 50:
            remove(queue, live.pop(rng.randrange(len(live))))
        assert queue.places <= 2 * len(live) + 2_500
    assert len(queue) == len(live) + 1


def test_eviction_prefers_what_was_asked_for_once() -> None:
    """Hits twice on the old entries: a scan of new ones passes them by, where least recently used would lose all."""
    eviction = Eviction(100, 4)
    popular = [an_entry(f"popular{i}") for i in range(60)]
    for entry in popular:
        eviction.admit(entry, hash(entry.key))
        entry.uses = 2
    for i in range(40):
        eviction.admit(an_entry(f"cold{i}"), hash(f"cold{i}"))
    for i in range(500):
        gone = eviction.victim()
        assert gone is not None
        gone.queue = None
        eviction.admit(an_entry(f"scan{i}"), hash(f"scan{i}"))
    assert sum(entry.queue is not None for entry in popular) >= 55


def test_what_comes_back_after_its_eviction_is_kept() -> None:
    eviction = Eviction(20, 2)
    for i in range(20):
        eviction.admit(an_entry(f"k{i}"), hash(f"k{i}"))
    gone = eviction.victim()
    assert gone is not None
    again = an_entry(gone.key)
    before = len(eviction.main)
    eviction.admit(again, hash(again.key))
    assert len(eviction.main) == before + 1


def test_one_eviction_ends_though_every_entry_was_hit_often() -> None:
    eviction = Eviction(5_000, 1)
    entries = [an_entry(f"k{i}") for i in range(5_000)]
    for entry in entries:
        eviction.admit(entry, hash(entry.key))
        entry.uses = 3
    assert eviction.victim() is not None
    assert sum(entry.uses < 3 for entry in entries) <= 101


def test_what_is_remembered_is_bounded() -> None:
    """Keys that come back again and again included."""
    eviction = Eviction(50, 4)
    rng = random.Random(1)
    for _ in range(20_000):
        key = f"k{rng.randrange(150)}"
        if len(eviction.main) + len(eviction.probation) >= 50:
            gone = eviction.victim()
            assert gone is not None
        eviction.admit(an_entry(key), hash(key))
    assert sum(len(part) for part in eviction._memory._parts if part) <= 2 * 51 + 4 * 4


async def until(true: Callable[[], bool]) -> None:
    """Let the sweep run."""
    while not true():  # noqa: ASYNC110  # the cache tells nobody when it has swept
        await asyncio.sleep(0)


Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def run() -> Run:
    return asyncio.run


def test_clearing_while_the_sweep_is_under_way(run: Run) -> None:
    """The sweep holds a queue of what was cleared: it must leave the keys alone that were set since."""

    async def main() -> None:
        cache = ImprovedAsyncCache(cleanup_interval=0.001)
        for i in range(5 * module._TURN):
            await cache.set(f"k{i}", "old", 1e-6)
        await until(lambda: cache.get_stats()["expirations"] > 0)
        await cache.clear()
        for i in range(5 * module._TURN):
            await cache.set(f"k{i}", "new")
        for _ in range(20):
            await asyncio.sleep(0)
        assert await cache.size() == cache.get_stats()["entries"] == 5 * module._TURN
        await cache.shutdown()

    run(main())


def test_the_sweep_looks_at_few_entries_between_two_yields(run: Run) -> None:
    """And removes all that have expired, however many turns it takes."""

    async def main() -> None:
        cache = ImprovedAsyncCache(cleanup_interval=0.001)
        for i in range(20 * module._TURN):
            await cache.set(f"k{i}", i, 1e-6 if i % 3 else 1000)
        live = sum(i % 3 == 0 for i in range(20 * module._TURN))
        seen = [cache.get_stats()["entries"]]

        def swept() -> bool:
            seen.append(cache.get_stats()["entries"])
            return bool(seen[-1] == live)

        await until(swept)
        assert max(a - b for a, b in pairwise(seen)) <= module._TURN
        await cache.shutdown()

    run(main())


def test_the_size_of_a_large_cache_is_counted_in_turns(run: Run) -> None:
    """Expired entries are none of it, though no sweep was due."""

    async def main() -> None:
        cache = ImprovedAsyncCache()
        for i in range(10 * module._TURN):
            await cache.set(f"k{i}", i, 1e-6 if i % 2 else 1000)
        asking = asyncio.ensure_future(cache.size())
        turns = 0
        while not asking.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 10
        assert asking.result() == 5 * module._TURN
        await cache.shutdown()

    run(main())


def test_a_cleared_cache_frees_in_turns(run: Run) -> None:
    """Another task runs many times meanwhile, and finds the cache empty from the start."""

    async def main() -> None:
        cache = ImprovedAsyncCache()
        for i in range(10 * module._TURN):
            await cache.set(f"k{i}", i)
        clearing = asyncio.ensure_future(cache.clear())
        turns = 0
        while not clearing.done():
            await asyncio.sleep(0)
            assert cache.get_stats()["entries"] == 0
            turns += 1
        assert turns >= 10
        await cache.shutdown()

    run(main())


def test_a_second_loop_gets_a_sweep_of_its_own() -> None:
    cache = ImprovedAsyncCache(cleanup_interval=0.001)

    async def use(key: str) -> None:
        await cache.set(key, "v", 1e-6)
        await until(lambda: not cache.get_stats()["entries"])

    asyncio.run(use("a"))
    asyncio.run(use("b"))
    for key in ("c", "d"):  # and where a loop is closed with nothing cancelled
        loop = asyncio.new_event_loop()
        loop.run_until_complete(use(key))
        loop.close()
    assert cache.get_stats()["expirations"] == 4


def test_a_sweep_of_an_earlier_loop_leaves_the_next_one_alone() -> None:
    """Its loop was closed with nothing cancelled; when it is collected, the sweep of the next loop goes on alone."""
    cache = ImprovedAsyncCache(cleanup_interval=0.001)
    first = asyncio.new_event_loop()
    first.run_until_complete(cache.set("a", "v"))
    first.close()

    async def use() -> None:
        await cache.set("b", "v")
        gc.collect()
        await cache.set("c", "v")
        assert len(asyncio.all_tasks()) == 2  # this and one sweep
        await cache.shutdown()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(use())


@pytest.mark.parametrize("closed", [True, False])
def test_a_shutdown_on_another_loop_than_the_sweeps(closed: bool) -> None:
    cache = ImprovedAsyncCache()
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    first.run_until_complete(cache.set("a", "v"))
    if closed:
        first.close()
    second.run_until_complete(cache.shutdown())
    with pytest.raises(CacheClosedError):
        second.run_until_complete(cache.get("a"))
    second.close()
    if not closed:
        first.run_until_complete(asyncio.sleep(0))  # the sweep hears that it is over
        assert not asyncio.all_tasks(first)
        first.close()


def test_a_cancelled_shutdown_has_closed_the_cache(run: Run) -> None:
    async def main() -> None:
        cache = ImprovedAsyncCache()
        await cache.set("a", "v")
        ending = asyncio.ensure_future(cache.shutdown())
        await asyncio.sleep(0)
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        with pytest.raises(CacheClosedError):
            await cache.get("a")

    run(main())


def test_a_cache_that_nobody_holds_is_freed(run: Run) -> None:
    """Though its sweep goes on until it is due."""

    async def main() -> None:
        cache = ImprovedAsyncCache()
        await cache.set("a", "v")
        held = weakref.ref(cache)
        await asyncio.sleep(0)  # the sweep begins to wait
        del cache
        gc.collect()
        assert held() is None

    run(main())


def test_what_comes_back_too_late_is_not_remembered() -> None:
    memory = Memory(2)
    for i in range(1_000):
        memory.add(hash(f"k{i}"), 100, from_main=i % 2 == 0)
    assert [memory.take(hash(f"k{i}")) for i in (998, 999)] == [True, False]
    assert memory.take(hash("k999")) is None
    assert not any(memory.take(hash(f"k{i}")) is not None for i in range(870))
    recent = sum(memory.take(hash(f"k{i}")) is not None for i in range(900, 998))
    assert recent >= 80


def test_a_value_larger_than_all_room_evicts_nothing_else(run: Run) -> None:
    async def main() -> None:
        cache = ImprovedAsyncCache(max_memory_mb=1)
        await cache.set("small", "v")
        await cache.set("large", "old")
        await cache.set("large", "x" * 2**21)
        assert await cache.get("large") is None
        assert await cache.get("small") == "v"
        assert cache.get_stats()["evictions"] == 1
        await cache.shutdown()

    run(main())
