"""What the cache's process does, step by step: build, ask everything, look at the size, shut down, tell.

Imported after the workload clock is installed.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from cache_impls.protocol import Capability
from cache_impls.registry import Adapted, parse
from harness.clock import WorkloadClock
from harness.hitratio.columns import Folder
from harness.measure.driver import SLICE, Driver, TooManyErrorsError
from harness.measure.loop import WorkloadLoop
from harness.measure.trial_run import PROBE_KEY, initialize, probe_clock

Emit = Callable[..., None]

STEP = 2_000
"""Requests that a cache may not take longer for than its limit."""

_LOOKS = 500
"""At how many moments, about, the cache's size is asked: for some caches that is no short question."""


class Answering:
    """One cache, one workload, one capacity. Emits `built`, then `progress` and `answered` if it can be asked."""

    def __init__(self, job: dict[str, Any], loop: WorkloadLoop, clock: WorkloadClock, emit: Emit) -> None:
        self._job = job
        self._loop = loop
        self._clock = clock
        self._emit = emit
        self._held: int | None = None
        """The most entries that were seen in it."""

    async def run(self) -> None:
        """Build the cache, ask, and tell. Raises SpecError if it cannot be built."""
        job = self._job
        self._more_time()
        cache = parse(job["spec"]).build(capacity=job["capacity"])
        missing = [name for name in job["needs"] if Capability[name] not in cache.capabilities]
        bound = cache.capacity if type(cache.capacity) is int else None
        self._emit("built", notes=cache.notes, bound=bound, missing=missing)
        if missing or not job["requests"]:
            return
        await initialize(cache)
        by = await probe_clock(cache, self._clock, self._more_time) if job["expires"] else "loop"
        source = Folder(
            Path(job["folder"]), job["requests"], job["keys"], job["key_format"], look_aside=job["look_aside"]
        )
        slice_length = 1 if job["expires"] else SLICE  # nothing is timed here, and ttls end at any request
        driver = Driver(cache, source, self._loop, self._clock, judge_expiry=by != "native", slice_length=slice_length)
        if by == "none":
            driver.truth.found_wrong(f"get({PROBE_KEY!r}) answered 2 s after a set with a ttl of 1 s")
        errors = 0
        try:
            await self._ask(driver, cache if Capability.SIZE in cache.capabilities else None)
        except TooManyErrorsError:
            pass  # they are counted
        except _SizeFailedError as error:
            errors, driver.errors = 1, [*driver.errors, str(error)]
        incidents = dict(cache.incidents())
        try:
            self._more_time()
            await cache.shutdown()
        except Exception as error:  # the cache's: counted as any other error
            errors += 1
            driver.errors.append(f"shutdown() raised {type(error).__name__}: {error}")
        self._emit(
            "answered",
            gets=driver.counts["gets"],
            hits=driver.counts["hits"],
            errors=driver.counts["errors"] + errors,
            error_examples=driver.errors[:3],
            wrong=driver.truth.wrong,
            wrong_examples=driver.truth.examples,
            held=self._held,
            native_clock=by == "native",
            incidents=incidents,
        )

    async def _ask(self, driver: Driver, sized: Adapted | None) -> None:
        """All requests, a bulk at a time. sized: the cache, if it has a size to look at."""
        requests: int = self._job["requests"]
        every = max(1, requests // (STEP * _LOOKS)) * STEP
        told = perf_counter()
        for start in range(0, requests, STEP):
            self._more_time()
            stop = min(start + STEP, requests)
            await driver.drive(start, stop, step=STEP)
            if sized is not None and (start % every == 0 or stop == requests):
                await self._look(sized)
            if perf_counter() - told > 0.5:
                told = perf_counter()
                self._emit("progress", done=stop)

    async def _look(self, cache: Adapted) -> None:
        try:
            self._held = max(self._held or 0, await cache.size())
        except Exception as error:
            raise _SizeFailedError(f"size() raised {type(error).__name__}: {error}") from error

    def _more_time(self, seconds: float = 0.0) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._job["limit_seconds"] + seconds)


class _SizeFailedError(Exception):
    """The cache could not tell its size."""
