"""One contract for every cache of ours: what `cache_impls.protocol` says, each rule a test."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from conftest import VirtualTime

from cache_impls.dialects import Adapted
from cache_impls.protocol import COUNTERS, CacheClosedError
from cache_impls.registry import make

STAGES = ("off", "dualwrite", "shadow", "live", "rampdown", "complete")
STRICT = ["legacy", "improved", "improved?num_shards=1", *(f"migration?stage={stage}" for stage in STAGES)]

Body = Callable[[Adapted], Awaitable[Any]]


@pytest.fixture(params=STRICT)
def spec(request: pytest.FixtureRequest) -> str:
    """Each of our caches in turn."""
    return str(request.param)


def use(virtual_time: VirtualTime, spec: str, body: Body, capacity: int = 1000) -> None:
    """Run body on a fresh cache, and shut it down."""

    async def main() -> None:
        cache = make(spec, capacity=capacity)
        await body(cache)
        await cache.shutdown()

    virtual_time.run(main())


def test_a_hit_is_what_was_set(virtual_time: VirtualTime, spec: str) -> None:
    """`get` answers the very object that the last `set` stored, of whatever type."""

    async def body(cache: Adapted) -> None:
        for value in ("text", b"bytes", 0, 0.0, False, "", (), [1, 2], {"a": [1]}, math.inf):
            await cache.set("key", value)
            assert await cache.get("key") is value

    use(virtual_time, spec, body)


def test_a_miss_is_none(virtual_time: VirtualTime, spec: str) -> None:
    """A key never set misses."""

    async def body(cache: Adapted) -> None:
        assert await cache.get("nothing") is None

    use(virtual_time, spec, body)


@pytest.mark.parametrize("ttl", [0.001, 1, 300.0, 3600])
def test_a_ttl_is_kept_to_the_tick(virtual_time: VirtualTime, spec: str, ttl: float) -> None:
    """A read just before set end + ttl hits; at that instant it misses."""

    async def body(cache: Adapted) -> None:
        await cache.set("key", "value", ttl)
        start_ns = virtual_time.clock.now_ns
        virtual_time.clock.advance_to(start_ns + round(ttl * 1e9) - 1000)
        assert await cache.get("key") == "value"
        virtual_time.clock.advance_to(start_ns + round(ttl * 1e9))
        assert await cache.get("key") is None

    use(virtual_time, spec, body)


@pytest.mark.parametrize("state", ["live", "expired"])
@pytest.mark.parametrize("ttl", [None, 50.0])
def test_an_overwrite_has_a_deadline_of_its_own(
    virtual_time: VirtualTime, spec: str, state: str, ttl: float | None
) -> None:
    """Overwriting a live or an expired, unswept key never inherits the old deadline."""

    async def body(cache: Adapted) -> None:
        await cache.set("key", "old", 10.0)
        virtual_time.clock.advance_by(5 if state == "live" else 11)
        await cache.set("key", "new", ttl)
        virtual_time.clock.advance_by(20)
        assert await cache.get("key") == "new"

    use(virtual_time, spec, body)


def test_a_delete_tells_whether_the_key_was_live(virtual_time: VirtualTime, spec: str) -> None:
    """True for a live key; False for one that is absent, deleted or expired."""

    async def body(cache: Adapted) -> None:
        assert await cache.delete("key") is False
        await cache.set("key", "value", 10.0)
        assert await cache.delete("key") is True
        assert await cache.get("key") is None
        assert await cache.delete("key") is False
        await cache.set("key", "value", 10.0)
        virtual_time.clock.advance_by(10)
        assert await cache.delete("key") is False

    use(virtual_time, spec, body)


def test_clear_removes_all(virtual_time: VirtualTime, spec: str) -> None:
    """After `clear` every key misses, and the cache still works."""

    async def body(cache: Adapted) -> None:
        for i in range(50):
            await cache.set(f"key{i}", i)
        await cache.clear()
        assert await cache.size() == 0
        assert [await cache.get(f"key{i}") for i in range(50)] == [None] * 50
        await cache.set("key", "value")
        assert await cache.get("key") == "value"

    use(virtual_time, spec, body)


def test_size_counts_live_entries(virtual_time: VirtualTime, spec: str) -> None:
    """An expired entry does not count, swept or not."""

    async def body(cache: Adapted) -> None:
        for i in range(10):
            await cache.set(f"key{i}", i, 10.0 if i < 4 else 20.0)
        assert await cache.size() == 10
        virtual_time.clock.advance_by(15)
        assert await cache.size() == 6

    use(virtual_time, spec, body)


def test_the_entry_bound_holds(virtual_time: VirtualTime, spec: str) -> None:
    """Never more than the bound, and nothing is evicted below it."""

    async def body(cache: Adapted) -> None:
        for i in range(100):
            await cache.set(f"key{i}", i)
            assert await cache.size() == min(i + 1, 40)
        await cache.clear()
        for i in range(40):
            await cache.set(f"key{i}", i)
        assert [await cache.get(f"key{i}") for i in range(40)] == list(range(40))

    use(virtual_time, spec, body, capacity=40)


def test_a_bound_of_one_keeps_the_newest(virtual_time: VirtualTime, spec: str) -> None:
    """The entry just set is the one that stays."""

    async def body(cache: Adapted) -> None:
        for i in range(20):
            await cache.set(f"key{i}", i)
            assert await cache.get(f"key{i}") == i
            assert await cache.size() == 1

    use(virtual_time, spec, body, capacity=1)


@pytest.mark.parametrize("name", ["legacy", "improved"])
def test_the_memory_bound_holds(virtual_time: VirtualTime, name: str) -> None:
    """Estimated bytes never exceed the bound, and a value beyond it is not kept."""

    async def body(cache: Adapted) -> None:
        for i in range(200):
            await cache.set(f"key{i}", "x" * 10_000)
            assert cache.get_stats()["bytes"] <= 2**20
        await cache.set("huge", "x" * 2**21)
        assert await cache.get("huge") is None
        assert cache.get_stats()["bytes"] <= 2**20

    use(virtual_time, f"{name}?max_memory_mb=1", body)


@pytest.mark.parametrize("name", ["legacy", "improved?num_shards=1"])
def test_the_least_recently_used_goes_first(virtual_time: VirtualTime, name: str) -> None:
    """A read protects an entry from eviction."""

    async def body(cache: Adapted) -> None:
        name_of = [f"key{i}" for i in range(5)]
        for key in name_of[:4]:
            await cache.set(key, key)
        await cache.get(name_of[0])
        await cache.set(name_of[4], "new")
        assert await cache.get(name_of[0]) == name_of[0]
        assert await cache.get(name_of[1]) is None

    use(virtual_time, "legacy?num_shards=1" if name == "legacy" else name, body, capacity=4)


@pytest.mark.parametrize(
    ("operation", "arguments", "error"),
    [
        ("get", (None,), TypeError),
        ("get", (b"key",), TypeError),
        ("get", ("",), ValueError),
        ("set", (1, "value"), TypeError),
        ("set", ("", "value"), ValueError),
        ("set", ("key", None), ValueError),
        ("set", ("key", "value", "10"), TypeError),
        ("set", ("key", "value", True), TypeError),
        ("set", ("key", "value", 0), ValueError),
        ("set", ("key", "value", -1), ValueError),
        ("set", ("key", "value", math.nan), ValueError),
        ("set", ("key", "value", math.inf), ValueError),
        ("delete", (None,), TypeError),
        ("delete", ("",), ValueError),
    ],
)
def test_a_refused_call_changes_nothing(
    virtual_time: VirtualTime, spec: str, operation: str, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    """What is not a key, value or ttl raises, and leaves entry and counters alone."""

    async def body(cache: Adapted) -> None:
        await cache.set("key", "before", 10.0)
        counted = {name: cache.get_stats()[name] for name in COUNTERS}
        with pytest.raises(error):
            await getattr(cache, operation)(*arguments)
        assert {name: cache.get_stats()[name] for name in COUNTERS} == counted
        assert await cache.get("key") == "before"

    use(virtual_time, spec, body)


def test_counters_count(virtual_time: VirtualTime, spec: str) -> None:
    """hits, misses, sets and deletes are those of the caller."""

    async def body(cache: Adapted) -> None:
        for i in range(5):
            await cache.set(f"key{i}", i, 10.0)
        await cache.get("key0")
        await cache.get("none")
        await cache.delete("key1")
        await cache.delete("none")
        virtual_time.clock.advance_by(10)
        await cache.get("key2")
        stats = cache.get_stats()
        assert {name: stats[name] for name in ("hits", "misses", "sets", "deletes")} == {
            "hits": 1,
            "misses": 2,
            "sets": 5,
            "deletes": 1,
        }

    use(virtual_time, spec, body)


def test_the_sweep_removes_what_expired(virtual_time: VirtualTime, spec: str) -> None:
    """Once the sweep has run, expired entries are gone from what the cache says it holds."""

    async def body(cache: Adapted) -> None:
        for i in range(100):
            await cache.set(f"key{i}", i, 10.0)
        await asyncio.sleep(70)
        sides = cache.get_stats()
        held = [side["entries"] for side in (sides.get("old"), sides.get("new"), sides) if side and "entries" in side]
        assert held
        assert set(held) == {0}

    use(virtual_time, spec, body)


def test_shutdown_ends_all_and_refuses_use(virtual_time: VirtualTime, spec: str) -> None:
    """No task is left, a second shutdown is fine, and any operation raises CacheClosedError."""

    async def main() -> None:
        cache = make(spec)
        await cache.set("key", "value")
        await cache.shutdown()
        await cache.shutdown()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        for call in (
            cache.get("key"),
            cache.set("key", "value"),
            cache.delete("key"),
            cache.clear(),
            cache.size(),
        ):
            with pytest.raises(CacheClosedError):
                await call

    virtual_time.run(main())


def test_two_loops_one_after_the_other(spec: str) -> None:
    """A cache made once works on a second event loop, sweep and locks included."""
    cache = make(spec)

    async def first() -> None:
        await cache.set("key", "value")

    async def second() -> None:
        await cache.set("other", "value")
        await cache.get("key")
        assert await cache.get("other") == "value"
        await cache.shutdown()

    for work in (first, second):
        asyncio.run(work())


@pytest.mark.parametrize("name", ["legacy", "improved", "migration?stage=live"])
def test_shutdown_on_a_later_loop(name: str) -> None:
    """The sweep of an ended loop needs no ending: shutdown neither raises nor keeps entries."""
    cache = make(name)

    async def first() -> None:
        await cache.set("key", "value")

    async def second() -> None:
        await cache.shutdown()

    asyncio.run(first())
    asyncio.run(second())


@pytest.mark.parametrize("name", ["legacy", "improved"])
@pytest.mark.parametrize(
    ("parameter", "value"),
    [("num_shards", 0), ("num_shards", 1.5), ("max_entries", 0), ("cleanup_interval", -1), ("max_memory_mb", math.nan)],
)
def test_a_parameter_out_of_range_is_refused(name: str, parameter: str, value: float) -> None:
    """A factory says no at once, not later."""
    from cache_impls.improved import ImprovedAsyncCache
    from cache_impls.legacy import AsyncTTLCache

    factory: Any = {"legacy": AsyncTTLCache, "improved": ImprovedAsyncCache}[name]
    with pytest.raises((TypeError, ValueError), match=parameter):
        factory(**{parameter: value})


def test_null_and_yardstick_do_what_they_are_for(virtual_time: VirtualTime) -> None:
    """`null` forgets; the yardstick remembers, expires and evicts."""

    async def body(cache: Adapted) -> None:
        await cache.set("a", 1, 10.0)
        assert await cache.get("a") is None
        assert await cache.delete("a") is False
        await cache.clear()
        assert await cache.size() == 0

    use(virtual_time, "null", body)

    async def frozen(cache: Adapted) -> None:
        await cache.set("a", 1, 10.0)
        await cache.set("b", 2)
        await cache.get("a")
        await cache.set("c", 3)
        assert [await cache.get(key) for key in "abc"] == [1, None, 3]
        virtual_time.clock.advance_by(10)
        assert await cache.get("a") is None
        assert await cache.delete("c") is True
        assert await cache.delete("c") is False
        await cache.set("d", 4)
        assert await cache.size() == 1
        await cache.clear()
        assert await cache.get("d") is None

    use(virtual_time, "yardstick", frozen, capacity=2)
