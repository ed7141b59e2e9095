"""What the faults of bounds, lives, values and counters show: mostly one client is enough."""

from __future__ import annotations

import asyncio
from typing import Any

from demo import PLAIN, Gate, World, cancelled, parked, raises, shows

from cache_impls.protocol import CacheClosedError

SMALL = "?max_entries=2"


async def fill(cache: Any, *keys: str) -> None:
    for key in keys:
        await cache.set(key, f"of {key}")


@shows("BoundIgnored", parameters=SMALL)
@shows("BoundCountsOnlyAtSweep", parameters=SMALL)
async def _(cache: Any, _world: World) -> bool:
    await fill(cache, "a", "b", "c")
    return bool(await cache.size() > 2)


@shows("EvictsNewest", parameters=SMALL)
async def _(cache: Any, _world: World) -> bool:
    await fill(cache, "a", "b", "c")
    return await cache.get("c") is None


@shows("EvictsBelowBound", parameters=SMALL)
async def _(cache: Any, _world: World) -> bool:
    await fill(cache, "a", "b")
    return await cache.get("a") is None


@shows("OverwriteEvicts", parameters=SMALL)
async def _(cache: Any, _world: World) -> bool:
    await fill(cache, "a", "b", "b")
    return await cache.get("a") is None


@shows("PerShardBound", parameters="?max_entries=8")
async def _(cache: Any, _world: World) -> bool:
    await fill(cache, *"abcdefgh")
    return bool(await cache.size() < 8)


@shows("SweepRemovesNothing")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v", 1)
    await asyncio.sleep(6)
    return bool(cache.get_stats()["entries"] > 0)


@shows("SizeDrifts")
async def _(cache: Any, world: World) -> bool:
    await cache.set("a", "v", 1)
    await fill(cache, "b", "c")
    world.stall(2)
    return bool(await cache.size() != 2)


@shows("ClearKeepsCount")
async def _(cache: Any, _world: World) -> bool:
    await fill(cache, "a")
    await cache.clear()
    return bool(await cache.size() != 0)


@shows("SweeperLeft")
async def _(cache: Any, _world: World) -> bool:
    before = asyncio.all_tasks()
    await fill(cache, "a")
    await cache.shutdown()
    left = asyncio.all_tasks() - before
    for task in left:
        await cancelled(task)
    return bool(left)


@shows("TimersPerSet")
async def _(cache: Any, _world: World) -> bool:
    await fill(cache, "a")
    await cache.shutdown()
    loop: Any = asyncio.get_running_loop()
    return any(not timer.cancelled() for timer in loop._scheduled)


@shows("ShutdownOnce")
async def _(cache: Any, _world: World) -> bool:
    await cache.shutdown()
    return await raises(cache.shutdown(), RuntimeError)


@shows("WorksAfterShutdown")
async def _(cache: Any, _world: World) -> bool:
    await cache.shutdown()
    return not await raises(cache.set("k", "v"), CacheClosedError)


@shows("ValidatesAfterStore")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v1")
    refused = await raises(cache.set("k", "v2", -1), ValueError)
    return refused and await cache.get("k") == "v2"


@shows("DropsBeforeValidating")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v1")
    refused = await raises(cache.set("k", None), ValueError)
    return refused and await cache.get("k") is None


@shows("DefaultTtlNotWired", parameters="?default_ttl=2")
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v")
    world.stall(3)
    return await cache.get("k") is not None


@shows("CleanupIntervalNotWired", parameters="?cleanup_interval=1")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v", 0.5)
    await asyncio.sleep(1.5)
    return bool(cache.get_stats()["entries"] > 0)


@shows("JsonRoundTrip")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", (1, 2))
    return bool(await cache.get("k") == [1, 2])


@shows("FalsyIsMiss")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", 0)
    return await cache.get("k") is None


@shows("MutatesValues")
async def _(cache: Any, _world: World) -> bool:
    value = {"a": 1}
    await cache.set("k", value)
    return value != {"a": 1}


@shows("LowercasesKeys")
async def _(cache: Any, _world: World) -> bool:
    await fill(cache, "K", "k")
    return bool(await cache.get("K") == "of k")


@shows("TruncatesKeys")
async def _(cache: Any, _world: World) -> bool:
    one, other = "k" * 64 + "1", "k" * 64 + "2"
    await fill(cache, one, other)
    return bool(await cache.get(one) == f"of {other}")


@shows("ExpiredMissUncounted")
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v", 1)
    world.stall(2)
    await cache.get("k")
    return bool(cache.get_stats()["misses"] != 1)


@shows("DeletesCountAbsent")
async def _(cache: Any, _world: World) -> bool:
    await cache.delete("k")
    return bool(cache.get_stats()["deletes"] != 0)


@shows("DeleteTrueForExpired")
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v", 1)
    world.stall(2)
    return bool(await cache.delete("k"))


@shows("ErrorsAsMisses")
async def _(cache: Any, _world: World) -> bool:
    refused = await raises(cache.get(""), ValueError)
    return refused and cache.get_stats()["misses"] == 1


@shows("LostUpdate")
async def _(cache: Any, _world: World) -> bool:
    await fill(cache, "a")
    gate = Gate(cache, holds=2)
    readers = [await parked(cache.get("a")), await parked(cache.get("a"))]
    await gate.open()
    await asyncio.gather(*readers)
    return bool(cache.get_stats()["hits"] != 2)


@shows("FarHitsUncounted", twin="tests/zoo/suspending.py:ShortNearCache")
async def _(cache: Any, world: World) -> bool:
    await fill(cache, "a")
    world.stall(1)
    await cache.get("a")
    return bool(cache.get_stats()["hits"] != 1)


@shows("ClearResetsCounters", twin=PLAIN)
async def _(cache: Any, _world: World) -> bool:
    await fill(cache, "a")
    await cache.clear()
    return bool(cache.get_stats()["sets"] != 1)


@shows("OverwriteCountsDelete")
async def _(cache: Any, _world: World) -> bool:
    await fill(cache, "a", "a")
    return bool(cache.get_stats()["deletes"] != 0)
