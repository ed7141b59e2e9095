"""Play a schedule on a fresh cache: clients, then an audit when all is quiet, then the shutdown.

A `Player` plays thousands of schedules; what they leave on its tape is one history. It runs caches that it does not
know, unchanged: the loop's clock is virtual, and `time.time`, `time.monotonic` and their `_ns` forms follow it
(`WorkloadClock.install` comes before the import of the cache).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from cache_impls.dialects import Adapted
from cache_impls.protocol import Capability
from harness.history import NO_KEY, NO_LIMIT, NO_TTL, Op, Outcome, Watched
from harness.simulate.loop import NeedsRealLoopError, SimulatedLoop
from harness.simulate.operator import Operator, made_by_us
from harness.simulate.policies import chooser
from harness.simulate.schedule import NANOSECONDS_PER_TICK, STALL, TICKS_PER_SECOND, WALL, Profile, Schedule, Step
from harness.simulate.tape import Tape
from harness.simulate.trouble import Trouble

STEPS = 200_000
"""Callbacks that a schedule may take before it counts as hung."""
PATIENCE_NS = 700_000_000_000
"""Virtual time without an operation that ends, after which those under way count as hung: no pause is half as long."""
_GLANCE = 500
"""Callbacks between two looks at whether anything happens."""
TIMERS_AND_SOME = 4
"""Timers beyond one a key and those of a fresh cache that a quiet one may have."""

MANY = 1_000
"""Room that no schedule fills."""

_COUNTERS = (("hits", Watched.HITS), ("misses", Watched.MISSES), ("sets", Watched.SETS), ("deletes", Watched.DELETES))

Build = Callable[[int | None], Adapted]
"""A fresh cache with so much room, or with its own default."""


class Played(NamedTuple):
    """What became of one schedule, beside its rows."""

    schedule: Schedule
    """With the choices that were made."""
    raised: list[str]
    """What operations and background work raised of their own making."""
    oddities: list[str]
    """Answers that nobody has ever written."""


class Player:
    """Plays schedules on caches that build makes. stages are those of a migration, in order."""

    def __init__(self, build: Build, tape: Tape, stages: tuple[str, ...] = ()) -> None:
        self._build = build
        self._tape = tape
        self._stages = stages

    def play(self, schedule: Schedule) -> Played:
        """Play one. Raises NeedsRealLoopError if the cache cannot be simulated."""
        tape, choices = self._tape, []  # type: tuple[Tape, list[int]]
        tape.clock.restart()
        tape.begin()
        loop = SimulatedLoop(tape.clock, chooser(schedule.policy, schedule.seed, schedule.choices, choices))  # type: ignore[abstract]  # what it lacks is set by name, and refuses
        trouble = Trouble(schedule.seed, schedule.trouble, tape, errors=schedule.profile is Profile.ERRORS)
        with loop.entered():
            cache = self._build(schedule.room)
            Run(schedule, cache, tape, loop, trouble, self._stages).play()
        loop.end()
        tape.number += 1
        return Played(
            schedule=schedule._replace(choices=tuple(choices), trouble=tuple(trouble.taken)),
            raised=tape.raised,
            oddities=tape.oddities,
        )


class Run:
    """One schedule being played."""

    def __init__(
        self,
        schedule: Schedule,
        cache: Adapted,
        tape: Tape,
        loop: Any,
        trouble: Trouble,
        stages: tuple[str, ...],
    ) -> None:
        self._schedule = schedule
        self._cache = cache
        self._tape = tape
        self._loop = loop
        self._trouble = trouble
        self._operator = Operator(cache, tape, stages)
        self._working: list[object] = []
        """One for each piece of work that has not ended."""
        self._cancelled = 0
        self._usual_timers = 0
        """Of a fresh cache: its sweepers, before anybody has used it."""

    def play(self) -> None:
        """Clients, audit, shutdown."""
        cache, trouble = self._cache, self._trouble
        room = cache.capacity if self._schedule.room is None else self._schedule.room
        if type(room) is int and room < MANY:
            self._tape.watch(Watched.ENTRIES, 0, room)
        if cache.interpose is not None:
            cache.interpose(trouble.wrap)
        if cache.initialize is not None:
            self._run("initialize()", [cache.initialize()])
        self._usual_timers = self._timers_and_tasks()
        if self._schedule.first:
            self._run("a client", [self._client(0, self._schedule.first)])
        clients = self._schedule.clients
        self._run("a client", [self._client(number, steps) for number, steps in enumerate(clients)])
        trouble.end()
        if not self._operator.hung:
            self._run("the audit", [self._audit(len(clients))])
        self._run("shutdown()", [cache.shutdown()])
        if not self._operator.hung:
            self._look_for_leftovers()
        self._hear_background()
        self._tape.watch(Watched.FIRED, trouble.fired + self._cancelled, NO_LIMIT)

    def _run(self, what: str, works: list[Any]) -> None:
        """Run works to their ends; if they never end, cancel what hangs and say so."""
        tasks = [self._loop.create_task(self._until_done(what, work)) for work in works]
        self._working = [None] * len(tasks)
        if not self._patiently(tasks):
            self._operator.hung = True
            for task in tasks:
                task.cancel()
            self._patiently(tasks)
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _patiently(self, _tasks: list[asyncio.Task[Any]]) -> bool:
        """Run until all work has ended; False if it never will."""
        loop, tape = self._loop, self._tape
        rows, since_ns = tape.length, tape.clock.now_ns
        for _ in range(STEPS // _GLANCE):
            if loop.run(self._working, steps=_GLANCE):
                return True
            if tape.length > rows:
                rows, since_ns = tape.length, tape.clock.now_ns
            elif loop.idle or tape.clock.now_ns - since_ns > PATIENCE_NS:
                return False
        return False

    async def _until_done(self, what: str, work: Coroutine[Any, Any, Any]) -> None:
        tape = self._tape
        start_ns, start = tape.clock.now_ns, tape.count()
        outcome = Outcome.OK
        try:
            await work
        except NeedsRealLoopError:
            raise
        except asyncio.CancelledError:
            outcome = Outcome.HUNG
        except Exception as error:  # the cache's: told with the rest
            outcome = Outcome.RAISED
            tape.failed(what, error)
        finally:
            self._working.pop()
        if outcome != Outcome.OK and what == "shutdown()":
            tape.row(Op.SHUTDOWN, NO_KEY, 0, NO_TTL, NO_KEY, start_ns, start, outcome)

    async def _client(self, client: int, steps: tuple[Step, ...]) -> None:
        operate = self._operator.operate
        for step in steps:
            if step.pause:
                await asyncio.sleep(step.pause / TICKS_PER_SECOND)
            if step.act in (STALL, WALL):
                self._disturb(client, step)
            elif step.cancel:
                await self._cut_short(client, step)
            else:
                await operate(client, step)

    def _disturb(self, client: int, step: Step) -> None:
        tape, clock = self._tape, self._tape.clock
        start_ns, start = clock.now_ns, tape.count()
        if step.act == STALL:
            clock.advance_to(start_ns + step.amount * NANOSECONDS_PER_TICK)
        else:
            clock.step_wall(step.amount / TICKS_PER_SECOND)
        tape.row(step.act, NO_KEY, 0, step.amount * NANOSECONDS_PER_TICK, client, start_ns, start, Outcome.OK)

    async def _cut_short(self, client: int, step: Step) -> None:
        """Operate in a task of its own, which is cancelled after some turns of the loop."""
        task = self._loop.create_task(self._operator.operate(client, step))
        for _ in range(step.cancel):
            await asyncio.sleep(0)
        if not task.done():
            self._cancelled += 1
            task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def _audit(self, client: int) -> None:
        """When all is quiet: what is there, what the cache says of itself, and what it keeps alive."""
        cache, operate, watch = self._cache, self._operator.operate, self._tape.watch
        keys = 1 + max((step.key for steps in self._schedule.clients for step in steps), default=0)
        if Capability.SIZE in cache.capabilities:
            await operate(client, Step(Op.SIZE))
        for key in range(keys):
            await operate(client, Step(Op.GET, key))
            if getattr(cache.native, "dual", False):
                await self._operator.peek(client, key)
        if Capability.STATS in cache.capabilities:
            stats = cache.get_stats()
            for name, watched in _COUNTERS:
                if type(value := stats.get(name)) is int:
                    watch(watched, value, NO_LIMIT)
        watch(Watched.TIMERS, self._timers_set(), self._usual_timers + keys + TIMERS_AND_SOME)

    def _timers_set(self) -> int:
        return int(self._loop.timers_set())

    def _timers_and_tasks(self) -> int:
        """Timers that it has, and those that its tasks may be about to set."""
        return self._timers_set() + sum(not task.done() for task in self._loop.tasks)

    def _look_for_leftovers(self) -> None:
        """After the shutdown: tasks that go on and timers that are set."""
        self._loop.run_ready()
        if any("no shutdown" in note for note in self._cache.notes):
            return
        self._tape.watch(Watched.TASKS, sum(not task.done() for task in self._loop.tasks), 0)
        self._tape.watch(Watched.TIMERS, self._timers_set(), 0)

    def _hear_background(self) -> None:
        """Errors of the cache's own tasks and callbacks that nobody has looked at."""
        tape = self._tape
        errors = [context.get("exception") for context in self._loop.complaints]
        errors += [task.exception() for task in self._loop.tasks if getattr(task, "_log_traceback", False)]
        for error in errors:
            if isinstance(error, NeedsRealLoopError):
                raise error
            if error is not None and made_by_us(error) is None:
                tape.failed("its background work", error)
                now_ns, start = tape.clock.now_ns, tape.count()
                tape.row(Op.BACKGROUND, NO_KEY, 0, NO_TTL, NO_KEY, now_ns, start, Outcome.RAISED)
