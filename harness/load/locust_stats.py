"""Locust's own statistics, told a second's requests at a time: a call for each costs more than the request."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from harness.history import Op, Outcome
from harness.load.samples import Batch

METHODS = {int(Op.GET): "GET", int(Op.SET): "SET", int(Op.DELETE): "DEL"}


def milliseconds(response_time: float) -> float:
    """A time in milliseconds at three significant digits: locust's own steps of 1 ms hide all that a cache does."""
    return float(f"{response_time:.3g}")


def hears_requests(environment: Any) -> bool:
    """Whether anybody but locust itself listens to every request."""
    handlers = environment.events.request._handlers  # noqa: SLF001  # there is no other way to ask
    return any(not handler.__module__.startswith("locust.") for handler in handlers)


def tell_locust(environment: Any, name: str, batch: Batch) -> None:
    """Count a batch in locust's statistics; whoever else listens to `events.request` hears of each."""
    stats = environment.stats
    listens = hears_requests(environment)
    for op, method in METHODS.items():
        rows = Batch(batch.rows[batch.op == op])
        if not len(rows.rows):
            continue
        times_ms = rows.response_ns / 1e6
        failed = int((rows.outcome != Outcome.OK).sum())
        for entry in (stats.get(name, method), stats.total):
            _extend(entry, times_ms)
        for _ in range(failed):
            stats.log_error(method, name, "no answer, or an error; see the log")
        if listens:
            for time_ms in times_ms.tolist():
                _fire(environment, method, name, time_ms)


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
