"""The yardstick: a small frozen cache that stored results are expressed in.

Two stored baselines are compared by their ratios to this cache, measured in the same run, so it must
never change: `tests/cache_impls/test_yardstick.py` holds the digest of this file, and any edit needs a
new `YARDSTICK_VERSION`, which makes older baselines incomparable (and says so).
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections import OrderedDict
from typing import Any

YARDSTICK_VERSION = 1


class YardstickCache:
    """A least-recently-used cache with a ttl an entry, no sweep and no background work."""

    def __init__(self, max_entries: int = 100_000, default_ttl: float = 300) -> None:
        self._max_entries = max_entries
        self._default_ttl = default_ttl
        self._entries: OrderedDict[str, tuple[Any, float]] = OrderedDict()

    async def get(self, key: str) -> Any | None:
        """The live value of key, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[1] <= get_running_loop().time():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[0]

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds, or for the default."""
        deadline = get_running_loop().time() + (self._default_ttl if ttl is None else ttl)
        self._entries[key] = (value, deadline)
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    async def delete(self, key: str) -> bool:
        """Remove key; True if it was live."""
        entry = self._entries.pop(key, None)
        return entry is not None and entry[1] > get_running_loop().time()

    async def clear(self) -> None:
        """Remove every entry."""
        self._entries.clear()

    async def size(self) -> int:
        """The number of entries that have not expired."""
        now = get_running_loop().time()
        return sum(entry[1] > now for entry in self._entries.values())

    async def shutdown(self) -> None:
        """Drop the entries."""
        self._entries.clear()
