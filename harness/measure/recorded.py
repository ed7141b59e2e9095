"""From a trace to requests: what is recorded, else what the workload's definition says.

Reads no more of the file than a trial needs, and keeps no more than that. Keys are renumbered: what caches
are asked for is `trace:0000000042`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.measure import traces
from harness.measure.requests import GET, SET, Requests
from harness.measure.workload import MAX_TRACE_WARMUP, Trace

KEY_FORMAT = "trace:{:010d}"
MAX_RECORDED_BYTES = 1 << 20
"""What memcached stores at most: recorded sizes beyond it (videos, in traces of networks) would fill the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """n requests of a trace, in order, as columns of n rows (see `Requests`); keys as the trace has them."""

    key: NDArray[np.int64]
    op: NDArray[np.uint8]
    size: NDArray[np.uint32]
    ttl_ms: NDArray[np.uint32]
    time_ns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.key)


def parts(workload: Trace, *, default_ttl_ms: int | None = None) -> Iterator[Part]:
    """The requests of workload to its file's end, a chunk at a time.

    default_ttl_ms stands in for a ttl that neither the trace nor the user gives; None: the workload's.
    Raises UsageError for a trace that cannot be read.
    """
    ttl_ms = round(workload.ttl_seconds * 1000)
    if default_ttl_ms is not None and not workload.sets("ttl_seconds"):
        ttl_ms = default_ttl_ms
    done = first_ns = latest_ns = 0
    for chunk in traces.read(workload.path, workload.format):
        count = len(chunk.key)
        if chunk.time_ns is None or workload.sets("rate_per_second"):
            time_ns = np.floor(np.arange(done, done + count) * (1e9 / workload.rate_per_second)).astype(np.int64)
        else:
            first_ns = first_ns if done else int(chunk.time_ns[0])
            time_ns = np.maximum(np.maximum.accumulate(chunk.time_ns - first_ns), latest_ns)
        latest_ns = int(time_ns[-1])
        yield Part(
            key=chunk.key,
            op=np.full(count, GET, dtype=np.uint8) if chunk.op is None else chunk.op,
            size=_sizes(workload, chunk),
            ttl_ms=_ttls(workload, chunk, ttl_ms),
            time_ns=time_ns,
        )
        done += count


def from_trace(workload: Trace, measured: int, capacity: int | None) -> Requests:
    """The requests of workload, with at most measured after the warm-up.

    The warm-up is a share of the whole trace, at most `MAX_TRACE_WARMUP`: so it is read on until the share is
    known to be that many, but not kept. Raises UsageError for a trace that cannot be read.
    """
    wanted = workload.warmup + MAX_TRACE_WARMUP + measured
    kept: list[Part] = []
    seen = 0
    for part in parts(workload):
        if seen < wanted:
            kept.append(part)
        seen += len(part)
        if seen >= wanted and int(seen * workload.warmup_share) >= MAX_TRACE_WARMUP * (workload.warmup_share > 0):
            break
    warmup = workload.warmup + min(MAX_TRACE_WARMUP, int(seen * workload.warmup_share))
    stop = warmup + measured
    columns = {
        name: np.concatenate([getattr(part, name) for part in kept])[:stop] for name in Part.__dataclass_fields__
    }
    distinct, key = np.unique(columns.pop("key"), return_inverse=True)
    return Requests(
        name=workload.name,
        key=key.reshape(-1).astype(np.uint32),
        **columns,
        preload=0,
        warmup=min(warmup, len(key)),
        capacity=capacity or workload.capacity or default_capacity(len(distinct)),
        look_aside=is_look_aside(workload, writes=bool((columns["op"] == SET).any())),
        key_format=KEY_FORMAT,
        distinct_keys=len(distinct),
    )


def is_look_aside(workload: Trace, *, writes: bool) -> bool:
    """Whether a missed get is followed by a set; writes: the trace has writes of its own."""
    return workload.look_aside if workload.sets("look_aside") else not writes


def default_capacity(distinct_keys: int) -> int:
    """Where nobody names one: a tenth of the distinct keys."""
    return max(1, distinct_keys // 10)


def _sizes(workload: Trace, chunk: traces.Accesses) -> NDArray[np.uint32]:
    if chunk.size is None or workload.sets("value_bytes"):
        return np.full(len(chunk.key), workload.value_bytes, dtype=np.uint32)
    return np.minimum(chunk.size, np.uint32(MAX_RECORDED_BYTES))


def _ttls(workload: Trace, chunk: traces.Accesses, default_ms: int) -> NDArray[np.uint32]:
    if chunk.ttl_ms is None or workload.sets("ttl_seconds"):
        return np.full(len(chunk.key), default_ms, dtype=np.uint32)
    return np.where(chunk.ttl_ms == 0, np.uint32(default_ms), chunk.ttl_ms)
