"""Faults of two tiers: what is near, what is far, and the moments when they differ."""

from __future__ import annotations

import asyncio
from typing import Any

from zoo_base import Entry, PlainCache, ShortNearCache, TwoTierCache, WriteBehindCache

from cache_impls.protocol import check_key, check_ttl, check_value


class ReadRepairRace(ShortNearCache):
    """What was read far is copied near after a wait, whatever was written or deleted meanwhile (row 2, NSDI'13)."""

    async def get(self, key: str) -> Any | None:
        """Read far, wait, copy near."""
        check_key(key)
        self._use()
        near = self._near.get(key)
        if near is not None and not self._expired(near):
            return self._hit(near)
        await self._io()
        entry = self._live(key)
        await self._io()
        self._use()
        if entry is None:
            self._counts["misses"] += 1
            return None
        self._copy(key, entry)
        return self._far_hit(entry)


class CopyLosesTtl(ShortNearCache):
    """A near copy gets the near tier's own ttl and outlives its original by up to 0.5 s (row 1)."""

    def _copy(self, key: str, entry: Entry) -> None:
        self._near[key] = Entry(entry.value, self._now() + self.near_seconds)


class HalfDelete(TwoTierCache):
    """What is not near counts as absent, so after a delete cancelled half way none reaches the far tier (row 4)."""

    async def delete(self, key: str) -> bool:
        """Remove near, then far."""
        check_key(key)
        self._use()
        near = self._near.pop(key, None)
        if near is None or self._expired(near):
            return False
        await self._io()
        return await PlainCache.delete(self, key)


class DeleteTimesOut(TwoTierCache):
    """A delete that the far tier does not answer within 50 ms is acknowledged all the same (row 4, Tigris)."""

    async def delete(self, key: str) -> bool:
        """Remove near, then far, but do not wait long."""
        check_key(key)
        self._use()
        self._near.pop(key, None)
        try:
            async with asyncio.timeout(0.05):
                await self._io()
                return await PlainCache.delete(self, key)
        except TimeoutError:
            self._counts["deletes"] += 1
            return True

    async def _io(self) -> None:
        await asyncio.sleep(0.002)


class OrderInversion(ShortNearCache):
    """Near is written before the wait and far after it, so two writers can leave the tiers different (row 5)."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Write near, wait, write far."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._use()
        self._copy(key, Entry(value, self._deadline(ttl)))
        await self._io()
        self._use()
        near = self._near.get(key)
        self._store(key, value, self._deadline(ttl))
        if near is not None:
            self._near[key] = near


class ClearRepopulated(TwoTierCache):
    """Clear empties near, waits and empties far; what a reader copies in between stays near (row 2)."""

    async def clear(self) -> None:
        """Empty near, wait, empty far."""
        self._use()
        self._near.clear()
        self._changes += 1
        await self._io()
        self._use()
        self._entries.clear()


class FlushWindow(WriteBehindCache):
    """What is on its way from the write-behind buffer to the far tier is in neither for a reader (row 6)."""

    async def _io(self) -> None:
        await asyncio.sleep(0.002)

    def _merged(self) -> dict[str, Entry]:
        found = self._entries | self._buffer
        return {key: entry for key, entry in found.items() if entry is not None and not self._expired(entry)}
