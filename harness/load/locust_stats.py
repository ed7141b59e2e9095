"""Locust's own statistics, told a second's requests at a time: a call for each costs more than the request."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np

from harness.history import Op, Outcome
from harness.load.samples import FILLER, Batch

CONNECT = -1
"""In the place of an operation: a user that could not connect."""
METHODS = {int(Op.GET): "GET", int(Op.SET): "SET", int(Op.DELETE): "DEL"}


def milliseconds(response_time: float) -> float:
    """A time in milliseconds at three significant digits: locust's own steps of 1 ms hide all that a cache does."""
    return float(f"{response_time:.3g}")


def hears_requests(environment: Any) -> bool:
    """Whether anybody but locust itself listens to every request."""
    handlers = environment.events.request._handlers  # noqa: SLF001  # there is no other way to ask
    return any(not handler.__module__.startswith("locust.") for handler in handlers)


def tell_locust(environment: Any, name: str, batch: Batch, failures: Counter[tuple[int, str]]) -> None:
    """Count a batch and its failures in locust's statistics, and clear the failures.

    Whoever else listens to `events.request` hears of each. What was cut off at the end of the run counts nowhere.
    """
    stats = environment.stats
    listens = hears_requests(environment)
    for op, method in METHODS.items():
        rows = Batch(batch.rows[(batch.op == op) & (batch.outcome != Outcome.UNKNOWN) & (batch.client != FILLER)])
        if not len(rows.rows):
            continue
        times_ms = rows.response_ns / 1e6
        for entry in (stats.get(name, method), stats.total):
            _extend(entry, times_ms)
        if listens:
            for time_ms in times_ms.tolist():
                _fire(environment, method, name, time_ms)
    for (op, what), count in failures.items():
        for _ in range(count):
            stats.log_error(METHODS.get(op, "CONNECT"), name, what)
    failures.clear()


def percentile_fields(writer: Any, entry: Any, use_current: bool = False) -> Any:
    """What a line of locust's CSV says of percentiles, in milliseconds, not cut to whole ones."""
    if not entry.num_requests:
        return writer.percentiles_na
    current = use_current and entry.use_response_times_cache
    read = entry.get_current_response_time_percentile if current else entry.get_response_time_percentile
    return [read(share) or 0.0 for share in writer.percentiles_to_report]


def _extend(entry: Any, times_ms: Any) -> None:
    """What `StatsEntry.log` does, for many at once."""
    now = time.time()
    second = int(now)
    if entry.use_response_times_cache and entry.last_request_timestamp and second > int(entry.last_request_timestamp):
        entry._cache_response_times(second - 1)  # noqa: SLF001  # as `StatsEntry.log` does
    count = len(times_ms)
    entry.num_requests += count
    entry.num_reqs_per_sec[second] += count
    entry.last_request_timestamp = now
    entry.total_response_time += float(times_ms.sum())
    least, most = float(times_ms.min()), float(times_ms.max())
    entry.min_response_time = least if entry.min_response_time is None else min(entry.min_response_time, least)
    entry.max_response_time = max(entry.max_response_time, most)
    digits = np.floor(np.log10(np.maximum(times_ms, 1e-6)))
    scale = 10.0 ** (2 - digits)
    steps, counts = np.unique(np.round(times_ms * scale) / scale, return_counts=True)
    for step, step_count in zip(steps.tolist(), counts.tolist(), strict=True):
        entry.response_times[milliseconds(step)] += step_count


def _fire(environment: Any, method: str, name: str, time_ms: float) -> None:
    """For other listeners: locust's own has been told."""
    for handler in environment.events.request._handlers:  # noqa: SLF001  # as above
        if not handler.__module__.startswith("locust."):
            handler(
                request_type=method, name=name, response_time=time_ms, response_length=0, exception=None, context={}
            )
