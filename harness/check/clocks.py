"""By which clock a cache's entries expire, and how long they live by default: found by trying, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from cache_impls.protocol import Capability
from cache_impls.registry import Adapted
from harness.clock import WorkloadClock
from harness.history import NO_TTL
from harness.simulate.loop import NeedsRealLoopError, SimulatedLoop

_LONGEST_SECONDS = 1e9
_STEPS = 100_000
_PROBE_SECONDS = 1.0
_TICKS_PER_SECOND = 512

Build = Callable[[int | None], Adapted]


class Clocks(NamedTuple):
    """What was found."""

    native: bool
    """Its entries expire by a clock that does not follow virtual time."""
    default_ttl_ns: int
    """How long a set with no ttl lives; `NO_TTL` for ever, or if it cannot be told."""


def find_clocks(build: Build, clock: WorkloadClock, real_sleep: Callable[[float], None]) -> Clocks:
    """Try. A cache that ignores its ttls passes for one with a virtual clock, and the checks will find it."""
    if Capability.TTL not in inside(clock, build).capabilities:
        return Clocks(native=False, default_ttl_ns=NO_TTL)
    if _lives(build, clock, _PROBE_SECONDS, 2 * _PROBE_SECONDS) and _ends_in_real_time(build, clock, real_sleep):
        return Clocks(native=True, default_ttl_ns=NO_TTL)
    return Clocks(native=False, default_ttl_ns=_default_ttl_ns(build, clock))


def inside(clock: WorkloadClock, build: Build) -> Adapted:
    """A cache made where a loop runs, as some need; only to be looked at."""
    loop = SimulatedLoop(clock, lambda _ready: 0)  # type: ignore[abstract]  # what it lacks is set by name, and refuses
    with loop.entered():
        cache = build(None)
    loop.end()
    return cache


def _default_ttl_ns(build: Build, clock: WorkloadClock) -> int:
    """By doubling, then halving, to the tick: each time a fresh cache, so that a look changes nothing."""
    ticks = 1
    while _lives(build, clock, None, ticks / _TICKS_PER_SECOND):
        ticks *= 2
        if ticks > _LONGEST_SECONDS * _TICKS_PER_SECOND:
            return NO_TTL
    low, high = ticks // 2, ticks
    while high - low > 1:
        middle = (low + high) // 2
        if _lives(build, clock, None, middle / _TICKS_PER_SECOND):
            low = middle
        else:
            high = middle
    return high * (1_000_000_000 // _TICKS_PER_SECOND) if high > 1 else NO_TTL


def _lives(build: Build, clock: WorkloadClock, ttl: float | None, seconds: float) -> bool:
    """Whether an entry is answered so many virtual seconds after its set; the sweep does not run meanwhile."""

    async def look(cache: Adapted) -> bool:
        await cache.set("cachegate:probe", "x", ttl)
        clock.advance_by(seconds)
        return await cache.get("cachegate:probe") is not None

    return bool(_play(build, clock, look))


def _ends_in_real_time(build: Build, clock: WorkloadClock, real_sleep: Callable[[float], None]) -> bool:
    async def look(cache: Adapted) -> bool:
        await cache.set("cachegate:probe", "x", _PROBE_SECONDS)
        real_sleep(_PROBE_SECONDS * 1.2)
        return await cache.get("cachegate:probe") is None

    return bool(_play(build, clock, look))


def _play(build: Build, clock: WorkloadClock, look: Callable[[Adapted], Coroutine[Any, Any, bool]]) -> bool | None:
    """What look says of a fresh cache; None if it raised, which the rules will meet again and tell."""
    clock.restart()
    loop = SimulatedLoop(clock, lambda _ready: 0)  # type: ignore[abstract]  # as above
    working: list[object] = [look]

    async def main() -> bool:
        try:
            cache = build(None)
            if cache.initialize is not None:
                await cache.initialize()
            return await look(cache)
        finally:
            working.clear()

    with loop.entered():
        task = loop.create_task(main())
        loop.run(working, steps=_STEPS)
    found: bool | None = None
    if task.done() and not task.cancelled():
        error = task.exception()
        if isinstance(error, NeedsRealLoopError) or (error is not None and not isinstance(error, Exception)):
            raise error
        found = task.result() if error is None else None
    loop.end()
    return found
