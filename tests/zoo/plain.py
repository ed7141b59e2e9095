"""The zoo's reference: a small cache that keeps the whole contract, from which its faults differ by one method.

Rules:
1. No operation of `PlainCache` suspends, so each is atomic; animals that need a gap between two steps await `_io`.
2. Animals override a hook or one operation and keep the constructor: state of their own begins in `_prepare`.
3. `LoadingCache` runs one load a key at a time, and drops what was loaded if the key was written meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from cache_impls.protocol import COUNTERS, CacheClosedError, check_bound, check_key, check_ttl, check_value

Loader = Callable[[], Awaitable[Any]]


class Entry(NamedTuple):
    """A value and its deadline in seconds of the loop's clock."""

    value: Any
    deadline: float


class PlainCache:
    """A dict in order of use, a deadline for each entry, a sweep; default_ttl and cleanup_interval are seconds."""

    def __init__(self, max_entries: int = 100_000, default_ttl: float = 300, cleanup_interval: float = 5) -> None:
        check_bound("max_entries", max_entries)
        check_bound("default_ttl", default_ttl, whole=False)
        check_bound("cleanup_interval", cleanup_interval, whole=False)
        self._max_entries = max_entries
        self._default_ttl = default_ttl
        self._cleanup_interval = cleanup_interval
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._prepare()

    # The contract

    async def get(self, key: str) -> Any | None:
        """The live value of key, or None."""
        check_key(key)
        self._use()
        return self._read(key)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds, or for the default."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._use()
        self._store(key, value, self._deadline(ttl))

    async def delete(self, key: str) -> bool:
        """Remove key; True if it was live."""
        check_key(key)
        self._use()
        return self._erase(key)

    async def clear(self) -> None:
        """Remove every entry."""
        self._use()
        self._empty()

    async def size(self) -> int:
        """The number of live entries."""
        self._use()
        return sum(not self._expired(entry) for entry in self._entries.values())

    def get_stats(self) -> dict[str, int]:
        """The contract's counters, and how many entries are held, expired ones included."""
        return {name: self._counts[name] for name in COUNTERS} | {"entries": len(self._entries)}

    async def shutdown(self) -> None:
        """Drop the entries and end the tasks; may be called twice."""
        self._closed = True
        self._empty()
        here = asyncio.get_running_loop()
        tasks = [task for task in self._background() if task.get_loop() is here and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Hooks

    def _prepare(self) -> None:
        """Begin the state that an animal adds."""

    async def _io(self) -> None:
        """Stand for input and output: the one place where an animal suspends."""
        await asyncio.sleep(0)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _deadline(self, ttl: float | None) -> float:
        return self._now() + (self._default_ttl if ttl is None else ttl)

    def _expired(self, entry: Entry) -> bool:
        return entry.deadline <= self._now()

    def _live(self, key: str) -> Entry | None:
        """The live entry of key; an expired one is removed."""
        entry = self._entries.get(key)
        if entry is not None and self._expired(entry):
            self._remove(key)
            self._counts["expirations"] += 1
            return None
        return entry

    def _read(self, key: str) -> Any | None:
        """The live value of key, counted and noted as used."""
        entry = self._live(key)
        if entry is None:
            self._counts["misses"] += 1
            return None
        self._entries.move_to_end(key)
        self._counts["hits"] += 1
        return entry.value

    def _store(self, key: str, value: Any, deadline: float) -> None:
        """Put an entry, counted, and evict what is over the bound."""
        if key in self._entries:
            self._remove(key)
        self._entries[key] = Entry(value, deadline)
        self._counts["sets"] += 1
        while len(self._entries) > self._max_entries:
            self._evict(key)

    def _erase(self, key: str) -> bool:
        """Remove key, counted if it was live."""
        if self._live(key) is None:
            return False
        self._remove(key)
        self._counts["deletes"] += 1
        return True

    def _evict(self, spare: str) -> None:
        """Remove the least recently used entry but spare."""
        self._remove(next(key for key in self._entries if key != spare))
        self._counts["evictions"] += 1

    def _remove(self, key: str) -> None:
        del self._entries[key]

    def _empty(self) -> None:
        self._entries.clear()

    def _use(self) -> None:
        """Refuse use after shutdown; run the sweep on the loop in use (that of an earlier loop ended with it)."""
        if self._closed:
            raise CacheClosedError(f"{type(self).__name__} was shut down")
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            self._follow(loop)

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweeper = loop.create_task(self._sweep_forever(), name=f"{type(self).__name__} sweep")

    def _background(self) -> list[asyncio.Task[Any]]:
        """The tasks that shutdown ends."""
        return [] if self._sweeper is None else [self._sweeper]

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(self._cleanup_interval)
            await self._sweep()

    async def _sweep(self) -> None:
        for key in list(self._entries):
            self._live(key)


class Flight:
    """One load under way: its task, who waits, and whether the key was written since it began."""

    def __init__(self) -> None:
        self.task: asyncio.Task[Any]
        self.waiters = 0
        self.outdated = False


class LoadingCache(PlainCache):
    """With `get_or_load`; a waiter's cancellation ends the load only if nobody else waits for it."""

    def _prepare(self) -> None:
        self._flights: dict[str, Flight] = {}

    async def get_or_load(self, key: str, loader: Loader, ttl: float | None = None) -> Any:
        """The live value of key, else what loader gives, stored for ttl seconds unless it is None."""
        check_key(key)
        check_ttl(ttl)
        self._use()
        value = self._read(key)
        while value is None:
            flight = self._flights.get(key)
            if flight is None:
                return await self._join(self._begin(key, loader, ttl))
            if not flight.outdated and not flight.task.done():
                return await self._join(flight)
            # What it brings is of before a write; there is still only one load at a time.
            await asyncio.wait([flight.task])
            self._use()
            entry = self._live(key)
            value = None if entry is None else entry.value
        return value

    def _begin(self, key: str, loader: Loader, ttl: float | None) -> Flight:
        flight = Flight()
        flight.task = asyncio.get_running_loop().create_task(self._load(flight, key, loader, ttl))
        flight.task.add_done_callback(partial(self._landed, key, flight))
        self._flights[key] = flight
        return flight

    async def _join(self, flight: Flight) -> Any:
        flight.waiters += 1
        try:
            await asyncio.wait([flight.task])
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done():
                flight.outdated = True
                flight.task.cancel()
        if flight.task.cancelled() and self._closed:
            raise CacheClosedError(f"{type(self).__name__} was shut down")
        return flight.task.result()

    async def _load(self, flight: Flight, key: str, loader: Loader, ttl: float | None) -> Any:
        value = await loader()
        if value is not None and not flight.outdated and not self._closed:
            self._store(key, value, self._deadline(ttl))
        return value

    def _landed(self, key: str, flight: Flight, task: asyncio.Task[Any]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # its waiters raise it; without any it is nobody's

    def _outdate(self, key: str) -> None:
        if key in self._flights:
            self._flights[key].outdated = True

    def _store(self, key: str, value: Any, deadline: float) -> None:
        self._outdate(key)
        super()._store(key, value, deadline)

    def _erase(self, key: str) -> bool:
        self._outdate(key)
        return super()._erase(key)

    def _empty(self) -> None:
        for key in self._flights:
            self._outdate(key)
        super()._empty()

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._flights = {}
        super()._follow(loop)

    def _background(self) -> list[asyncio.Task[Any]]:
        return [*super()._background(), *(flight.task for flight in self._flights.values())]
