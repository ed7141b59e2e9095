"""cachetools: its `TLRUCache`, the one of its caches in which an entry can have a ttl of its own.

A ttl is stored beside its value, where `ttu` reads it, as the library's documentation shows. `TTLCache` has one
ttl for all entries. The library counts nothing, locks nothing and has nothing to shut down.
"""

from __future__ import annotations

from math import inf
from typing import Any

from cachetools import TLRUCache


class CachetoolsCache:
    """`cachetools.TLRUCache`, with its default timer (`time.monotonic`)."""

    def __init__(self, max_entries: int = 100_000, default_ttl: float | None = None) -> None:
        self._default_ttl = inf if default_ttl is None else default_ttl
        self._cache = TLRUCache(max_entries, ttu=_end_of)

    async def get(self, key: str) -> Any | None:
        """The live value of key, or None."""
        found = self._cache.get(key)
        return None if found is None else found[0]

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds."""
        self._cache[key] = value, self._default_ttl if ttl is None else ttl

    async def delete(self, key: str) -> bool:
        """Remove key; the library raises KeyError if it was not live."""
        try:
            del self._cache[key]
        except KeyError:
            return False
        return True

    async def clear(self) -> None:
        """Remove every entry."""
        self._cache.clear()

    async def size(self) -> int:
        """The number of entries; the library expires what is due first."""
        return len(self._cache)


def _end_of(_key: str, value: tuple[Any, float], now: float) -> float:
    return now + value[1]
