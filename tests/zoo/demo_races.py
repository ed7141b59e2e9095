"""What the races in one tier and between two show."""

from __future__ import annotations

import asyncio
from typing import Any

from demo import Gate, World, cancelled, hangs, parked, raises, shows

SUSPENDING = "tests/zoo/suspending.py:"
TWO_TIER, SHORT_NEAR = f"{SUSPENDING}TwoTierCache", f"{SUSPENDING}ShortNearCache"
REMOTE, SET_THEN_EXPIRE = f"{SUSPENDING}RemoteCache", f"{SUSPENDING}SetThenExpireCache"


@shows("TouchResurrects")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v")
    gate = Gate(cache)
    reader = await parked(cache.get("k"))
    await cache.delete("k")
    await gate.open()
    await reader
    return await cache.get("k") is not None


@shows("LockRegistryRace", twin=SET_THEN_EXPIRE)
async def _(cache: Any, world: World) -> bool:
    gate = Gate(cache, holds=3)
    first = await parked(cache.set("k", "a", 1))
    second = await parked(cache.set("k", "b", 10))  # waits for the first
    await gate.release()
    third = await parked(cache.set("k", "c", 1))
    await gate.release(1)
    await gate.open()
    await asyncio.gather(first, second, third)
    world.stall(2)
    return bool(await cache.get("k") == "c")


@shows("UnlockedSetThenExpire", twin=SET_THEN_EXPIRE)
async def _(cache: Any, world: World) -> bool:
    gate = Gate(cache, holds=2)
    writers = [await parked(cache.set("k", "a", 10)), await parked(cache.set("k", "b", 1))]
    await gate.release(1)
    await gate.open()
    await asyncio.gather(*writers)
    world.stall(2)
    return bool(await cache.get("k") == "b")


@shows("HalfSet", twin=SET_THEN_EXPIRE)
async def _(cache: Any, world: World) -> bool:
    Gate(cache)
    await cancelled(await parked(cache.set("k", "v", 1)))
    world.stall(2)
    return await cache.get("k") is not None


@shows("ReservedSlot", twin=REMOTE)
async def _(cache: Any, _world: World) -> bool:
    Gate(cache)
    await cancelled(await parked(cache.set("k", "v", 1)))
    return bool(await cache.size() == 1 and await cache.get("k") is None)


@shows("LockLeaked", twin=f"{SUSPENDING}FifoLockCache")
async def _(cache: Any, _world: World) -> bool:
    Gate(cache)
    await cancelled(await parked(cache.get("k")))
    return await hangs(cache.get("k"))


@shows("PoolLeaks", twin=REMOTE)
async def _(cache: Any, _world: World) -> bool:
    Gate(cache, holds=3)
    for _attempt in range(3):
        await cancelled(await parked(cache.set("k", "v")))
    return await hangs(cache.set("k", "v"))


@shows("ConnectionDesync", twin=f"{SUSPENDING}FifoLockCache")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("a", "of a")
    await cache.set("b", "of b")
    Gate(cache)
    await cancelled(await parked(cache.get("a")))
    return bool(await cache.get("b") == "of a")


@shows("DropsSameTick")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v1")
    await cache.set("k", "v2")
    return bool(await cache.get("k") == "v1")


@shows("LazyDelete")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v")
    return await cache.delete("k") and await cache.get("k") is not None


@shows("GetKeyError", twin=REMOTE)
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v")
    gate = Gate(cache)
    reader = await parked(cache.get("k"))
    await cache.delete("k")
    await gate.open()
    return await raises(reader, KeyError)


@shows("ClearAborts", twin="tests/zoo/decoys.py:ShardedClearCache")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("a", "v")
    await cache.set("b", "v")
    gate = Gate(cache)
    clearing = await parked(cache.clear())
    await cache.delete("a")
    await gate.open()
    await clearing
    return await cache.get("b") is not None


@shows("SwallowsCancel", twin=REMOTE)
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v")
    Gate(cache)
    reader = await parked(cache.get("k"))
    await cancelled(reader)
    return not reader.cancelled()


@shows("ReadRepairRace", twin=SHORT_NEAR)
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v")
    world.stall(0.6)  # the near copy has ended
    gate = Gate(cache, skip=1)
    reader = await parked(cache.get("k"))  # it has read far and not yet copied
    await cache.delete("k")
    await gate.open()
    await reader
    return await cache.get("k") is not None


@shows("CopyLosesTtl", twin=SHORT_NEAR)
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v", 1)
    world.stall(0.8)
    await cache.get("k")
    world.stall(0.4)
    return await cache.get("k") is not None


@shows("HalfDelete", twin=TWO_TIER)
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v")
    Gate(cache)
    await cancelled(await parked(cache.delete("k")))
    await cache.delete("k")
    return await cache.get("k") is not None


@shows("DeleteTimesOut", twin=TWO_TIER)
async def _(cache: Any, world: World) -> bool:
    await cache.set("k", "v")
    deleting = await parked(cache.delete("k"))
    world.stall(0.1)
    return await deleting and await cache.get("k") is not None


@shows("OrderInversion", twin=SHORT_NEAR)
async def _(cache: Any, world: World) -> bool:
    gate = Gate(cache, holds=2)
    writers = [await parked(cache.set("k", value)) for value in ("a", "b")]
    await gate.release(1)
    await gate.open()
    await asyncio.gather(*writers)
    first = await cache.get("k")
    world.stall(1)
    return bool(await cache.get("k") != first)


@shows("ClearRepopulated", twin=TWO_TIER)
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v")
    gate = Gate(cache)
    clearing = await parked(cache.clear())
    await cache.get("k")
    await gate.open()
    await clearing
    return await cache.get("k") is not None


@shows("FlushWindow", twin="tests/zoo/decoys.py:WriteBehindCache")
async def _(cache: Any, _world: World) -> bool:
    Gate(cache)
    await parked(cache.set("k", "v"))
    return await cache.get("k") is None
