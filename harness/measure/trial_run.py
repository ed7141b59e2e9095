"""What a trial does, step by step: build, preload, warm up, measure, reconcile, shut down.

Runs in the trial child. With one measured arm this is the ordinary trial. With a decoy and two measured
arms it is `--precise`: the decoy is filled first, then both arms, and their batches alternate.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from cache_impls.dialects import Adapted
from cache_impls.protocol import Capability
from cache_impls.registry import Spec, SpecError
from harness.clock import WorkloadClock
from harness.measure.driver import YIELDS, Driver, TooManyErrorsError
from harness.measure.loop import WorkloadLoop
from harness.measure.stream import Stream
from harness.measure.turns import TurnTaker

_PRELOAD_STEP = 2_000
PROBE_KEY = "cachegate:probe"
_PROBE_SECONDS = 1.2
"""Real seconds after which an entry of 1 s must be gone from a cache with a clock of its own."""


class CacheFailedError(Exception):
    """A cache failed where no request is counted: the message is its error in one line."""


async def initialize(cache: Adapted) -> None:
    """Initialise cache if it wants to be. Raises CacheFailedError, and SpecError where no cache of its spec can be."""
    if cache.initialize is not None:
        try:
            await cache.initialize()
        except SpecError:
            raise
        except Exception as error:
            raise CacheFailedError(f"initialize() raised {type(error).__name__}: {error}") from error


async def probe_clock(cache: Adapted, clock: WorkloadClock, more_time: Callable[[float], None]) -> str:
    """By which clock an entry expires: `loop`, `native` (a clock of its own), or `none`: it ignores its ttl.

    Two seconds of workload time pass; more_time is told before real seconds do.
    """
    if Capability.TTL not in cache.capabilities:
        return "loop"
    try:
        await cache.set(PROBE_KEY, "x", 1.0)
        clock.advance_by(2.0)
        for _ in range(YIELDS):
            await asyncio.sleep(0)
        if await cache.get(PROBE_KEY) is None:
            return "loop"
        await cache.set(PROBE_KEY, "x", 1.0)
        more_time(_PROBE_SECONDS)
        time.sleep(_PROBE_SECONDS)  # noqa: ASYNC251  # real time has to pass, and nothing else runs yet
        return "native" if await cache.get(PROBE_KEY) is None else "none"
    except Exception:  # the driver will meet the same error, and count it
        return "loop"


_COUNTERS = ("hits", "misses", "sets", "deletes")


class TrialRun:
    """One trial. `main` runs it and returns the report; `columns` are what it measured."""

    def __init__(self, job: dict[str, Any], specs: list[Spec], loop: WorkloadLoop, clock: WorkloadClock) -> None:
        self._job = job
        self._specs = specs
        self._loop = loop
        self._clock = clock
        self._drivers: list[Driver] = []
        self._first_operation_ns = 0

    async def main(self) -> dict[str, Any]:
        """Run the trial. Raises SpecError if an arm cannot be built."""
        job = self._job
        stream = Stream(Path(job["requests"]))
        caches = [spec.build(capacity=job["capacity"]) for spec in self._specs]
        for spec, cache in zip(self._specs, caches, strict=True):
            missing = [name for name in job["needs"] if Capability[name] not in cache.capabilities]
            if missing:
                return {"status": "lacks", "spec": spec.text, "missing": missing}
        for cache in caches:
            await initialize(cache)
        gc.collect()
        gc.freeze()  # collections during the trial concern the cache's objects, not the harness's
        gc.disable()
        self._first_operation_ns = perf_counter_ns()
        clocks = [
            await probe_clock(cache, self._clock, self._more_time) if known is None else ("native" if known else "loop")
            for cache, known in zip(caches, job["native_clock"], strict=True)
        ]
        before = [_counters(cache) for cache in caches]
        self._drivers = [
            Driver(
                cache,
                stream,
                self._loop,
                self._clock,
                concurrency=job["concurrency"],
                look_aside=job["look_aside"],
                judge_expiry=clock != "native",
            )
            for cache, clock in zip(caches, clocks, strict=True)
        ]
        for driver, clock in zip(self._drivers, clocks, strict=True):
            if clock == "none":
                driver.truth.found_wrong(f"get({PROBE_KEY!r}) answered 2 s after a set with a ttl of 1 s")
        start = stream.preload + stream.warmup
        gave_up = None
        try:
            for driver in self._drivers:
                await self._drive(driver, 0, stream.preload)
            measured = [driver for driver, arm in zip(self._drivers, job["arms"], strict=True) if arm["measured"]]
            for driver in measured:
                await self._drive(driver, stream.preload, start)
            await self._measure(measured, start)
        except TooManyErrorsError as error:
            gave_up = str(error)
        reports = []
        for i, cache in enumerate(caches):
            after = _counters(cache)
            reports.append(self._report(self._drivers[i], cache, before[i], after, clocks[i] == "native"))
        for report, cache in zip(reports, caches, strict=True):
            try:
                await cache.shutdown()
            except Exception as error:  # the cache's: counted as any other error
                report["counts"]["errors"] += 1
                report["errors"].append(f"shutdown() raised {type(error).__name__}: {error}")
        return {
            "status": "ok",
            "first_operation_ns": self._first_operation_ns,
            "gave_up": gave_up,
            "arms": reports,
        }

    def columns(self) -> dict[str, array[int]]:
        """`<arm>.<column>`: batch_ns, turn_cpu_ns and fill_ns a turn, operation_ns an operation."""
        return {
            f"{i}.{name}": getattr(driver, name)
            for i, driver in enumerate(self._drivers)
            for name in ("batch_ns", "turn_cpu_ns", "fill_ns", "operation_ns")
        }

    async def _drive(self, driver: Driver, start: int, stop: int) -> None:
        """Requests that are not measured, each step within the limit."""
        for first in range(start, stop, _PRELOAD_STEP):
            self._more_time()
            await driver.drive(first, min(first + _PRELOAD_STEP, stop), step=_PRELOAD_STEP)
        self._more_time()

    async def _measure(self, drivers: list[Driver], start: int) -> None:
        """Warm-up batches, then turns; arms in one process alternate.

        A turn begins with a batch to bring the arm back into the processor's caches. Timed cold, a turn is a
        third slower for whatever cache, and 7 % more work an operation shows as 5 %.
        """
        job = self._job
        length: int = job["batch"]
        first = start
        for driver in drivers:
            await driver.drive(start, start + job["warm_batches"] * length, step=length)
        first += job["warm_batches"] * length
        turns = TurnTaker(job["me"], job["turns"], job["token_fd"], job["token_fds"], job["limit_seconds"])
        for turn in turns.take():
            if job["cpu"] is not None:
                os.sched_setaffinity(0, {job["cpu"]})
            drivers.reverse()  # each goes first in every other turn
            tail = turn % job["tail_every"] == 0
            for driver in drivers:
                await driver.take_turn(first, length, tail=tail)
            first += (3 if tail else 2) * length

    def _more_time(self, seconds: float = 0.0) -> None:
        """Start the limit for the cache anew: it is for a step, not for the whole trial."""
        signal.setitimer(signal.ITIMER_REAL, self._job["limit_seconds"] + seconds)

    def _report(
        self,
        driver: Driver,
        cache: Adapted,
        before: dict[str, int | None],
        after: dict[str, int | None],
        native_clock: bool,
    ) -> dict[str, Any]:
        counts = driver.counts
        ours = {
            "hits": counts["hits"],
            "misses": counts["gets"] - counts["hits"],
            "sets": counts["sets"] + counts["fills"],
            "deletes": counts["deletes"],
        }
        disagreements = []
        for name in _COUNTERS:
            first, last = before[name], after[name]
            if first is not None and last is not None and not counts["errors"] and last - first != ours[name]:
                disagreements.append(f"its {name} say {last - first}, there were {ours[name]}")
        return {
            "counts": counts,
            "measured_gets": driver.measured_gets,
            "measured_hits": driver.measured_hits,
            "measured_fills": driver.measured_fills,
            "errors": driver.errors,
            "wrong": driver.truth.wrong,
            "wrong_examples": driver.truth.examples,
            "disagreements": disagreements,
            "native_clock": native_clock,
            "capacity": cache.capacity,
            "notes": cache.notes,
            "incidents": dict(cache.incidents()),
        }


def _counters(cache: Adapted) -> dict[str, int | None]:
    """The cache's own counters; None for one that it does not publish as an int."""
    try:
        stats = cache.get_stats()
    except Exception:  # not published is not wrong; a cache whose get_stats raises is a matter for check
        return dict.fromkeys(_COUNTERS, None)
    found = {name: stats.get(name) if hasattr(stats, "get") else None for name in _COUNTERS}
    return {name: value if type(value) is int else None for name, value in found.items()}
