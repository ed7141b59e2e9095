"""The trial's event loop: asyncio's own, whose idle waits move workload time instead of real time.

Runs in the trial child. `WorkloadClock.install` has already put `time.monotonic`, and with it the loop's
clock, under workload time, so timers become due when the driver moves the clock.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from harness.clock import WorkloadClock


class _IdleSelector(selectors.DefaultSelector):
    """Waits in workload time when only timers are awaited, in real time when sockets or threads are."""

    def __init__(self, clock: WorkloadClock) -> None:
        super().__init__()
        self._clock = clock
        self.busy_threads = 0

    def select(self, timeout: float | None = None) -> Any:
        if not timeout or timeout < 0:
            return super().select(timeout)
        own_sources = 1  # the loop's own wake-up pipe
        if self.busy_threads or len(self.get_map()) > own_sources:
            events = super().select(timeout)
            if not events:
                self._clock.advance_by(timeout)
            return events
        self._clock.advance_by(timeout)
        return []


class WorkloadLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in workload time."""

    def __init__(self, clock: WorkloadClock) -> None:
        self._idle = _IdleSelector(clock)
        super().__init__(self._idle)

    def has_work(self) -> bool:
        """Whether a callback is ready or a timer is due.

        Asyncio has no public way to ask; `_ready` and `_scheduled` are the same from 3.11 to 3.13
        (`tests/measure/test_loop.py` would notice a change).
        """
        scheduled = self._scheduled  # type: ignore[attr-defined]
        return bool(self._ready) or (bool(scheduled) and scheduled[0].when() <= self.time())  # type: ignore[attr-defined]

    def run_in_executor(  # type: ignore[override]  # typeshed spells the arguments with TypeVarTuple
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """As asyncio's; while a thread works, waiting is real."""
        future = super().run_in_executor(executor, func, *args)
        self._idle.busy_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: asyncio.Future[Any]) -> None:
        self._idle.busy_threads -= 1
