"""Faults of the cache's own counters: what it says of itself is not what happened."""

from __future__ import annotations

from typing import Any

from zoo_base import Entry, PlainCache, ShortNearCache

from cache_impls.protocol import check_key


class ExpiredMissUncounted(PlainCache):
    """A read that meets an expired entry counts as an expiration and not as a miss (row 23)."""

    def _read(self, key: str) -> Any | None:
        expirations = self._counts["expirations"]
        value = super()._read(key)
        self._counts["misses"] -= self._counts["expirations"] - expirations
        return value


class DeletesCountAbsent(PlainCache):
    """Every call of delete counts, whether or not there was anything (row 23)."""

    async def delete(self, key: str) -> bool:
        """Remove and count."""
        was_live = await super().delete(key)
        self._counts["deletes"] += not was_live
        return was_live


class DeleteTrueForExpired(PlainCache):
    """Deleting an expired, unswept entry answers True (row 8, cashews)."""

    def _erase(self, key: str) -> bool:
        if key not in self._entries:
            return False
        self._remove(key)
        self._counts["deletes"] += 1
        return True


class ErrorsAsMisses(PlainCache):
    """A refused read is counted as a miss (row 23, Resync)."""

    async def get(self, key: str) -> Any | None:
        """Count what fails."""
        try:
            return await super().get(key)
        except (TypeError, ValueError):
            self._counts["misses"] += 1
            raise


class LostUpdate(PlainCache):
    """A counter is read before a wait and written after it, so of two hits at once one is lost (row 20)."""

    async def get(self, key: str) -> Any | None:
        """Read, report, count."""
        check_key(key)
        self._use()
        entry = self._live(key)
        name = "misses" if entry is None else "hits"
        before = self._counts[name]
        await self._io()
        self._counts[name] = before + 1
        return None if entry is None else entry.value


class FarHitsUncounted(ShortNearCache):
    """Hits are counted near only; what the far tier answers is not observed (row 23, Resync)."""

    def _far_hit(self, entry: Entry) -> Any:
        return entry.value


class ClearResetsCounters(PlainCache):
    """Clear sets the counters back, though they count since the cache was made (row 23)."""

    async def clear(self) -> None:
        """Begin anew."""
        await super().clear()
        self._counts.clear()


class OverwriteCountsDelete(PlainCache):
    """An overwrite is made of a delete and a set, and counts as both (row 23)."""

    def _store(self, key: str, value: Any, deadline: float) -> None:
        if key in self._entries:
            self._erase(key)
        super()._store(key, value, deadline)
