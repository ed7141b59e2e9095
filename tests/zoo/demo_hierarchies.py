"""What the faults of hierarchies show. There is room for one entry near, so any other key's set sends one far."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from demo import Scenario, World, cancelled, parked, raises, settle, shows

from cache_impls.dialects import Adapted

hierarchy: Callable[[str], Callable[[Scenario], Scenario]] = partial(
    shows, twin="tests/zoo/faults/hierarchies.py:Hierarchy"
)


class Wire:
    """What stands between the tiers: it fails, or holds what is asked until it is released."""

    def __init__(self, cache: Any) -> None:
        self.fails: set[str] = set()
        self.held: set[str] = set()
        self._open = asyncio.Event()
        cache.interpose(self._wrap)

    def release(self) -> None:
        """Let all go on, now and later."""
        self.held.clear()
        self._open.set()

    def _wrap(self, _name: str, tier: Adapted) -> Adapted:
        wrapped = copy.copy(tier)
        for operation in ("get", "set", "delete"):
            setattr(wrapped, operation, partial(self._call, operation, getattr(tier, operation)))
        return wrapped

    async def _call(self, operation: str, call: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        if operation in self.fails:
            raise ConnectionError(f"{operation} is cut off")
        if operation in self.held:
            await self._open.wait()
        return await call(*arguments)


async def far_away(cache: Any, value: str = "v1") -> None:
    """Have k far, and not near: written until the far tier has answered in time, which it may not at first."""
    while not await _is_far(cache, value):
        pass


async def _is_far(cache: Any, value: str) -> bool:
    await cache.set("k", value, 10)
    await push_out(cache)
    return cache._names.of("k") in cache._far.tier.native._entries


async def push_out(cache: Any) -> None:
    await cache._l1.delete("k")


async def reads(cache: Any) -> Any:
    """What a reader gets from a far tier that answers in time."""
    await asyncio.sleep(3)  # a breaker that has opened lets a probe through
    for _ in range(5):
        value = await cache.get("k")
        if value is not None:
            return value
    return None


@hierarchy("FailedDeleteKeepsName")
async def _(cache: Any, _world: World) -> bool:
    wire = Wire(cache)
    await far_away(cache)
    wire.fails = {"delete"}
    await cache.delete("k")
    return await reads(cache) is not None


@hierarchy("LateSetKeepsName")
async def _(cache: Any, _world: World) -> bool:
    wire = Wire(cache)
    await far_away(cache)
    wire.held = {"set"}
    await cache.set("k", "v2", 10)
    await push_out(cache)
    return bool(await reads(cache) == "v1")


@hierarchy("CutOffSetKeepsName")
async def _(cache: Any, _world: World) -> bool:
    wire = Wire(cache)
    await far_away(cache)
    wire.held = {"set"}
    writer = await parked(cache.set("k", "v2", 10))
    await cancelled(writer)
    assert await cache.get("k") == "v2"
    await push_out(cache)
    return bool(await reads(cache) == "v1")


@hierarchy("OpenBreakerIsSuccess")
async def _(cache: Any, _world: World) -> bool:
    wire = Wire(cache)
    await far_away(cache)
    wire.fails = {"get"}
    for i in range(5):
        await cache.get(f"other{i}")
    assert cache.get_stats()["breaker_state"] == "open"
    await cache.delete("k")
    wire.fails = set()
    return await reads(cache) is not None


@hierarchy("FillAfterClear")
async def _(cache: Any, _world: World) -> bool:
    wire = Wire(cache)
    await far_away(cache)
    wire.held = {"get"}
    reader = await parked(cache.get("k"))
    await cache.clear()
    wire.release()
    await reader
    return await cache.get("k") is not None


@hierarchy("FillRestartsTtl")
async def _(cache: Any, world: World) -> bool:
    await far_away(cache)
    assert await reads(cache) == "v1"
    world.stall(11)
    return await cache.get("k") is not None


@hierarchy("ReaderCancelPoisons")
async def _(cache: Any, _world: World) -> bool:
    wire = Wire(cache)
    await far_away(cache)
    wire.held = {"get"}
    leader, follower = await parked(cache.get("k")), await parked(cache.get("k"))
    await cancelled(leader)
    wire.release()
    return await raises(follower, asyncio.CancelledError)


@hierarchy("JoinsAcrossClear")
async def _(cache: Any, _world: World) -> bool:
    wire = Wire(cache)
    await far_away(cache)
    wire.held = {"get"}
    early = await parked(cache.get("k"))
    await cache.clear()
    late = await parked(cache.get("k"))
    wire.release()
    await settle()
    await early
    return await late is not None
