"""cashews: a `Cache` set up with its memory backend, `mem://`, through the library's own front door.

It has no default ttl and counts nothing. A task looks through all entries every check_interval seconds.
"""

from __future__ import annotations

from typing import Any

from cashews import Cache


class CashewsCache:
    """`cashews.Cache` on `mem://`."""

    def __init__(self, max_entries: int = 100_000, check_interval: float = 1) -> None:
        self._cache = Cache()
        self._cache.setup("mem://", size=max_entries, check_interval=check_interval)

    async def get(self, key: str) -> Any | None:
        """The live value of key, or None."""
        return await self._cache.get(key)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds."""
        await self._cache.set(key, value, expire=ttl)

    async def delete(self, key: str) -> bool:
        """Remove key."""
        return bool(await self._cache.delete(key))

    async def clear(self) -> None:
        """Remove every entry."""
        await self._cache.clear()

    async def size(self) -> int:
        """The number of entries."""
        return int(await self._cache.get_keys_count())

    async def shutdown(self) -> None:
        """End the task that looks for what has expired."""
        await self._cache.close()
