"""cacheout: its `Cache` (first in, first out), or the `LRUCache` or `LFUCache` that kind names, on `time.time`.

`stats=true` turns on its counters, which are off in the library too. It has nothing to shut down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cacheout import Cache, LFUCache, LRUCache

from cache_impls.protocol import COUNTERS

_KINDS = {kind.__name__: kind for kind in (Cache, LFUCache, LRUCache)}


class CacheoutCache:
    """`cacheout.Cache` or one of its kinds."""

    def __init__(
        self, max_entries: int = 100_000, default_ttl: float | None = None, kind: str = "Cache", *, stats: bool = False
    ) -> None:
        if kind not in _KINDS:
            raise ValueError(f"kind is one of {', '.join(_KINDS)}, not {kind!r}")
        ttl = 0 if default_ttl is None else default_ttl  # 0 means no end here
        self._cache = _KINDS[kind](maxsize=max_entries, ttl=ttl, enable_stats=stats)
        if not stats:
            self.get_stats = None  # type: ignore[assignment,method-assign]  # what is not callable is not there

    async def get(self, key: str) -> Any | None:
        """The live value of key, or None."""
        return self._cache.get(key)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds."""
        self._cache.set(key, value, ttl=ttl)

    async def delete(self, key: str) -> bool:
        """Remove key; the library answers how many it removed."""
        return bool(self._cache.delete(key))

    async def clear(self) -> None:
        """Remove every entry."""
        self._cache.clear()

    async def size(self) -> int:
        """The number of entries."""
        return self._cache.size()  # type: ignore[no-any-return]  # the library has no types

    def get_stats(self) -> Mapping[str, int | None]:
        """Its hits, misses and evictions; it counts no more."""
        info = self._cache.stats.info()
        counted = {"hits": info.hit_count, "misses": info.miss_count, "evictions": info.eviction_count}
        return dict.fromkeys(COUNTERS) | counted
