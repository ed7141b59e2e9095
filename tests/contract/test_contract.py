"""What every cache of ours does beyond the rules of `harness.check.rules` (tests/check/test_rules.py holds those)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from conftest import VirtualTime

from cache_impls.dialects import Adapted
from cache_impls.registry import make

STAGES = ("off", "dualwrite", "shadow", "live", "rampdown", "complete")
STRICT = ["legacy", "improved", "improved?num_shards=1", "hierarchy", *(f"migration?stage={stage}" for stage in STAGES)]

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


@pytest.mark.parametrize(("name", "reads"), [("legacy?num_shards=1", 1), ("improved", 2)])
def test_what_was_read_is_kept_when_another_has_to_go(virtual_time: VirtualTime, name: str, reads: int) -> None:
    """The least recently used goes first, or in the new cache what was not read twice."""

    async def body(cache: Adapted) -> None:
        name_of = [f"key{i}" for i in range(5)]
        for key in name_of[:4]:
            await cache.set(key, key)
        for _ in range(reads):
            await cache.get(name_of[0])
        await cache.set(name_of[4], "new")
        assert await cache.get(name_of[0]) == name_of[0]
        assert await cache.get(name_of[1]) is None

    use(virtual_time, name, body, capacity=4)


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


@pytest.mark.parametrize("name", ["legacy", "improved", "migration?stage=live", "hierarchy"])
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
