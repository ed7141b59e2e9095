"""diskcache: its `Cache` (SQLite and files) in a temporary folder, which goes at shutdown.

Its calls block the event loop, as SQLite's do. Its bound is bytes, not entries. It has no size here: its `len`
counts expired entries, as documented. `stats=true` turns on its counters, which cost a write a read and are off
in the library too.
"""

from __future__ import annotations

from collections.abc import Mapping
from tempfile import TemporaryDirectory
from typing import Any

from diskcache import Cache

from cache_impls.protocol import COUNTERS


class DiskcacheCache:
    """`diskcache.Cache` with the library's default settings, unless given."""

    def __init__(
        self,
        size_limit: int = 2**30,
        eviction_policy: str = "least-recently-stored",
        cull_limit: int = 10,
        *,
        stats: bool = False,
    ) -> None:
        self._folder = TemporaryDirectory(prefix="cachegate-diskcache-")
        settings = {"size_limit": size_limit, "eviction_policy": eviction_policy, "cull_limit": cull_limit}
        self._cache = Cache(self._folder.name, statistics=int(stats), **settings)
        if not stats:
            self.get_stats = None  # type: ignore[assignment,method-assign]  # what is not callable is not there

    async def get(self, key: str) -> Any | None:
        """The live value of key, or None."""
        return self._cache.get(key)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds."""
        self._cache.set(key, value, expire=ttl)

    async def delete(self, key: str) -> bool:
        """Remove key."""
        return bool(self._cache.delete(key))

    async def clear(self) -> None:
        """Remove every entry."""
        self._cache.clear()

    def get_stats(self) -> Mapping[str, int | None]:
        """Its hits and misses; it counts no more."""
        hits, misses = self._cache.stats()
        return dict.fromkeys(COUNTERS) | {"hits": hits, "misses": misses}

    async def shutdown(self) -> None:
        """Close the database and remove its folder."""
        self._cache.close()
        self._folder.cleanup()
