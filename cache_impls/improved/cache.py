"""ImprovedAsyncCache: no locks, because no operation suspends; eviction and lookup in constant time.

Bounds hold over all shards together: an entry is evicted only when the whole cache is over a bound, so a
shard that fills before the others costs nothing. Shards divide the sweep: it looks at one shard a turn.
"""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from itertools import islice
from typing import Any

from cache_impls.improved.shard import Shard
from cache_impls.improved.sizes import entry_bytes
from cache_impls.protocol import CacheClosedError, check_bound, check_key, check_ttl, check_value

_SWEEP_TURN = 2_000
"""Entries looked at between two yields of the sweep: 0.1 ms of work where none has expired."""


class ImprovedAsyncCache:
    """A sharded TTL cache (dialect: `ttl`, `shutdown`, `get_stats`).

    default_ttl and cleanup_interval are seconds; max_memory_mb is MiB of declared sizes. A value that
    alone exceeds the memory bound is accepted and at once evicted. Raises TypeError or ValueError for a
    parameter out of range.
    """

    def __init__(
        self,
        default_ttl: float = 300,
        num_shards: int = 16,
        cleanup_interval: float = 60,
        max_entries: int = 100_000,
        max_memory_mb: float = 100,
    ) -> None:
        check_bound("default_ttl", default_ttl, whole=False)
        check_bound("num_shards", num_shards)
        check_bound("cleanup_interval", cleanup_interval, whole=False)
        check_bound("max_entries", max_entries)
        check_bound("max_memory_mb", max_memory_mb, whole=False)
        self._default_ttl = default_ttl
        self._num_shards = num_shards
        self._cleanup_interval = cleanup_interval
        self._max_entries = max_entries
        self._max_bytes = int(max_memory_mb * 2**20)
        self._shards = [Shard() for _ in range(num_shards)]
        self._count = 0
        self._bytes = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._hits = self._misses = self._sets = self._deletes = 0
        self._evictions = self._expirations = 0

    async def get(self, key: str) -> Any | None:
        """The live value of key, or None."""
        if key.__class__ is not str or not key:
            check_key(key)
        if self._closed:
            raise CacheClosedError("ImprovedAsyncCache was shut down")
        shard = self._shards[hash(key) % self._num_shards]
        entry = shard.get(key)
        if entry is None:
            self._misses += 1
            return None
        if entry[1] <= get_running_loop().time():
            self._remove(shard, key)
            self._expirations += 1
            self._misses += 1
            return None
        shard.move_to_end(key)
        self._hits += 1
        return entry[0]

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds, or for the cache's default."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        if self._closed:
            raise CacheClosedError("ImprovedAsyncCache was shut down")
        loop = get_running_loop()
        if loop is not self._loop:
            self._follow(loop)
        deadline = loop.time() + (self._default_ttl if ttl is None else ttl)
        shard = self._shards[hash(key) % self._num_shards]
        size = entry_bytes(key, value)
        if key in shard:
            self._remove(shard, key)
        shard[key] = (value, deadline, size)
        self._count += 1
        self._bytes += size
        self._sets += 1
        while self._count > self._max_entries or self._bytes > self._max_bytes:
            self._evict(shard, key)

    async def delete(self, key: str) -> bool:
        """Remove key; True if it was live."""
        check_key(key)
        if self._closed:
            raise CacheClosedError("ImprovedAsyncCache was shut down")
        shard = self._shards[hash(key) % self._num_shards]
        entry = shard.get(key)
        if entry is None:
            return False
        self._remove(shard, key)
        if entry[1] <= get_running_loop().time():
            self._expirations += 1
            return False
        self._deletes += 1
        return True

    async def clear(self) -> None:
        """Remove every entry."""
        if self._closed:
            raise CacheClosedError("ImprovedAsyncCache was shut down")
        self._empty()

    async def size(self) -> int:
        """The number of live entries, by a scan."""
        if self._closed:
            raise CacheClosedError("ImprovedAsyncCache was shut down")
        now = get_running_loop().time()
        return sum(entry[1] > now for shard in self._shards for entry in shard.values())

    def get_stats(self) -> dict[str, Any]:
        """Counters since the cache was made, with entries and declared bytes held."""
        return {
            "hits": self._hits,
            "misses": self._misses,
            "sets": self._sets,
            "deletes": self._deletes,
            "evictions": self._evictions,
            "expirations": self._expirations,
            "entries": self._count,
            "bytes": self._bytes,
        }

    async def shutdown(self) -> None:
        """End the sweep and drop the entries; may be called twice."""
        self._closed = True
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None and not sweeper.done():
            # Of an earlier loop, done or not, it ended with that loop.
            sweeper.cancel()
            await asyncio.gather(sweeper, return_exceptions=True)
        self._empty()

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run the sweep on loop; a sweep of an earlier loop ended with it."""
        self._loop = loop
        self._sweeper = loop.create_task(self._sweep_forever(), name="ImprovedAsyncCache sweep")

    def _empty(self) -> None:
        for shard in self._shards:
            shard.clear()
        self._count = self._bytes = 0

    def _remove(self, shard: Shard, key: str) -> None:
        self._bytes -= shard.pop(key)[2]
        self._count -= 1

    def _evict(self, shard: Shard, spare: str) -> None:
        """Remove the oldest entry of shard but spare, else one of another shard, else spare itself."""
        victim = shard.oldest_but(spare)
        if victim is None:
            for other in self._shards:
                victim = other.oldest_but(spare)
                if victim is not None:
                    shard = other
                    break
        self._remove(shard, spare if victim is None else victim)
        self._evictions += 1

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(self._cleanup_interval)
            for shard in self._shards:
                await self._sweep(shard)

    async def _sweep(self, shard: Shard) -> None:
        """Remove the expired entries of shard, `_SWEEP_TURN` looked at between two yields."""
        keys = iter(list(shard))
        while turn := list(islice(keys, _SWEEP_TURN)):
            now = get_running_loop().time()
            for key in turn:
                entry = shard.get(key)
                if entry is not None and entry[1] <= now:
                    self._remove(shard, key)
                    self._expirations += 1
            await asyncio.sleep(0)
