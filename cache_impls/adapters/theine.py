"""theine 2: its `Cache`, a W-TinyLFU policy in Rust over dictionaries in Python.

Its documentation promises less than the whole contract: the policy may not admit an entry, and a ttl
below a second counts as one. Reads compare `time.monotonic_ns`; a thread of its own, on the real clock, removes what
has expired. `stats=false` leaves out its counters, because reading them changes them (see harness/DECISIONS.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from theine import Cache

from cache_impls.protocol import COUNTERS, Promises


class TheineCache:
    """`theine.Cache`, with its locks unless nolock: it is safe between threads."""

    promises = Promises(stale_seconds=1.0, forgets=True)

    def __init__(self, max_entries: int = 100_000, *, nolock: bool = False, stats: bool = True) -> None:
        self._cache = Cache[str, Any](max_entries, nolock)
        if not stats:
            self.get_stats = None  # type: ignore[assignment,method-assign]  # what is not callable is not there

    async def get(self, key: str) -> Any | None:
        """The live value of key, or None; the library answers (value, found)."""
        return self._cache.get(key)[0]

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds; the library takes a timedelta."""
        self._cache.set(key, value, None if ttl is None else timedelta(seconds=ttl))

    async def delete(self, key: str) -> bool:
        """Remove key."""
        return bool(self._cache.delete(key))

    async def clear(self) -> None:
        """Remove every entry."""
        self._cache.clear()

    async def size(self) -> int:
        """The number of entries."""
        return len(self._cache)

    def get_stats(self) -> Mapping[str, int | None]:
        """Its hits and misses; it counts no more."""
        stats = self._cache.stats()
        return dict.fromkeys(COUNTERS) | {"hits": stats.hit_count, "misses": stats.miss_count}

    async def shutdown(self) -> None:
        """Tell its thread that this cache is done with."""
        self._cache.close()
