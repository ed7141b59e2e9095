"""aiocache: its `SimpleMemoryCache`, which has no bound and expires by a timer of the event loop for each entry.

Its defaults stay: values are kept as they are, and every call runs under the library's own limit of 5 s.
It counts nothing unless a plugin does.
"""

from __future__ import annotations

from typing import Any

from aiocache import SimpleMemoryCache


class AiocacheCache:
    """`aiocache.SimpleMemoryCache`."""

    def __init__(self, default_ttl: float | None = None) -> None:
        self._cache = SimpleMemoryCache(ttl=default_ttl)

    async def get(self, key: str) -> Any | None:
        """The live value of key, or None."""
        return await self._cache.get(key)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds."""
        if ttl is None:  # a ttl of None would mean no end here, not the default
            await self._cache.set(key, value)
        else:
            await self._cache.set(key, value, ttl=ttl)

    async def delete(self, key: str) -> bool:
        """Remove key; the library answers how many it removed."""
        return bool(await self._cache.delete(key))

    async def clear(self) -> None:
        """Remove every entry."""
        await self._cache.clear()

    async def size(self) -> int:
        """The number of entries: `raw` reaches the dictionary, for which the library has no name of its own."""
        return int(await self._cache.raw("__len__"))

    async def shutdown(self) -> None:
        """Close it; the library has nothing to give back here."""
        await self._cache.close()
