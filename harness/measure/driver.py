"""The in-process driver: batches of requests through one cache, timed.

Runs in the trial child. A *batch* is timed as a whole; a *slice* of it shares one instant of workload time.
Before a batch everything that it needs is made (fresh keys, tagged values); after it every answer is
judged. Between the two clock readings there is only the loop of `_serve`, which `null` trials measure.

Background work of the cache (its tasks and due timers) runs at the start of a slice, inside the batch.
With several clients they share one iterator of requests, so they interleave wherever the cache suspends.
"""

from __future__ import annotations

import asyncio
import gc
from array import array
from collections.abc import Iterator
from itertools import pairwise
from time import perf_counter_ns, process_time_ns
from typing import Any

from cache_impls.dialects import Adapted
from cache_impls.registry import one_line
from harness.clock import WorkloadClock
from harness.measure.loop import WorkloadLoop
from harness.measure.stream import RequestSource
from harness.measure.truth import NEVER, Truth, Write
from harness.measure.values import fill_up, head_of

SLICE = 256
"""Requests that share one instant of workload time, because to move it costs as much as a request; with several clients
it is the whole batch. So a ttl that ends within fewer requests is not seen to: who counts hits takes slices of 1."""

YIELDS = 4
"""Turns of the loop before a slice, while there is work. A due timer needs one to be found, one to run, and one for
the task that it wakes; what still has work then goes on before the next slice, as it would among other requests."""

ROUNDING_NS = 1_000
"""A cache that adds a ttl to the clock's floating-point seconds may end an entry late by a rounding: of `time.time`, a
quarter of a microsecond."""

MAX_ERRORS = 200
"""Errors of the cache after which a trial ends: more say nothing new and cost time."""

FAILED = object()
"""Stands for the answer of an operation that raised."""

_KIND = (None, True, False)  # by operation code: get, set, delete; a test for None is the cheapest

Request = tuple[int, str, bool | None]


class TooManyErrorsError(Exception):
    """The cache failed MAX_ERRORS operations."""


class Batch:
    """The requests [start, stop), made ready, and what came of them."""

    __slots__ = (
        "clocks",
        "fill_ns",
        "fills",
        "key_ids",
        "keys",
        "kinds",
        "out",
        "slices",
        "start",
        "stop",
        "ttls",
        "ttls_ms",
        "values",
    )

    def __init__(self, stream: RequestSource, start: int, stop: int, slice_length: int) -> None:
        count = stop - start
        self.start = start
        self.keys = stream.keys(start, stop)
        self.key_ids = stream.column("key", start, stop)
        self.kinds = [_KIND[code] for code in stream.column("op", start, stop)]
        self.ttls_ms = stream.column("ttl_ms", start, stop)
        self.ttls = [ttl / 1000 if ttl else None for ttl in self.ttls_ms]
        self.values: list[str | None] = [None] * count
        sizes = stream.column("size", start, stop)
        for i, kind in enumerate(self.kinds):
            # Look-aside fills need a value for every get; else only sets do.
            if kind or (kind is None and stream.look_aside):
                self.values[i] = fill_up(head_of(start + i, self.keys[i]), sizes[i])
        self.out: list[Any] = [None] * count
        self.fill_ns = 0
        self.fills = 0
        self.clocks: list[int] = []
        """Workload time at the start and the end of each slice: they differ if the cache slept."""
        times = stream.column("time_ns", start, stop)
        edges = [*range(0, count, max(1, slice_length)), count]
        self.slices = [
            (times[a], a, b, zip(range(a, b), self.keys[a:b], self.kinds[a:b], strict=True)) for a, b in pairwise(edges)
        ]


class Driver:
    """One cache under the requests of one stream, with what was measured and judged so far."""

    def __init__(
        self,
        cache: Adapted,
        stream: RequestSource,
        loop: WorkloadLoop,
        clock: WorkloadClock,
        *,
        concurrency: int = 1,
        look_aside: bool | None = None,
        judge_expiry: bool = True,
        slice_length: int = SLICE,
    ) -> None:
        self.cache = cache
        self.truth = Truth(stream.distinct_keys)
        self.batch_ns = array("q")
        self.turn_cpu_ns = array("q")
        self.fill_ns = array("q")
        self.operation_ns = array("q")
        """Nanoseconds of single operations, from the tail batches."""
        self.counts = dict.fromkeys(("gets", "hits", "sets", "deletes", "fills", "errors"), 0)
        self.measured_gets = self.measured_hits = self.measured_fills = 0
        self.errors: list[str] = []
        self._turn_cpu_ns = 0
        self._stream = stream
        self._loop = loop
        self._clock = clock
        self._concurrency = concurrency
        self._judge_expiry = judge_expiry
        self._slice_length = slice_length
        self._fill = stream.look_aside if look_aside is None else look_aside

    async def drive(self, start: int, stop: int, *, step: int) -> None:
        """Run requests [start, stop) step at a time, judged but not measured."""
        for first in range(start, stop, step):
            batch = self._prepare(first, min(first + step, stop))
            await self._run(batch)
            self._judge(batch)

    async def take_turn(self, start: int, length: int, *, tail: bool) -> None:
        """Run a turn: a batch to get warm, a timed batch, and with tail one whose operations are timed singly.

        The CPU of all of them counts, because background work may fall into any.
        """
        self._turn_cpu_ns = 0
        warm = self._prepare(start, start + length)
        timed = self._prepare(start + length, start + 2 * length)
        await self._run(warm)
        self.batch_ns.append(await self._run(timed))  # at once, while the processor's caches are warm
        self.fill_ns.append(timed.fill_ns)
        self._judge(warm)
        before = (self.counts["gets"], self.counts["hits"])
        self._judge(timed)
        self.measured_gets += self.counts["gets"] - before[0]
        self.measured_hits += self.counts["hits"] - before[1]
        self.measured_fills += timed.fills
        if tail:
            single = self._prepare(start + 2 * length, start + 3 * length)
            await self._run(single, single=True)
            self._judge(single)
        self.turn_cpu_ns.append(self._turn_cpu_ns)

    def _prepare(self, start: int, stop: int) -> Batch:
        return Batch(self._stream, start, stop, self._slice_length if self._concurrency == 1 else stop - start)

    async def _run(self, batch: Batch, *, single: bool = False) -> int:
        """Run batch; the nanoseconds it took."""
        serve = self._serve_single if single else self._serve
        gc.enable()
        cpu_ns = process_time_ns()
        began_ns = perf_counter_ns()
        for time_ns, _first, _end, requests in batch.slices:
            self._clock.advance_to(time_ns)
            batch.clocks.append(self._clock.now_ns)
            for _ in range(YIELDS):
                if not self._loop.has_work():
                    break
                await asyncio.sleep(0)
            if self._concurrency == 1:
                await serve(batch, requests)
            else:
                await asyncio.gather(*(serve(batch, requests) for _ in range(self._concurrency)))
            batch.clocks.append(self._clock.now_ns)
        took_ns = perf_counter_ns() - began_ns
        self._turn_cpu_ns += process_time_ns() - cpu_ns
        gc.disable()
        return took_ns

    async def _serve(self, batch: Batch, requests: Iterator[Request]) -> None:
        """The timed loop."""
        get, set_, delete = self.cache.get, self.cache.set, self.cache.delete
        out, values, ttls = batch.out, batch.values, batch.ttls
        fill = self._fill
        index, key = -1, ""
        while True:
            try:
                for index, key, kind in requests:
                    if kind is None:
                        out[index] = found = await get(key)
                        if found is None and fill:
                            began_ns = perf_counter_ns()
                            await set_(key, values[index], ttls[index])
                            batch.fill_ns += perf_counter_ns() - began_ns
                            batch.fills += 1
                    elif kind:
                        await set_(key, values[index], ttls[index])
                    else:
                        out[index] = await delete(key)
                return
            except Exception as error:  # the cache's: counted, and one is a ROLLBACK
                self._failed(batch, index, key, error)

    async def _serve_single(self, batch: Batch, requests: Iterator[Request]) -> None:
        """`_serve` with a clock around every operation; a fill is no operation."""
        get, set_, delete = self.cache.get, self.cache.set, self.cache.delete
        out, values, ttls = batch.out, batch.values, batch.ttls
        fill = self._fill
        record = self.operation_ns.append
        index, key = -1, ""
        while True:
            try:
                for index, key, kind in requests:
                    began_ns = perf_counter_ns()
                    if kind is None:
                        found = await get(key)
                        record(perf_counter_ns() - began_ns)
                        out[index] = found
                        if found is None and fill:
                            await set_(key, values[index], ttls[index])
                            batch.fills += 1
                    elif kind:
                        await set_(key, values[index], ttls[index])
                        record(perf_counter_ns() - began_ns)
                    else:
                        out[index] = await delete(key)
                        record(perf_counter_ns() - began_ns)
                return
            except Exception as error:  # as above
                self._failed(batch, index, key, error)

    def _failed(self, batch: Batch, index: int, key: str, error: Exception) -> None:
        batch.out[index] = FAILED
        self.counts["errors"] += 1
        if len(self.errors) < 3:
            operation = {None: "get", True: "set", False: "delete"}[batch.kinds[index]]
            self.errors.append(f"{operation}({key!r}) raised {one_line(error)}")
        if self.counts["errors"] >= MAX_ERRORS:
            raise TooManyErrorsError(self.errors[0])

    def _judge(self, batch: Batch) -> None:
        if self._concurrency == 1:
            self._judge_in_order(batch)
        else:
            self._judge_overlapping(batch)
        self.counts["fills"] += batch.fills

    def _judge_in_order(self, batch: Batch) -> None:
        truth, counts, fill = self.truth, self.counts, self._fill
        tags, lengths, deadlines_ns = truth.tags, truth.lengths, truth.deadlines_ns
        keys, key_ids, kinds, out = batch.keys, batch.key_ids, batch.kinds, batch.out
        gets = hits = sets = 0
        for slice_number, (_time_ns, first, end, _requests) in enumerate(batch.slices):
            now_ns, end_ns = batch.clocks[2 * slice_number : 2 * slice_number + 2]
            for i in range(first, end):
                key, kind, answer = key_ids[i], kinds[i], out[i]
                if (
                    kind is None
                    and answer.__class__ is str
                    and len(answer) == lengths[key]
                    and now_ns < deadlines_ns[key]
                    and answer.startswith(f"{tags[key]}.{keys[i]}.")  # `head_of`, without the call
                ):
                    # Nearly every answer is this one, and this look is all that it costs.
                    gets += 1
                    hits += 1
                    continue
                if answer is FAILED:
                    truth.unknown(key)
                    continue
                if kind is None:
                    gets += 1
                    if answer is not None:
                        hits += 1
                        truth.check(key, batch.keys[i], answer, now_ns)
                        continue
                    if not fill:
                        continue
                elif kind is False:
                    truth.check_delete(key, batch.keys[i], answer)
                    counts["deletes"] += bool(answer)
                    truth.deleted(key)
                    continue
                else:
                    sets += 1
                truth.wrote(key, self._write(batch, i, end_ns))
        counts["gets"] += gets
        counts["hits"] += hits
        counts["sets"] += sets

    def _judge_overlapping(self, batch: Batch) -> None:
        truth, counts = self.truth, self.counts
        start_ns, end_ns = batch.clocks
        written: dict[int, list[Write]] = {}
        deleted: set[int] = set()
        for i, (key, kind, answer) in enumerate(zip(batch.key_ids, batch.kinds, batch.out, strict=True)):
            if answer is FAILED:
                truth.unknown(key)
            elif kind is False:
                counts["deletes"] += bool(answer)
                deleted.add(key)
            elif kind or (answer is None and self._fill):
                counts["gets"] += kind is None
                counts["sets"] += kind is True
                write = self._write(batch, i, end_ns)
                written.setdefault(key, []).append(write)
                truth.may_have_written(key, write)
            else:
                counts["gets"] += 1
        for key, name, kind, answer in zip(batch.key_ids, batch.keys, batch.kinds, batch.out, strict=True):
            if kind is None and answer is not None and answer is not FAILED:
                counts["hits"] += 1
                truth.check(key, name, answer, start_ns)
        for key in written.keys() | deleted:
            truth.deleted(key)
            for write in written.get(key, ()):
                truth.may_have_written(key, write)

    def _write(self, batch: Batch, i: int, set_ns: int) -> Write:
        ttl_ms = batch.ttls_ms[i]
        deadline_ns = set_ns + ttl_ms * 1_000_000 + ROUNDING_NS if ttl_ms and self._judge_expiry else NEVER
        return (batch.start + i, len(batch.values[i] or ""), deadline_ns)
