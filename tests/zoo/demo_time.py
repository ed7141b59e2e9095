"""What the faults of time show."""

from __future__ import annotations

import asyncio
from typing import Any

from demo import Gate, World, raises, settle, shows


@shows("GhostTimerAfterClear")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v1", 1)
    await cache.clear()
    await cache.set("k", "v2", 10)
    await asyncio.sleep(2)
    return await cache.get("k") is None


@shows("GhostTimerAfterOverwrite")
@shows("HeapGhost")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v1", 1)
    await cache.set("k", "v2", 10)
    await asyncio.sleep(2)
    return await cache.get("k") is None


@shows("InheritsDeadline")
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v1", 1)
    world.stall(1.5)
    await cache.set("k", "v2")
    return await cache.get("k") is None


@shows("OverwriteKeepsTtl")
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v1", 1)
    await cache.set("k", "v2")
    world.stall(2)
    return await cache.get("k") is None


@shows("TimerOnlyExpiry")
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v", 1)
    world.stall(2)
    return await cache.get("k") is not None


@shows("SweepOnlyExpiry")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v", 1)
    await asyncio.sleep(1.5)
    return await cache.get("k") is not None


@shows("WallClock")
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v", 10)
    world.step_wall(3600)
    return await cache.get("k") is None


@shows("HitAtDeadline")
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v", 1)
    world.stall(1)
    return await cache.get("k") is not None


@shows("WholeSeconds")
async def _(cache: Any, world: World) -> bool:
    world.stall(0.5)
    await cache.set("k", "v", 1)
    world.stall(0.7)
    return await cache.get("k") is None


@shows("ZeroIsForever")
async def _(cache: Any, _world: World) -> bool:
    return not await raises(cache.set("k", "v", 0), ValueError)


@shows("SlidingTtl")
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v", 1)
    world.stall(0.7)
    await cache.get("k")
    world.stall(0.7)
    return await cache.get("k") is not None


@shows("SweeperRace")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v1", 1)
    gate = Gate(cache)
    await asyncio.sleep(5.1)  # the sweep has seen that v1 expired
    await cache.set("k", "v2")
    await gate.open()
    return await cache.get("k") is None


@shows("TtlCountsFromArrival")
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v", 1)
    world.stall(0.5)
    await settle()
    world.stall(0.6)
    return await cache.get("k") is not None
