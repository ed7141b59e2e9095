"""Rules of life: cancellation, shutdown, a second loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial

from cache_impls.protocol import CacheClosedError, Capability
from cache_impls.registry import Adapted
from harness.check.rules.lab import Lab
from harness.check.rules.rule import Kind, NotApplicable, expect, rule
from harness.simulate.loop import SimulatedLoop

_AWAITS = 60
"""The most awaits at which an operation is cancelled."""
_STEP_SECONDS = 0.001
"""Virtual, between every second two of them: what waits for time gets on as well."""
_PATIENCE_SECONDS = 60.0
"""Virtual, for an operation after another was cancelled."""
_STEPS = 20_000
"""Callbacks on the second event loop."""


def _operations(cache: Adapted) -> dict[str, Callable[[], Awaitable[object]]]:
    found: dict[str, Callable[[], Awaitable[object]]] = {
        "get": lambda: cache.get("key"),
        "set": lambda: cache.set("key", "new"),
    }
    if Capability.DELETE in cache.capabilities:
        found["delete"] = lambda: cache.delete("key")
    if Capability.CLEAR in cache.capabilities:
        found["clear"] = cache.clear
    return found


@rule("cancel", Kind.LAW, "Cancelled at any of its awaits, an operation leaves a cache that works.")
async def cancel(lab: Lab) -> None:
    """Each operation at each of its awaits; then a set and a get of the same key return, and agree."""
    for name in _operations(await lab.cache()):
        for turns in range(_AWAITS):
            cache = await lab.cache()
            await cache.set("key", "old")
            ended = await _cut(_operations(cache)[name](), turns)
            answer = None
            for work in (partial(cache.set, "key", "after"), partial(cache.get, "key")):
                task = asyncio.ensure_future(work())
                done, _ = await asyncio.wait([task], timeout=_PATIENCE_SECONDS)
                task.cancel()
                expect(done, f"after {name} was cancelled at await {turns} the next operation never returns")
                answer = task.result()
            if not cache.promises.forgets:
                expect(answer == "after", f"after {name} was cancelled at await {turns} a set key answers {answer!r}")
            if ended:
                break


async def _cut(work: Awaitable[object], turns: int) -> bool:
    """Cancel work after so many turns; whether it had ended by itself."""
    task = asyncio.ensure_future(work)
    for turn in range(turns + 1):
        await asyncio.sleep(_STEP_SECONDS if turn % 2 else 0)
    if task.done():
        return True
    task.cancel()
    await asyncio.wait([task])
    return False


async def _shut(lab: Lab, times: int = 1) -> Adapted:
    cache = await lab.cache()
    if any("no shutdown" in note for note in cache.notes):
        raise NotApplicable("it has no shutdown()")
    for i in range(5):
        await cache.set(f"key{i}", i, 100.0 if Capability.TTL in cache.capabilities else None)
    for _ in range(times):
        await cache.shutdown()
    await lab.settle()
    return cache


@rule("shutdown", Kind.LAW, "After the shutdown no task goes on and no timer is set.", simulated=True)
async def shutdown(lab: Lab) -> None:
    """After some sets with a ttl."""
    await _shut(lab)
    tasks, timers = lab.sleeping_tasks(), lab.loop.timers_set()
    expect(not tasks, f"{tasks} tasks go on after the shutdown")
    expect(not timers, f"{timers} timers are set after the shutdown")


@rule("shutdown-twice", Kind.MANNERS, "A second shutdown does nothing.")
async def shutdown_twice(lab: Lab) -> None:
    """Twice in a row."""
    await _shut(lab, times=2)


@rule("shutdown-refuses", Kind.MANNERS, "Used after its shutdown a cache raises CacheClosedError, or a RuntimeError.")
async def shutdown_refuses(lab: Lab) -> None:
    """Every operation."""
    cache = await _shut(lab)
    for name, operation in _operations(cache).items():
        try:
            answer = await operation()
        except (CacheClosedError, RuntimeError):
            continue
        except Exception as error:  # told: another type is bad manners
            expect(False, f"{name} after the shutdown raises {type(error).__name__}")
        else:
            expect(False, f"{name} after the shutdown is not refused; it answers {answer!r}")


@rule("handles", Kind.LAW, "After the shutdown all file handles are given back.")
async def handles(lab: Lab) -> None:
    """Open descriptors of the process, before and after two caches; the first may open what is kept for all."""
    await _shut(lab)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # names are not wanted, only how many
    await _shut(lab)
    after = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # as above
    expect(after <= before, f"{after - before} file handles stay open after the shutdown")


@rule("two-loops", Kind.MANNERS, "A cache that was made once works on a second event loop.", simulated=True)
async def two_loops(lab: Lab) -> None:
    """Used by two tasks at once on each loop, one loop after the other."""
    cache = await lab.cache()
    await _used_by_two(cache)
    loop = SimulatedLoop(lab.clock, lambda _ready: 0)  # type: ignore[abstract]  # what it lacks is set by name, and refuses
    working: list[object] = [cache]
    errors: list[Exception] = []

    async def second() -> None:
        try:
            await _used_by_two(cache)
        except Exception as error:  # raised again below, on the first loop
            errors.append(error)
        working.clear()

    with loop.entered():
        loop.create_task(second())
        done = loop.run(working, steps=_STEPS)
    loop.end()
    for error in errors:
        raise error
    expect(done, "on a second event loop an operation never returns")


async def _used_by_two(cache: Adapted) -> None:
    async def use(key: str) -> None:
        for i in range(3):
            await cache.set(key, i)
            await cache.set("shared", i)
            answer = await cache.get(key)
            if not cache.promises.forgets:
                expect(answer == i, f"a key that was set to {i} answers {answer!r}")

    await asyncio.gather(use("one"), use("two"))
