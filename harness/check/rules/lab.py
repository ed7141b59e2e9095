"""The lab: fresh caches and a clock for one rule, in virtual time or in real."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from cache_impls.registry import Adapted, SpecError
from harness.check.rules.rule import Broken, NotApplicable, Rule
from harness.check.watchdog import BlockedError, limited
from harness.clock import WorkloadClock
from harness.simulate.loop import NeedsRealLoopError, SimulatedLoop

Build = Callable[[int | None], Adapted]
_STEPS = 50_000
ROOMY = 1_000
_REAL_SECONDS = 30.0
_SPARE_SECONDS = 10.0
BLOCKS = "it blocks the event loop: an operation never gave control back"


class Lab:
    """What a rule works with. Times are seconds."""

    def __init__(
        self, build: Build, clock: WorkloadClock, loop: SimulatedLoop | None, rebuild: Callable[..., Adapted] | None
    ) -> None:
        self.clock = clock
        self._loop = loop
        self._build = build
        self._rebuild = rebuild

    async def cache(self, room: int | None = None) -> Adapted:
        """A fresh cache, ready for use; with room for all that a rule may set, unless it says otherwise."""
        return await self._ready(self._build(ROOMY if room is None else room))

    async def cache_with(self, **parameters: Any) -> Adapted:
        """A fresh cache of the same factory with these parameters. Raises NotApplicable if it takes none such."""
        if self._rebuild is None:
            raise NotApplicable("its factory is not known")
        try:
            return await self._ready(self._rebuild(**parameters))
        except SpecError as error:
            raise NotApplicable(f"its factory takes no {', '.join(parameters)}") from error

    async def _ready(self, cache: Adapted) -> Adapted:
        if cache.initialize is not None:
            await cache.initialize()
        return cache

    async def sleep(self, seconds: float) -> None:
        """Let time pass, timers and tasks running. In real time it does not."""
        await asyncio.sleep(0 if self._loop is None else seconds)

    async def settle(self) -> None:
        """Let everything run that is ready."""
        for _ in range(20):
            await asyncio.sleep(0)

    @property
    def loop(self) -> SimulatedLoop:
        """The simulated loop, for rules that need it."""
        if self._loop is None:
            raise NotApplicable("a real event loop cannot be looked into")
        return self._loop

    def sleeping_tasks(self) -> int:
        """Tasks of the cache that have not ended."""
        return sum(not task.done() for task in self.loop.tasks) - 1


def keep(rule: Rule, build: Build, clock: WorkloadClock, rebuild: Callable[..., Adapted] | None = None) -> None:
    """Try one rule. Raises Broken, NotApplicable, NeedsRealLoopError."""
    clock.restart()
    loop = SimulatedLoop(clock, lambda _ready: 0)  # type: ignore[abstract]  # what it lacks is set by name, and refuses
    outcome: list[BaseException] = []
    working: list[object] = [rule]

    async def body() -> None:
        try:
            await rule.body(Lab(build, clock, loop, rebuild))
        except BaseException as error:  # raised again below, out of the loop
            outcome.append(error)
        working.clear()

    try:
        with limited(), loop.entered():
            loop.create_task(body())
            done = loop.run(working, steps=_STEPS)
            loop.end()
    except BlockedError as blocked:
        raise Broken(BLOCKS) from blocked
    if not done:
        raise Broken("an operation never returned")
    _tell(outcome)


def keep_really(rule: Rule, build: Build, rebuild: Callable[..., Adapted] | None = None) -> None:
    """As `keep`, on a real event loop and in real time."""
    outcome: list[BaseException] = []

    async def body() -> None:
        try:
            async with asyncio.timeout(_REAL_SECONDS):
                await rule.body(Lab(build, WorkloadClock(), None, rebuild))
        except TimeoutError:
            # Slow or hung? Exploration tells: it knows how long ago the last operation ended.
            outcome.append(NotApplicable(f"it was not done within {_REAL_SECONDS:g} s of real time"))
        except BaseException as error:  # raised again below, out of the loop
            outcome.append(error)

    try:
        with limited(_REAL_SECONDS + _SPARE_SECONDS), asyncio.Runner() as runner:
            runner.run(body())
    except BlockedError as blocked:
        raise Broken(BLOCKS) from blocked
    _tell(outcome)


def _tell(outcome: list[BaseException]) -> None:
    """Raise what a rule has raised; a cache's own error as Broken."""
    for error in outcome:
        if isinstance(error, BlockedError):
            raise Broken(BLOCKS) from error
        if isinstance(error, Broken | NotApplicable | NeedsRealLoopError) or not isinstance(error, Exception):
            raise error
        text = " ".join(str(error).split())
        raise Broken(f"it raised {type(error).__name__}: {text}") from error
