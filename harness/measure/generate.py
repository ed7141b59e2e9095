"""From a workload's definition to its requests, the same on every machine: `popularity` says how they are drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.measure.operations import requests_of
from harness.measure.popularity import choose, scatter
from harness.measure.recorded import from_trace
from harness.measure.requests import SET, Requests
from harness.measure.workload import Synthetic, Trace, Workload

Ints = NDArray[np.int64]


def draw(workload: Workload, measured: int, capacity: int | None = None) -> Requests:
    """The requests of workload, with at most measured after preload and warm-up.

    capacity overrides the workload's own. Raises UsageError for a trace that cannot be read, or for passes of more keys
    than key_format has room for.
    """
    if isinstance(workload, Trace):
        return from_trace(workload, measured, capacity)
    return _from_distributions(workload, measured, capacity)


def _from_distributions(workload: Synthetic, measured: int, capacity: int | None) -> Requests:
    source = np.random.PCG64(workload.seed)
    by_rank = scatter(source, workload.keys)
    shares = [kind.share for kind in workload.entries]
    kind_of_key = choose(source, workload.keys, shares)
    count = workload.warmup + measured
    op, key = requests_of(source, workload, by_rank, count)
    # Keys inserted are numbered as they come, so the first ones are those that are there.
    preloaded = np.arange(workload.preload) if workload.mix.insert else np.sort(by_rank[: workload.preload])
    key = np.concatenate([preloaded, key])
    passed = _passed(workload, int(key.max(initial=0)))
    kind_of_key = np.concatenate([kind_of_key, choose(source, passed, shares)])
    sizes = np.array([kind.bytes for kind in workload.entries], dtype=np.uint32)
    ttls = np.array([round((kind.ttl_seconds or 0) * 1000) for kind in workload.entries], dtype=np.uint32)
    return Requests(
        name=workload.name,
        op=np.concatenate([np.full(workload.preload, SET, dtype=np.uint8), op]),
        key=key.astype(np.uint32),
        size=sizes[kind_of_key[key]],
        ttl_ms=ttls[kind_of_key[key]],
        time_ns=_times(workload.preload, count, workload.rate_per_second),
        preload=workload.preload,
        warmup=workload.warmup,
        capacity=capacity or workload.capacity,
        look_aside=workload.look_aside,
        key_format=workload.key_format,
        distinct_keys=workload.keys + passed,
    )


def _passed(workload: Synthetic, last: int) -> int:
    """How many keys there are beyond the workload's own, those of its passes; last is the last of all."""
    lengths = {len(workload.key_format.format(number).encode()) for number in (0, last)}
    if len(lengths) != 1:
        raise UsageError(f"workload {workload.name!r}: key_format {workload.key_format!r} has no room for key {last}")
    return max(0, last + 1 - workload.keys)


def _times(preload: int, count: int, rate_per_second: float) -> Ints:
    """Workload time: the preload at 0, then one request every 1 / rate."""
    step_ns = 1e9 / rate_per_second
    return np.concatenate([np.zeros(preload, dtype=np.int64), np.floor(np.arange(count) * step_ns).astype(np.int64)])
