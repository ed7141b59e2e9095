"""A workload as a history: the trial's own driver, with every operation recorded, judged by the checkers.

The trial's truth is lenient where several clients overlap; the checkers are exact. Workload time passes as in a trial.
Runs in the check child.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cache_impls.dialects import Adapted
from harness.check.checkers import Finding
from harness.check.watchdog import BlockedError, limited
from harness.clock import WorkloadClock
from harness.history import (
    COLUMNS,
    FOREIGN,
    MISS,
    NO_KEY,
    NO_LIMIT,
    NO_STAGE,
    NO_TTL,
    UNSAID,
    History,
    Op,
    Outcome,
    Watched,
)
from harness.measure.driver import Batch, Driver, Request, TooManyErrorsError
from harness.measure.loop import WorkloadLoop
from harness.measure.stream import Stream
from harness.measure.values import fill_up, head_of
from harness.simulate.tape import said

STEP = 250
"""Requests that several clients share; between two steps workload time moves on."""
_LIMIT_SECONDS = 10.0
"""Real ones, for a step."""
_COUNTERS = {"hits": Watched.HITS, "misses": Watched.MISSES, "sets": Watched.SETS, "deletes": Watched.DELETES}
_GET, _SET, _DELETE = int(Op.GET), int(Op.SET), int(Op.DELETE)
_OK, _RAISED = int(Outcome.OK), int(Outcome.RAISED)
_NEARBY = 6
"""Operations on the same key that are shown with a finding."""


class Recording(NamedTuple):
    """A history, and what its foreign answers and errors were, by row."""

    history: History
    words: dict[int, str]
    stuck: str = ""
    """What did not end, if anything: then the history goes as far as that."""


class Recorder(Driver):
    """The driver, untimed and unjudged; it leaves a history."""

    def __init__(
        self, cache: Adapted, stream: Stream, loop: WorkloadLoop, clock: WorkloadClock, names: list[str], clients: int
    ) -> None:
        super().__init__(cache, stream, loop, clock, concurrency=clients)
        self._rows = array("q")
        self._order = 0
        self._client = 0
        self._clients = clients
        self._sizes, self._keys = (stream.column(name, 0, stream.requests) for name in ("size", "key"))
        self._names = names
        self._words: dict[int, str] = {}
        self._under_way: dict[int, tuple[int, int]] = {}
        """What each client waits for: operation and key."""

    def recording(self, default_ttl_ns: int, *, stuck: bool = False) -> Recording:
        """What was done so far."""
        room = self.cache.capacity if type(self.cache.capacity) is int else None
        rows = np.frombuffer(self._rows, dtype=np.int64).reshape(-1, len(COLUMNS))
        watched = [] if room is None else [(0, int(Watched.ENTRIES), 0, room)]
        try:
            stats = dict(self.cache.get_stats())
        except Exception:  # a cache whose counters cannot be read has a rule of its own to break
            stats = {}
        watched += [(0, int(what), stats[name], NO_LIMIT) for name, what in _COUNTERS.items() if _counts(stats, name)]
        observations = np.array(watched, dtype=np.int64).reshape(-1, 4)
        history = History(rows, observations, default_ttl_ns, self._names)
        return Recording(history, self._words, self._told_stuck() if stuck else "")

    def _told_stuck(self) -> str:
        operations = [f"{Op(op).name.lower()}({self._names[key]})" for op, key in self._under_way.values()]
        shown = ", ".join(operations[:3]) + (f" and {len(operations) - 3} more" if len(operations) > 3 else "")
        after = len(self._rows) // len(COLUMNS)
        return f"{shown or 'its background work'} did not end within {_LIMIT_SECONDS:g} s, after {after:,} operations"

    async def _serve(self, batch: Batch, requests: Iterator[Request]) -> None:
        """As the driver's, with a row for every operation; a fill is a set."""
        self._client = client = (self._client + 1) % self._clients
        cache = self.cache
        for index, key, kind in requests:
            if kind is None:
                found = await self._operate(client, batch, index, _GET, cache.get(key))
                if found is not None or not self._fill:
                    continue
            if kind is False:
                await self._operate(client, batch, index, _DELETE, cache.delete(key))
            else:
                await self._operate(client, batch, index, _SET, cache.set(key, batch.values[index], batch.ttls[index]))

    async def _operate(self, client: int, batch: Batch, index: int, op: int, call: Any) -> Any:
        clock, key_id = self._clock, batch.key_ids[index]
        self._order = start = self._order + 1
        start_ns, answer, outcome, text = clock.now_ns, None, _OK, ""
        self._under_way[client] = (op, key_id)
        try:
            answer = await call
        except Exception as error:  # the cache's: C0 tells
            outcome, text = _RAISED, f"{Op(op).name.lower()}() raised {said(error)}"
            self._failed(batch, index, batch.keys[index], error)
        del self._under_way[client]
        tag, ttl_ns = MISS, NO_TTL
        if op == _SET:
            tag = batch.start + index + 1
            ttl_ns = batch.ttls_ms[index] * 1_000_000 or NO_TTL
        elif op == _DELETE:
            tag = UNSAID if answer is None else int(bool(answer))
        elif answer is not None:
            tag = self._tag_of(answer)
        self._order += 1
        if text or tag == FOREIGN:
            self._words[len(self._rows) // len(COLUMNS)] = text or repr(answer)[:80]
        self._rows.extend(
            (0, op, key_id, tag, ttl_ns, client, start_ns, clock.now_ns, start, self._order, outcome, -1, NO_STAGE)
        )
        return FOREIGN if outcome == _RAISED else answer

    def _tag_of(self, answer: Any) -> int:
        """The write whose value this is, whole; FOREIGN for anything else."""
        if type(answer) is not str:
            return FOREIGN
        text = answer.partition(".")[0]
        number = int(text) if text.isascii() and text.isdecimal() else -1
        if not 0 <= number < len(self._sizes):
            return FOREIGN
        value = fill_up(head_of(number, self._names[self._keys[number]]), self._sizes[number])
        return number + 1 if answer == value else FOREIGN

    def _judge(self, batch: Batch) -> None:
        """Not here: by the checkers."""


def record(build: Any, job: dict[str, Any], clock: WorkloadClock, default_ttl_ns: int) -> Recording:
    """Drive a workload through a fresh cache. job is `file`, `room`, `clients`, `key_format`."""
    clock.restart()
    loop = WorkloadLoop(clock)
    stream = Stream(Path(job["file"]))
    names = [job["key_format"].format(key) for key in range(stream.distinct_keys)]

    recorders: list[Recorder] = []

    async def main() -> Recording:
        cache = build(job["room"])
        if cache.initialize is not None:
            await cache.initialize()
        recorder = Recorder(cache, stream, loop, clock, names, job["clients"])
        recorders.append(recorder)
        try:
            for start in range(0, stream.requests, STEP):
                with limited(_LIMIT_SECONDS):
                    await recorder.drive(start, min(start + STEP, stream.requests), step=STEP)
        except TooManyErrorsError:
            pass  # each of them is a row, and C0 tells
        recording = recorder.recording(default_ttl_ns)
        await cache.shutdown()
        return recording

    try:
        return loop.run_until_complete(main())
    except BlockedError:
        if not recorders:
            raise
        return recorders[0].recording(default_ttl_ns, stuck=True)
    finally:
        loop.close()


def around(recording: Recording, finding: Finding) -> tuple[History, tuple[int, ...], list[str], list[str]]:
    """What a reader needs to see of a finding: its rows, and the last others on their keys before it.

    The small history, the finding's rows in it, and its foreign answers and errors in order.
    """
    history = recording.history
    told = list(finding.rows)
    keys = history.key[told]
    near = np.flatnonzero(
        np.isin(history.key, keys[keys != NO_KEY]) & (history.start <= history.end[told].max(initial=0))
    )
    shown = np.concatenate([near[-_NEARBY:], np.array(told, dtype=np.int64)])
    # And what wrote the values that are shown, however long before.
    tags = history.tag[shown][history.is_op(Op.GET)[shown] & (history.tag[shown] > 0)]
    sources = np.flatnonzero(history.is_op(Op.SET) & np.isin(history.tag, tags))
    chosen = np.unique(np.concatenate([shown, sources])).astype(np.int64)
    small = History(history.rows[chosen], default_ttl_ns=history.default_ttl_ns, names=history.names)
    by_end = sorted(chosen.tolist(), key=lambda row: int(history.end[row]))
    odd = [recording.words[row] for row in by_end if history.tag[row] == FOREIGN]
    raised = [recording.words[row] for row in by_end if history.outcome[row] == Outcome.RAISED]
    return small, tuple(int(np.searchsorted(chosen, row)) for row in told), odd, raised


def _counts(stats: dict[str, Any], name: str) -> bool:
    return type(stats.get(name)) is int and abs(stats[name]) < 2**62
