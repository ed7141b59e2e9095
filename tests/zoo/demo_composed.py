"""What the faults of loading and of migrations show."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from demo import Gate, Scenario, World, cancelled, hangs, parked, raises, shows

from cache_impls.stages import Side

loading: Callable[[str], Callable[[Scenario], Scenario]] = partial(shows, twin="tests/zoo/plain.py:LoadingCache")
MIGRATION = "tests/zoo/faults/migrations.py:Migration"


class Source:
    """A loader that takes a while and notes how many loads there were at once."""

    def __init__(self, seconds: float = 0.1, error: Exception | None = None) -> None:
        self._seconds, self._error = seconds, error
        self._now = self.most_at_once = 0

    async def __call__(self) -> str:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self._now -= 1
        if self._error is not None:
            raise self._error
        return "loaded"


@loading("Stampede")
@loading("ShortLease")
async def _(cache: Any, _world: World) -> bool:
    source = Source()
    answers = await asyncio.gather(*(cache.get_or_load("k", source) for _ in range(3)))
    assert answers == ["loaded"] * 3
    return source.most_at_once > 1


@loading("LeaderCancelPoisons")
async def _(cache: Any, _world: World) -> bool:
    source = Source()
    leader, follower = await parked(cache.get_or_load("k", source)), await parked(cache.get_or_load("k", source))
    await cancelled(leader)
    return await raises(follower, asyncio.CancelledError)


@loading("LeaderCancelHangs")
async def _(cache: Any, _world: World) -> bool:
    await cancelled(await parked(cache.get_or_load("k", Source())))
    return await hangs(cache.get_or_load("k", Source()))


@loading("CachedException")
async def _(cache: Any, _world: World) -> bool:
    assert await raises(cache.get_or_load("k", Source(error=OSError("away"))), OSError)
    return await raises(cache.get_or_load("k", Source()), OSError)


@loading("SlowFill")
async def _(cache: Any, _world: World) -> bool:
    caller = await parked(cache.get_or_load("k", Source()))
    await cache.delete("k")
    await caller
    return await cache.get("k") is not None


@loading("LoadTtlDropped")
async def _(cache: Any, world: World) -> bool:
    await cache.get_or_load("k", Source(), 1)
    world.stall(2)
    return await cache.get("k") is not None


@loading("LoadLeftBehind")
async def _(cache: Any, _world: World) -> bool:
    before = asyncio.all_tasks()
    caller = await parked(cache.get_or_load("k", Source(100)))
    await cache.shutdown()
    left = asyncio.all_tasks() - before - {caller}
    for task in [caller, *left]:
        await cancelled(task)
    return bool(left)


def migrating(name: str, parameters: str) -> Callable[[Scenario], Scenario]:
    return shows(name, twin=MIGRATION, parameters=parameters)


async def on_old_alone(cache: Any) -> None:
    """Write in `off`, and go to `live`, where new is cold."""
    await cache.set("k", "v1", 10)
    for stage in ("dualwrite", "shadow", "live"):
        await cache.set_stage(stage)


@migrating("CopyLosesDeadline", "?stage=off")
async def _(cache: Any, world: World) -> bool:
    await on_old_alone(cache)
    assert await cache.get("k") == "v1"
    world.stall(11)
    return await cache.get("k") is not None


@migrating("CompleteWritesOld", "?stage=complete")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v", 10)
    return await cache._sides[Side.OLD].get("k") is not None


@migrating("CopyAfterOverwrite", "?stage=off")
async def _(cache: Any, _world: World) -> bool:
    await on_old_alone(cache)
    gate = Gate(cache._sides[Side.OLD].native, skip=1)
    reader = await parked(cache.get("k"))  # it has read v1 from old and not yet copied it
    await cache.set("k", "v2", 10)
    await gate.open()
    await reader
    return bool(await cache.get("k") == "v1")


@migrating("DeleteOnAnsweringSide", "?stage=live")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v")
    await cache.delete("k")
    return await cache.get("k") is not None


@migrating("RollbackKeepsOld", "?stage=rampdown")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v")
    await cache.set_stage("complete")
    await cache.delete("k")
    await cache.set_stage("live")
    return await cache.get("k") is not None


@migrating("UnlockedWrites", "?stage=live")
async def _(cache: Any, _world: World) -> bool:
    gate = Gate(cache._sides[Side.OLD].native, holds=2)
    writers = [await parked(cache.set("k", value)) for value in ("a", "b")]
    await gate.release(1)
    await gate.open()
    await asyncio.gather(*writers)
    return bool(await cache.peek("old", "k") != await cache.peek("new", "k"))


@migrating("SideErrorSwallowed", "?stage=dualwrite")
async def _(cache: Any, _world: World) -> bool:
    await cache.set("k", "v1")
    new = cache._sides[Side.NEW]
    works, new.set = new.set, refuse
    await cache.set("k", "v2")
    new.set = works
    await cache.set_stage("shadow")
    await cache.set_stage("live")
    return bool(await cache.get("k") == "v1")


async def refuse(*_: Any) -> Awaitable[None]:
    raise ConnectionError("the new side is away")


@migrating("PercentageNotWired", "?stage=live&percentage=0")
async def _(cache: Any, _world: World) -> bool:
    return bool(cache.stage_of("k") == "live")
