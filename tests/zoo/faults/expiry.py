"""Faults of time: what ends too early, too late or by the wrong clock."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from typing import Any

from zoo_base import Entry, PlainCache

from cache_impls.protocol import check_key, check_ttl, check_value


class GhostTimerAfterClear(PlainCache):
    """Clear forgets the timers without cancelling them, so one ends an entry written later (row 7, aiocache)."""

    def _prepare(self) -> None:
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def _store(self, key: str, value: Any, deadline: float) -> None:
        super()._store(key, value, deadline)
        self._timers[key] = asyncio.get_running_loop().call_at(deadline, self._ring, key)

    def _remove(self, key: str) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        super()._remove(key)

    def _empty(self) -> None:
        self._timers = {}
        super()._empty()

    def _ring(self, key: str) -> None:
        if key in self._entries:
            self._remove(key)
            self._counts["expirations"] += 1


class GhostTimerAfterOverwrite(GhostTimerAfterClear):
    """An overwrite starts a second timer and the first one still rings (row 7, aiocache#423)."""

    def _store(self, key: str, value: Any, deadline: float) -> None:
        self._timers.pop(key, None)
        super()._store(key, value, deadline)

    def _empty(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        super()._empty()


class HeapGhost(PlainCache):
    """Due items of the deadline heap remove their key without a look at its present deadline (row 7)."""

    def _prepare(self) -> None:
        self._heap: list[tuple[float, str]] = []

    def _store(self, key: str, value: Any, deadline: float) -> None:
        super()._store(key, value, deadline)
        heapq.heappush(self._heap, (deadline, key))

    def _live(self, key: str) -> Entry | None:
        while self._heap and self._heap[0][0] <= self._now():
            self._entries.pop(heapq.heappop(self._heap)[1], None)
        return super()._live(key)


class InheritsDeadline(PlainCache):
    """A write without a ttl onto an expired, unswept entry inherits its deadline and is lost (row 8, cashews)."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Update in place what is there."""
        old = self._entries.get(key)
        await super().set(key, value, ttl)
        if old is not None and ttl is None:
            self._entries[key] = Entry(value, old.deadline)


class OverwriteKeepsTtl(PlainCache):
    """A write without a ttl onto a live entry keeps the old deadline (ttl matrix, cashews)."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Update in place what is live."""
        check_key(key)
        old = self._live(key)
        await super().set(key, value, ttl)
        if old is not None and ttl is None:
            self._entries[key] = Entry(value, old.deadline)


class TimerOnlyExpiry(GhostTimerAfterClear):
    """Only a timer ends an entry, so it is served past its ttl while the loop stalls (row 9, aiocache)."""

    def _expired(self, entry: Entry) -> bool:
        return False

    def _empty(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        super()._empty()


class SweepOnlyExpiry(PlainCache):
    """Only the sweep looks at deadlines, so an entry is served until the next one (row 9)."""

    def _expired(self, entry: Entry) -> bool:
        return False

    async def _sweep(self) -> None:
        now = self._now()
        for key in [key for key, entry in self._entries.items() if entry.deadline <= now]:
            self._remove(key)
            self._counts["expirations"] += 1


class WallClock(PlainCache):
    """Deadlines are of the wall clock, so a step of it ends everything or nothing (row 11, cacheout)."""

    def _now(self) -> float:
        return time.time()


class HitAtDeadline(PlainCache):
    """`<` where `<=` belongs: a read exactly at the deadline hits (row 9)."""

    def _expired(self, entry: Entry) -> bool:
        return entry.deadline < self._now()


class WholeSeconds(PlainCache):
    """Deadlines are cut to whole seconds, so an entry ends up to a second early (redis `ex`)."""

    def _deadline(self, ttl: float | None) -> float:
        return math.floor(super()._deadline(ttl))


class ZeroIsForever(PlainCache):
    """A ttl of 0 is not refused and means for ever (row 10, aiocache)."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Take 0 for no end."""
        await super().set(key, value, 1e9 if ttl == 0 and not isinstance(ttl, bool) else ttl)


class SlidingTtl(PlainCache):
    """Each read starts the ttl anew, though a fixed one was asked for (cachetools#177)."""

    def _prepare(self) -> None:
        self._ttls: dict[str, float | None] = {}

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Remember the ttl for the reads."""
        await super().set(key, value, ttl)
        self._ttls[key] = ttl

    def _read(self, key: str) -> Any | None:
        value = super()._read(key)
        if value is not None:
            self._entries[key] = Entry(value, self._deadline(self._ttls.get(key)))
        return value


class SweeperRace(PlainCache):
    """The sweep collects the expired keys, logs them in 2 ms, and removes them without a second look (row 7)."""

    async def _io(self) -> None:
        await asyncio.sleep(0.002)

    async def _sweep(self) -> None:
        expired = [key for key, entry in self._entries.items() if self._expired(entry)]
        await self._io()
        for key in expired:
            if key in self._entries:
                self._remove(key)
                self._counts["expirations"] += 1


class TtlCountsFromArrival(PlainCache):
    """The ttl starts when a later confirmation arrives, and a stall in between lets the entry outlive it (row 9)."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store, and let the confirmation fix the deadline."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._use()
        self._store(key, value, self._deadline(ttl))
        asyncio.get_running_loop().call_soon(self._confirm, key, self._entries[key], ttl)

    def _confirm(self, key: str, entry: Entry, ttl: float | None) -> None:
        if self._entries.get(key) is entry:
            self._entries[key] = Entry(entry.value, self._deadline(ttl))
