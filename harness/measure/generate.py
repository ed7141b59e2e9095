"""From a workload's definition to its requests, the same on every machine.

Everything is drawn from raw 64-bit PCG64 integers and integer thresholds: NumPy keeps that stream stable
for good, while its distributions may change between releases. Weights are rounded to 40 bits, so the last
digit of a platform's `pow` does not show; the digest of the requests would tell if it did.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.measure.recorded import from_trace
from harness.measure.requests import DELETE, GET, SET, Requests
from harness.measure.workload import Synthetic, Trace, Workload, Zipf

_SHARE = 1 << 32
_WEIGHT = 1 << 40

Ints = NDArray[np.int64]


def draw(workload: Workload, measured: int, capacity: int | None = None) -> Requests:
    """The requests of workload, with at most measured after preload and warm-up.

    capacity overrides the workload's own. Raises UsageError for a trace that cannot be read.
    """
    if isinstance(workload, Trace):
        return from_trace(workload, measured, capacity)
    return _from_distributions(workload, measured, capacity)


def _from_distributions(workload: Synthetic, measured: int, capacity: int | None) -> Requests:
    source = np.random.PCG64(workload.seed)
    names = np.argsort(_raw(source, workload.keys), kind="stable").astype(np.int64)  # rank -> key
    kind_of_key = _choose(source, workload.keys, [kind.share for kind in workload.entries])
    count = workload.warmup + measured
    ranks = _ranks(source, workload, count)
    mix = workload.mix
    op = np.array([GET, SET, DELETE], dtype=np.uint8)[_choose(source, count, [mix.get, mix.set, mix.delete])]
    preloaded = np.sort(names[: workload.preload])
    key = np.concatenate([preloaded, names[ranks]])
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
        distinct_keys=workload.keys,
    )


def _raw(source: np.random.PCG64, count: int) -> NDArray[np.uint64]:
    return np.asarray(source.random_raw(count), dtype=np.uint64)


def _choose(source: np.random.PCG64, count: int, shares: list[float]) -> Ints:
    """count indices into shares, drawn in proportion to them."""
    edges = np.cumsum([round(share * _SHARE) for share in shares])
    picks = (_raw(source, count) >> np.uint64(32)).astype(np.int64)
    return np.searchsorted(edges[:-1], picks, side="right").astype(np.int64)


def _ranks(source: np.random.PCG64, workload: Synthetic, count: int) -> Ints:
    """Popularity ranks from 0, the most popular first."""
    if isinstance(workload.popularity, Zipf):
        ranks = np.arange(1, workload.keys + 1, dtype=np.float64)
        weights = np.maximum(1, np.floor(_WEIGHT / ranks**workload.popularity.theta)).astype(np.uint64)
    else:
        weights = np.ones(workload.keys, dtype=np.uint64)
    edges = np.cumsum(weights)
    picks = _raw(source, count) % edges[-1]
    return np.asarray(np.searchsorted(edges, picks, side="right"), dtype=np.int64)


def _times(preload: int, count: int, rate_per_second: float) -> Ints:
    """Workload time: the preload at 0, then one request every 1 / rate."""
    step_ns = 1e9 / rate_per_second
    return np.concatenate([np.zeros(preload, dtype=np.int64), np.floor(np.arange(count) * step_ns).astype(np.int64)])
