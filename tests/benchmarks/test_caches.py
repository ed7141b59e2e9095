"""Micro-benchmarks of every cache, one set for all: `nox -s bench`. Only ratios within one run mean anything.

Each drives 1,000 operations on a filled cache; the group compares the caches at one operation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from cache_impls.dialects import Adapted
from cache_impls.registry import make

CACHES = ["null", "yardstick", "legacy", "improved", "migration?stage=off", "migration?stage=live", "hierarchy"]
ENTRIES = 10_000
OPERATIONS = 1_000


async def _hits(cache: Adapted, turn: int) -> None:
    get = cache.get
    for i in range(turn, turn + OPERATIONS):
        await get(f"key{i * 7 % ENTRIES}")


async def _misses(cache: Adapted, turn: int) -> None:
    get = cache.get
    for i in range(turn, turn + OPERATIONS):
        await get(f"none{i}")


async def _overwrites(cache: Adapted, turn: int) -> None:
    set_ = cache.set
    for i in range(turn, turn + OPERATIONS):
        await set_(f"key{i * 7 % ENTRIES}", "value", 3600.0)


async def _evicting_inserts(cache: Adapted, turn: int) -> None:
    set_ = cache.set
    for i in range(turn, turn + OPERATIONS):
        await set_(f"new{i}", "value", 3600.0)


OPERATION: dict[str, Callable[[Adapted, int], Awaitable[None]]] = {
    "get, hit": _hits,
    "get, miss": _misses,
    "set, overwrite": _overwrites,
    "set, evicting": _evicting_inserts,
}


@pytest.mark.parametrize("operation", OPERATION)
@pytest.mark.parametrize("spec", CACHES)
def test_operations(benchmark: BenchmarkFixture, spec: str, operation: str) -> None:
    """1,000 operations of one kind."""
    benchmark.group = f"1,000 x {operation}"
    loop = asyncio.new_event_loop()
    cache = make(spec, capacity=ENTRIES)

    async def fill() -> None:
        for i in range(ENTRIES):
            await cache.set(f"key{i}", "value", 3600.0)

    loop.run_until_complete(fill())
    turn = 0

    def run() -> None:
        nonlocal turn
        turn += OPERATIONS
        loop.run_until_complete(OPERATION[operation](cache, turn))

    benchmark(run)
    loop.run_until_complete(cache.shutdown())
    loop.close()
