"""AsyncTTLCache: the architecture being left, kept as the baseline to beat.

Shards with one lock each; least-recently-used eviction that scans the shard; expired entries removed by
one sweep an interval; a memory estimate that serialises values. Correct, and as slow as that is.
It must stay so: a faster `legacy` would make every comparison against it say less.
"""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import dataclass, field
from typing import Any

from cache_impls.protocol import CacheClosedError, check_bound, check_key, check_ttl, check_value


@dataclass
class _Entry:
    value: Any
    deadline: float
    last_used: int
    size_bytes: int


@dataclass(eq=False)
class _Shard:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    entries: dict[str, _Entry] = field(default_factory=dict)


def _estimate_bytes(key: str, value: Any) -> int:
    """Size of an entry, from the value's serialised form; 0 for what cannot be pickled."""
    try:
        payload = len(pickle.dumps(value))
    except (pickle.PicklingError, TypeError, AttributeError):
        payload = 0
    return len(key.encode("utf-8", "surrogatepass")) + payload


class AsyncTTLCache:
    """A sharded TTL cache in the old style (dialect: `ttl_seconds`, `stop`, `get_detailed_metrics`).

    ttl_seconds and cleanup_interval are seconds; max_memory_mb is MiB of estimated entries.
    Raises TypeError or ValueError for a parameter out of range.
    """

    def __init__(
        self,
        ttl_seconds: float = 60,
        cleanup_interval: float = 30,
        num_shards: int = 16,
        max_entries: int = 100_000,
        max_memory_mb: float = 100,
    ) -> None:
        check_bound("ttl_seconds", ttl_seconds, whole=False)
        check_bound("cleanup_interval", cleanup_interval, whole=False)
        check_bound("num_shards", num_shards)
        check_bound("max_entries", max_entries)
        check_bound("max_memory_mb", max_memory_mb, whole=False)
        self._default_ttl = ttl_seconds
        self._cleanup_interval = cleanup_interval
        self._max_entries = max_entries
        self._max_bytes = int(max_memory_mb * 2**20)
        self._shards = [_Shard() for _ in range(num_shards)]
        self._count = 0
        self._bytes = 0
        self._clock = 0
        self._stopped = False
        self._sweeper: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hits = self._misses = self._sets = self._deletes = 0
        self._evictions = self._expirations = 0

    async def get(self, key: str) -> Any | None:
        """The live value of key, or None."""
        check_key(key)
        now = self._enter()
        shard = self._shard(key)
        async with shard.lock:
            entry = shard.entries.get(key)
            if entry is not None and entry.deadline <= now:
                self._remove(shard, key)
                self._expirations += 1
                entry = None
            if entry is None:
                self._misses += 1
                return None
            self._hits += 1
            self._clock += 1
            entry.last_used = self._clock
            return entry.value

    async def set(self, key: str, value: Any, ttl_seconds: float | None = None) -> None:
        """Store value for ttl_seconds, or for the cache's default."""
        check_key(key)
        check_value(value)
        check_ttl(ttl_seconds)
        now = self._enter()
        shard = self._shard(key)
        size = _estimate_bytes(key, value)
        ttl = self._default_ttl if ttl_seconds is None else ttl_seconds
        async with shard.lock:
            if key in shard.entries:
                self._remove(shard, key)
            self._sets += 1
            self._clock += 1
            shard.entries[key] = _Entry(value, now + ttl, self._clock, size)
            self._count += 1
            self._bytes += size
            while self._count > self._max_entries or self._bytes > self._max_bytes:
                self._evict_from(shard, spare=key)

    async def delete(self, key: str) -> bool:
        """Remove key; True if it was live."""
        check_key(key)
        now = self._enter()
        shard = self._shard(key)
        async with shard.lock:
            entry = shard.entries.get(key)
            if entry is None:
                return False
            self._remove(shard, key)
            if entry.deadline <= now:
                self._expirations += 1
                return False
            self._deletes += 1
            return True

    async def clear(self) -> None:
        """Remove every entry."""
        self._enter()
        for shard in self._shards:
            async with shard.lock:
                for key in list(shard.entries):
                    self._remove(shard, key)

    async def size(self) -> int:
        """The number of live entries, by a scan."""
        now = self._enter()
        return sum(entry.deadline > now for shard in self._shards for entry in shard.entries.values())

    def get_detailed_metrics(self) -> dict[str, Any]:
        """Counters since the cache was made, with entries and estimated bytes held."""
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

    async def stop(self) -> None:
        """End the sweep and drop the entries; may be called twice."""
        self._stopped = True
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None and not sweeper.done():
            # Of an earlier loop, done or not, it ended with that loop.
            sweeper.cancel()
            await asyncio.gather(sweeper, return_exceptions=True)
        for shard in self._shards:
            shard.entries.clear()
        self._count = self._bytes = 0

    def _enter(self) -> float:
        """Refuse use after stop, follow the running loop, and tell its time."""
        if self._stopped:
            raise CacheClosedError("AsyncTTLCache was stopped")
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            for shard in self._shards:
                shard.lock = asyncio.Lock()
            self._sweeper = loop.create_task(self._sweep_forever(), name="AsyncTTLCache sweep")
        return loop.time()

    def _shard(self, key: str) -> _Shard:
        return self._shards[hash(key) % len(self._shards)]

    def _remove(self, shard: _Shard, key: str) -> None:
        self._bytes -= shard.entries.pop(key).size_bytes
        self._count -= 1

    def _evict_from(self, shard: _Shard, spare: str) -> None:
        """Remove the least recently used entry of shard but spare, else of a neighbour, else spare itself.

        No other shard's lock is needed: nothing here suspends.
        """
        start = self._shards.index(shard)
        for offset in range(len(self._shards)):
            neighbour = self._shards[(start + offset) % len(self._shards)]
            candidates = [(entry.last_used, key) for key, entry in neighbour.entries.items() if key != spare]
            if candidates:
                self._remove(neighbour, min(candidates)[1])
                self._evictions += 1
                return
        self._remove(shard, spare)
        self._evictions += 1

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(self._cleanup_interval)
            for shard in self._shards:
                async with shard.lock:
                    now = asyncio.get_running_loop().time()
                    expired = [key for key, entry in shard.entries.items() if entry.deadline <= now]
                    for key in expired:
                        self._remove(shard, key)
                    self._expirations += len(expired)
