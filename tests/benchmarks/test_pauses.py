"""What the new cache does by itself, and how long for, beside a dictionary that grows as much: `nox -s bench`.

Processor time of this thread between two yields, so that what else runs on the machine does not count. Only Python's
own collections of garbage can take longer: they look at every object of the process, 1,000,000 entries among them.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from time import thread_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from cache_impls.improved import ImprovedAsyncCache

ENTRIES = 1_000_000


@pytest.fixture
def quiet() -> Iterator[None]:
    """No collections of garbage."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _cache() -> ImprovedAsyncCache:
    return ImprovedAsyncCache(max_entries=2 * ENTRIES, max_memory_mb=4_000, cleanup_interval=0.1)


@pytest.mark.usefixtures("quiet")
def test_a_million_entries_expire(benchmark: BenchmarkFixture) -> None:
    """The longest turn of the sweep is in the extra columns; the time is that of the whole sweep."""
    turns: list[float] = []

    async def sweep(cache: ImprovedAsyncCache) -> None:
        while cache.get_stats()["entries"]:
            began = thread_time()
            await asyncio.sleep(0)
            turns.append(thread_time() - began)

    async def fill(cache: ImprovedAsyncCache) -> None:
        for i in range(ENTRIES):
            await cache.set(f"key:{i:010d}", i, 0.001)

    loop = asyncio.new_event_loop()
    cache = _cache()
    loop.run_until_complete(fill(cache))  # it never suspends, so the sweep begins afterwards
    benchmark.pedantic(lambda: loop.run_until_complete(sweep(cache)), rounds=1)  # type: ignore[no-untyped-call]  # as the plugin is
    benchmark.extra_info["longest turn, ms"] = round(max(turns) * 1e3, 2)
    benchmark.extra_info["turns"] = len(turns)
    loop.run_until_complete(cache.shutdown())
    loop.close()
    assert cache.get_stats()["expirations"] == ENTRIES


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("what", ["improved", "a dictionary"])
def test_a_million_entries_are_set(benchmark: BenchmarkFixture, what: str) -> None:
    """The slowest of all sets is in the extra columns: a dictionary that grows copies itself."""
    benchmark.group = "1,000,000 x set, new"
    worst = 0.0
    entries: dict[str, int] = {}
    cache = _cache()

    async def fill() -> None:
        nonlocal worst
        for i in range(ENTRIES):
            key = f"key:{i:010d}"
            began = thread_time()
            if what == "improved":
                await cache.set(key, i, 1_000.0)
            else:
                entries[key] = i
            worst = max(worst, thread_time() - began)

    loop = asyncio.new_event_loop()
    benchmark.pedantic(lambda: loop.run_until_complete(fill()), rounds=1)  # type: ignore[no-untyped-call]  # as above
    benchmark.extra_info["slowest set, ms"] = round(worst * 1e3, 2)
    loop.run_until_complete(cache.shutdown())
    loop.close()
    assert max(len(entries), cache.get_stats()["sets"]) == ENTRIES
