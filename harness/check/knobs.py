"""Turn each knob of a factory and look whether anything changes: the runs behind C12."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from cache_impls.protocol import Capability
from cache_impls.registry import Adapted, SpecError
from harness.check.checkers.parameters import Tried
from harness.check.clocks import inside
from harness.check.explore import Builds
from harness.check.watchdog import BlockedError, limited
from harness.clock import WorkloadClock
from harness.history import NO_TTL
from harness.simulate.loop import SimulatedLoop
from harness.simulate.tape import Tape
from harness.simulate.trouble import Trouble

_KEYS = 60
_PAUSES = (0.5, 5.0, 20.0, 40.0, 70.0, 250.0, 400.0)
_BIG = "x" * 400_000
_STEPS = 200_000
_TROUBLES = 4
"""Seeds of trouble for the parts of a composite: some parameters matter only after failures in a row."""
_UNSET = (1, 50)
"""Values for a parameter whose default is None."""


class Turned(NamedTuple):
    """What came of turning all knobs."""

    tried: list[Tried]
    steady: bool
    """Whether two runs with the defaults showed the same: else nothing can be told."""
    numeric: int
    """Parameters that could be turned."""


def turn_knobs(builds: Builds, clock: WorkloadClock) -> Turned:
    """Try each numeric parameter at a few values far from its default, but for those declared to do nothing."""
    declared = inside(clock, builds).promises.inert
    usual = _both(builds, clock, {})
    steady = usual is not None and usual == _both(builds, clock, {})
    tried, count = [], 0
    for name, default in builds.defaults().items():
        numeric = isinstance(default, int | float) and not isinstance(default, bool)
        if name in declared or (not numeric and default is not None):
            continue
        count += 1
        values = (1, 2, default * 10, default / 10, default // 10) if numeric else _UNSET
        usual = _both(builds, clock, {}, name)
        for value in dict.fromkeys(values):
            try:
                found = None if value == default else _both(builds, clock, {name: value}, name)
            except SpecError:
                continue  # out of range, or not of its type
            if found is not None:
                tried.append(Tried(name, value, same=found == usual))
    return Turned(tried, steady, count)


def _both(builds: Builds, clock: WorkloadClock, parameters: dict[str, float], knob: str = "") -> list[Any] | None:
    """What shows with room enough, with too little, and of a composite in trouble: some parameters matter only then."""
    seen = [_observe(partial(builds.changed, parameters, room), clock, knob) for room in (None, _KEYS // 4)]
    if None in seen:
        return None
    # One that lets the failures of its parts through shows nothing more, and that is no reason to judge nothing.
    if inside(clock, builds).interpose is None:
        return seen
    return seen + [
        _observe(partial(_troubled, builds, clock, parameters, seed), clock, knob) for seed in range(_TROUBLES)
    ]


def _troubled(builds: Builds, clock: WorkloadClock, parameters: dict[str, float], seed: int) -> Adapted:
    """A composite with too little room, its parts in the trouble of a seed."""
    cache = builds.changed(parameters, _KEYS // 4)
    assert cache.interpose is not None  # looked at before
    cache.interpose(Trouble(seed, None, Tape(clock, NO_TTL), errors=True).wrap)
    return cache


def _observe(make: Callable[[], Adapted], clock: WorkloadClock, knob: str) -> list[Any] | None:
    """Everything that shows of a cache over some minutes but the knob itself; None if it raised.

    Raises BlockedError if it never gives control back.
    """
    clock.restart()
    loop = SimulatedLoop(clock, lambda _ready: 0)  # type: ignore[abstract]  # what it lacks is set by name, and refuses
    seen: list[Any] = []
    working: list[object] = [make]

    async def use() -> None:
        try:
            await _use(cache, loop, seen, knob)
        finally:
            working.clear()

    with limited(), loop.entered():
        cache = make()
        task = loop.create_task(use())
        loop.run(working, steps=_STEPS)
        loop.end()
    error = task.exception() if task.done() and not task.cancelled() else None
    if isinstance(error, BlockedError):
        raise error  # a task keeps it to itself; each further try would take as long
    if not task.done() or task.cancelled() or error is not None:
        return None
    return seen


async def _use(cache: Adapted, loop: SimulatedLoop, seen: list[Any], knob: str) -> None:
    if cache.initialize is not None:
        await cache.initialize()

    async def client(number: int) -> None:
        for i in range(6):
            await cache.set(f"key{i}", f"{number}.{i}")
            seen.append((number, await cache.get(f"key{(i + number) % 6}")))

    await asyncio.gather(*(client(number) for number in range(4)))
    for i in range(_KEYS):
        await cache.set(f"key{i}", _BIG if i % 12 == 0 else i)
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        if Capability.SIZE in cache.capabilities:
            seen.append(await cache.size())
        seen.append([type(await cache.get(f"key{i}")).__name__ for i in range(_KEYS)])
        stats = cache.get_stats()
        seen.append([(name, value) for name, value in stats.items() if name != knob and not isinstance(value, dict)])
        seen.append(sorted(at for at, _, timer in loop.timers if not timer.off))
        seen.append(loop.ran)
        await cache.set("key1", "again")
    await cache.shutdown()
