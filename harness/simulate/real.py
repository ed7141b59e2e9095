"""Play schedules on a real event loop, for caches that need sockets, threads or a clock of their own.

Real concurrency and real time: nothing is chosen, no time is made to pass, and a schedule is not the same twice. So
pauses are left out, and what is found is shown as it happened, not shrunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter, perf_counter_ns
from typing import Any

from harness.clock import WorkloadClock
from harness.history import Watched
from harness.simulate.play import Build, Played, Run
from harness.simulate.schedule import Profile, Schedule
from harness.simulate.tape import Tape
from harness.simulate.trouble import Trouble

HUNG_SECONDS = 10.0
"""Real seconds in which no operation ends, after which what is under way counts as hung."""
_GLANCE_SECONDS = 1.0


class RealClock(WorkloadClock):
    """Real nanoseconds since the schedule began; it cannot be moved."""

    def __init__(self) -> None:
        super().__init__()
        self._began_ns = perf_counter_ns()

    @property
    def now_ns(self) -> int:
        """Nanoseconds since the start."""
        return perf_counter_ns() - self._began_ns

    def advance_to(self, now_ns: int) -> None:
        """Of no effect."""

    def step_wall(self, seconds: float) -> None:
        """Of no effect."""

    def restart(self) -> None:
        """Count from now."""
        self._began_ns = perf_counter_ns()


class RealPlayer:
    """Plays schedules on caches that build makes, each on a fresh event loop; alive is called while that turns."""

    def __init__(self, build: Build, tape: Tape, stages: tuple[str, ...], alive: Callable[[], None]) -> None:
        self._build = build
        self._tape = tape
        self._stages = stages
        self._alive = alive

    def play(self, schedule: Schedule) -> Played:
        """Play one, without its pauses."""
        clients = tuple(tuple(step._replace(pause=0) for step in steps) for steps in schedule.clients)
        schedule = schedule._replace(clients=clients)
        tape = self._tape
        tape.clock.restart()
        tape.begin()
        trouble = Trouble(schedule.seed, schedule.trouble, tape, errors=schedule.profile is Profile.ERRORS)
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            cache = runner.run(self._made(schedule.room))
            _RealRun(self._alive, schedule, cache, tape, loop, trouble, self._stages).play()
        tape.number += 1
        return Played(schedule=schedule, raised=tape.raised, oddities=tape.oddities)

    async def _made(self, room: int | None) -> Any:
        return self._build(room)


class _RealRun(Run):
    """One schedule on a real loop."""

    def __init__(self, alive: Callable[[], None], *more: Any) -> None:
        super().__init__(*more)
        self._alive = alive

    def _patiently(self, tasks: list[asyncio.Task[Any]]) -> bool:
        left, rows, since = set(tasks), self._tape.length, perf_counter()
        while left:
            _, left = self._loop.run_until_complete(asyncio.wait(left, timeout=_GLANCE_SECONDS))
            self._alive()
            if self._tape.length > rows:
                rows, since = self._tape.length, perf_counter()
            elif perf_counter() - since > HUNG_SECONDS:
                return False
        return True

    def _timers_set(self) -> int:
        return 0  # a real loop does not tell

    def _timers_and_tasks(self) -> int:
        return 0

    def _look_for_leftovers(self) -> None:
        self._loop.run_until_complete(asyncio.sleep(0))
        if not any("no shutdown" in note for note in self._cache.notes):
            left = [task for task in asyncio.all_tasks(self._loop) if not task.done()]
            self._tape.watch(Watched.TASKS, len(left), 0)

    def _hear_background(self) -> None:
        """A real loop tells of them on its own, in the process's log."""
