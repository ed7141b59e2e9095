"""Workload time: clocks that stand still until the driver moves them.

`WorkloadClock.install` puts `time.monotonic`, `time.time` and their `_ns` forms under workload time, so the
running loop's clock and every cache that reads those follow the operations' own timestamps. It must happen
before the cache is imported (`from time import monotonic` keeps what it found). `time.perf_counter` and the
process clocks stay real: they time the work.

Reading the clock must cost what reading the real one costs, else a cache that reads it twice an operation
would look better or worse than it is: `operator.call` around an array's own method costs 0.93, 1.10 and 0.96 of
the real one on Python 3.11, 3.12 and 3.13 here, the method alone 0.74 to 0.85
(`tests/benchmarks/test_hot_paths.py` shows the ratio on any machine).
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from functools import partial
from operator import call

EPOCH_SECONDS = 1_800_000_000
"""Where `time.time` starts under workload time: an arbitrary whole second in January 2027."""

START_SECONDS = 1_000
"""Where `time.monotonic` starts: more than 0, as on a machine that has been up a while."""


class WorkloadClock:
    """Workload time in nanoseconds since the start of the trial; it never goes back."""

    def __init__(self) -> None:
        self._monotonic = array("d", [0.0])
        self._wall = array("d", [0.0])
        self._monotonic_ns = array("q", [0])
        self._wall_ns = array("q", [0])
        self._now_ns = 0
        self._wall_offset_ns = 0
        self._set(0)

    @property
    def now_ns(self) -> int:
        """Nanoseconds since the start of the trial."""
        return self._now_ns

    def advance_to(self, now_ns: int) -> None:
        """Move to now_ns, unless the clock is there or past it already."""
        if now_ns > self._now_ns:
            self._set(now_ns)

    def advance_by(self, seconds: float) -> None:
        """Move forward by seconds."""
        self.advance_to(self._now_ns + max(0, round(seconds * 1e9)))

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or a time server does; the others go on."""
        self._wall_offset_ns += round(seconds * 1e9)
        self._set(self._now_ns)

    def restart(self) -> None:
        """Go back to the start, for the next simulation; nothing of the last one may be in use."""
        self._wall_offset_ns = 0
        self._set(0)

    def install(self) -> None:
        """Put this process's `time` functions under workload time, for good."""
        # The child process ends after one trial, so there is nothing to restore.
        for name, function in self.functions().items():
            setattr(time, name, function)

    def functions(self) -> dict[str, Callable[[], float]]:
        """What stands in for each function of `time`."""
        return {
            "monotonic": partial(call, partial(self._monotonic.__getitem__, 0)),
            "time": partial(call, partial(self._wall.__getitem__, 0)),
            "monotonic_ns": partial(call, partial(self._monotonic_ns.__getitem__, 0)),
            "time_ns": partial(call, partial(self._wall_ns.__getitem__, 0)),
        }

    def _set(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._monotonic_ns[0] = START_SECONDS * 1_000_000_000 + now_ns
        self._wall_ns[0] = EPOCH_SECONDS * 1_000_000_000 + now_ns + self._wall_offset_ns
        self._monotonic[0] = self._monotonic_ns[0] / 1e9
        self._wall[0] = self._wall_ns[0] / 1e9
