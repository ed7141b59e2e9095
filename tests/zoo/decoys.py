"""Decoys: caches that are correct but unusual, which no check may accuse (more of them in `suspending`).

Each holds under cancellation at any await, steps of the wall clock and stalls of the loop.
"""

from __future__ import annotations

import asyncio
import heapq
import pickle
import random
import time
from collections import OrderedDict
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, NamedTuple

from plain import Entry, Loader, LoadingCache, PlainCache

from cache_impls.protocol import CacheClosedError, Promises, check_key, check_ttl, check_value


class RandomEvictionCache(PlainCache):
    """Correct: whom it evicts is chance, and it evicts only what is over the bound, never what was just written."""

    def _prepare(self) -> None:
        self._random = random.Random(11)

    def _evict(self, spare: str) -> None:
        self._remove(self._random.choice([key for key in self._entries if key != spare]))
        self._counts["evictions"] += 1


class JitterCache(PlainCache):
    """Correct as declared: each ttl is up to a tenth shorter or longer, so that not all entries end at once."""

    promises = Promises(ttl_jitter=0.1)

    def _prepare(self) -> None:
        self._random = random.Random(12)

    def _deadline(self, ttl: float | None) -> float:
        return self._now() + (self._default_ttl if ttl is None else ttl) * self._random.uniform(0.9, 1.1)


class StaleWhileRevalidateCache(LoadingCache):
    """Correct as declared: for 2 s past its ttl an entry is still answered, while one load brings a new one."""

    promises = Promises(stale_seconds=2.0)

    def _expired(self, entry: Entry) -> bool:
        return entry.deadline + self.promises.stale_seconds <= self._now()

    async def get_or_load(self, key: str, loader: Loader, ttl: float | None = None) -> Any:
        """As ever, and renew what is past its ttl behind the caller's back."""
        value = await super().get_or_load(key, loader, ttl)
        self._use()
        entry = self._entries.get(key)
        if entry is not None and entry.deadline <= self._now() and key not in self._flights:
            self._begin(key, loader, ttl)
        return value


class AdmissionCache(PlainCache):
    """Correct as declared: one write in ten is not admitted, which drops what was there as well."""

    promises = Promises(forgets=True)

    def _prepare(self) -> None:
        self._random = random.Random(13)

    def _store(self, key: str, value: Any, deadline: float) -> None:
        super()._store(key, value, deadline)
        if self._random.random() < 0.1:
            self._remove(key)


class _Write(NamedTuple):
    sequence: int
    at: float
    entry: Entry


class _Session:
    """What one client has certainly seen: every write up to this sequence number."""

    def __init__(self, seen: int) -> None:
        self.seen = seen


class LaggingReplicaCache(PlainCache):
    """Correct as declared: others see a write 50 ms late; who wrote sees it at once, and nobody goes back in time.

    A session is the context of the first call and what descends from it; a session's first read is answered
    by the primary. Deletes, clears and evictions reach all at once.
    """

    promises = Promises(weak=True)
    lag_seconds = 0.05

    def _prepare(self) -> None:
        self._sequence = 0
        self._writes: dict[str, list[_Write]] = {}
        self._session: ContextVar[_Session] = ContextVar("session")

    def _join_session(self) -> _Session:
        session = self._session.get(None)
        if session is None:
            session = _Session(self._sequence)
            self._session.set(session)
        return session

    def _read(self, key: str) -> Any | None:
        session = self._join_session()
        self._live(key)  # removes what expired, with its history
        arrived = self._now() - self.lag_seconds
        visible = [w for w in self._writes.get(key, ()) if w.sequence <= session.seen or w.at <= arrived]
        if not visible or self._expired(visible[-1].entry):
            self._counts["misses"] += 1
            return None
        self._counts["hits"] += 1
        return visible[-1].entry.value

    def _store(self, key: str, value: Any, deadline: float) -> None:
        session = self._join_session()
        earlier = self._writes.get(key, [])
        super()._store(key, value, deadline)
        self._sequence += 1
        session.seen = self._sequence
        arrived = [write for write in earlier if write.at <= self._now() - self.lag_seconds]
        under_way = earlier[len(arrived) :]
        self._writes[key] = [*arrived[-1:], *under_way, _Write(self._sequence, self._now(), self._entries[key])]

    def _remove(self, key: str) -> None:
        self._writes.pop(key, None)
        super()._remove(key)

    def _empty(self) -> None:
        self._writes.clear()
        super()._empty()


class CallLaterCache(PlainCache):
    """Correct: a timer for each entry, cancelled with it, and a look at the deadline at every read as well."""

    def _prepare(self) -> None:
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def _store(self, key: str, value: Any, deadline: float) -> None:
        super()._store(key, value, deadline)
        self._timers[key] = asyncio.get_running_loop().call_at(deadline, self._live, key)

    def _remove(self, key: str) -> None:
        self._timers.pop(key).cancel()
        super()._remove(key)

    def _empty(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        super()._empty()


class HeapCache(PlainCache):
    """Correct: a heap of deadlines, whose outdated items are recognised and passed over."""

    def _prepare(self) -> None:
        self._heap: list[tuple[float, str]] = []

    def _store(self, key: str, value: Any, deadline: float) -> None:
        super()._store(key, value, deadline)
        heapq.heappush(self._heap, (deadline, key))
        while self._heap[0][0] <= self._now():
            due, name = heapq.heappop(self._heap)
            if name in self._entries and self._entries[name].deadline == due:
                self._live(name)


class PickleCache(PlainCache):
    """Correct: it keeps pickles, so what is answered is equal to what was written and never the same object."""

    async def get(self, key: str) -> Any | None:
        """A fresh copy."""
        stored = await super().get(key)
        return pickle.loads(stored) if isinstance(stored, bytes) else None  # noqa: S301  # our own pickles

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store a pickle; None is refused before it becomes one."""
        check_value(value)
        await super().set(key, pickle.dumps(value), ttl)


class ShardedClearCache(PlainCache):
    """Correct: clear removes key by key with waits between; a write meanwhile overlaps it and may go or stay."""

    async def clear(self) -> None:
        """Remove each key that was there at the start."""
        self._use()
        for key in list(self._entries):
            if key in self._entries:
                self._remove(key)
            await self._io()


class TimedeltaCache(PlainCache):
    """Correct in its dialect: the ttl is a timedelta, by keyword."""

    async def set(  # type: ignore[override]  # the dialect is the point
        self, key: str, value: Any, *, ttl: timedelta | None = None
    ) -> None:
        """Store value for ttl."""
        await super().set(key, value, None if ttl is None else ttl.total_seconds())


class WriteBehindCache(PlainCache):
    """Correct: writes wait in a buffer for the far tier; reads look into the buffer and what is being flushed first."""

    def _prepare(self) -> None:
        self._buffer: dict[str, Entry | None] = {}
        self._flushing: dict[str, Entry | None] = {}
        self._flusher: asyncio.Task[None] | None = None

    def _merged(self) -> dict[str, Entry]:
        """What a reader sees: far, then what is being flushed, then the buffer; None stands for deleted."""
        found = self._entries | self._flushing | self._buffer
        return {key: entry for key, entry in found.items() if entry is not None and not self._expired(entry)}

    async def size(self) -> int:
        """The number of live entries in all three."""
        self._use()
        return len(self._merged())

    def _live(self, key: str) -> Entry | None:
        return self._merged().get(key)

    def _read(self, key: str) -> Any | None:
        entry = self._live(key)
        self._counts["misses" if entry is None else "hits"] += 1
        return None if entry is None else entry.value

    def _store(self, key: str, value: Any, deadline: float) -> None:
        self._put(key, Entry(value, deadline))
        self._counts["sets"] += 1
        while len(live := self._merged()) > self._max_entries:
            self._put(next(name for name in live if name != key), None)
            self._counts["evictions"] += 1

    def _remove(self, key: str) -> None:
        self._put(key, None)

    def _put(self, key: str, entry: Entry | None) -> None:
        self._buffer[key] = entry
        if self._flusher is None:
            self._flusher = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self) -> None:
        """Carry the buffer to the far tier, until it is empty."""
        while self._buffer:
            self._flushing, self._buffer = self._buffer, {}
            await self._io()
            for key, entry in self._flushing.items():
                self._entries.pop(key, None)
                if entry is not None:
                    self._entries[key] = entry
            self._flushing = {}
        self._flusher = None

    def _empty(self) -> None:
        self._buffer.clear()
        self._flushing.clear()
        super()._empty()

    async def _sweep(self) -> None:
        for key in [key for key, entry in self._entries.items() if self._expired(entry)]:
            del self._entries[key]
            self._counts["expirations"] += 1

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._buffer = self._flushing | self._buffer
        self._flushing, self._flusher = {}, None
        super()._follow(loop)

    def _background(self) -> list[asyncio.Task[Any]]:
        return [*super()._background(), *([] if self._flusher is None else [self._flusher])]


class SynchronousCache:
    """Correct: no coroutines, `maxsize`, `remove`, `close` and `stats`; it follows the monotonic clock."""

    def __init__(self, maxsize: int = 1000, ttl: float = 300) -> None:
        self._maxsize, self._ttl = maxsize, ttl
        self._entries: OrderedDict[str, tuple[Any, float]] = OrderedDict()
        self._counts = dict.fromkeys(("hits", "misses", "sets", "deletes", "evictions", "expirations"), 0)
        self._closed = False

    def get(self, key: str) -> Any | None:
        """The live value."""
        self._check(key)
        value = self._live(key)
        self._counts["misses" if value is None else "hits"] += 1
        return value

    def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value; beyond maxsize the oldest write goes."""
        self._check(key)
        check_value(value)
        check_ttl(ttl)
        self._entries.pop(key, None)
        self._entries[key] = (value, time.monotonic() + (self._ttl if ttl is None else ttl))
        self._counts["sets"] += 1
        if len(self._entries) > self._maxsize:
            self._entries.popitem(last=False)
            self._counts["evictions"] += 1

    def remove(self, key: str) -> bool:
        """Remove key; True if it was live."""
        self._check(key)
        was_live = self._live(key) is not None
        self._entries.pop(key, None)
        self._counts["deletes"] += was_live
        return was_live

    def clear(self) -> None:
        """Remove every entry."""
        self._check("any")
        self._entries.clear()

    def size(self) -> int:
        """The number of live entries."""
        self._check("any")
        return sum(deadline > time.monotonic() for _, deadline in self._entries.values())

    def stats(self) -> dict[str, int]:
        """The contract's counters."""
        return dict(self._counts)

    def close(self) -> None:
        """Drop all."""
        self._closed = True
        self._entries.clear()

    def _check(self, key: str) -> None:
        check_key(key)
        if self._closed:
            raise CacheClosedError("SynchronousCache was closed")

    def _live(self, key: str) -> Any | None:
        value, deadline = self._entries.get(key, (None, 0.0))
        if value is not None and deadline <= time.monotonic():
            del self._entries[key]
            self._counts["expirations"] += 1
            return None
        return value


class MinimalCache:
    """Correct: it has get and set and nothing else, so most of the contract is not asked of it."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    async def get(self, key: str) -> Any | None:
        """The live value."""
        check_key(key)
        entry = self._entries.get(key)
        return None if entry is None or entry.deadline <= asyncio.get_running_loop().time() else entry.value

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds, or for five minutes."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._entries[key] = Entry(value, asyncio.get_running_loop().time() + (300 if ttl is None else ttl))
