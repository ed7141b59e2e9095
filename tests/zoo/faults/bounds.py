"""Faults of bounds: too many, too few, or the wrong ones."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from zoo_base import PlainCache


class BoundIgnored(PlainCache):
    """`max_entries` is accepted and nothing is ever evicted (row 12, Resync)."""

    def _store(self, key: str, value: Any, deadline: float) -> None:
        bound, self._max_entries = self._max_entries, len(self._entries) + 1
        super()._store(key, value, deadline)
        self._max_entries = bound


class BoundCountsOnlyAtSweep(PlainCache):
    """The bound is looked at by the sweep alone, and exceeded between two sweeps (row 12)."""

    def _store(self, key: str, value: Any, deadline: float) -> None:
        bound, self._max_entries = self._max_entries, len(self._entries) + 1
        super()._store(key, value, deadline)
        self._max_entries = bound

    async def _sweep(self) -> None:
        await super()._sweep()
        while len(self._entries) > self._max_entries:
            self._evict("")


class EvictsNewest(PlainCache):
    """The wrong end of the order is evicted, which is the entry just written (row 12)."""

    def _evict(self, spare: str) -> None:
        self._remove(next(reversed(self._entries)))
        self._counts["evictions"] += 1


class EvictsBelowBound(PlainCache):
    """`>=` where `>` belongs: one place is never used (row 12)."""

    def _store(self, key: str, value: Any, deadline: float) -> None:
        super()._store(key, value, deadline)
        if len(self._entries) >= self._max_entries > 1:
            self._evict(key)


class OverwriteEvicts(PlainCache):
    """A full cache makes room before it looks whether the key is there already (row 12)."""

    def _store(self, key: str, value: Any, deadline: float) -> None:
        if len(self._entries) >= self._max_entries > 1:
            self._evict(key)
        super()._store(key, value, deadline)


class PerShardBound(PlainCache):
    """Each of four shards has a quarter of the bound and forgets while others are empty (row 24)."""

    def _store(self, key: str, value: Any, deadline: float) -> None:
        super()._store(key, value, deadline)
        mates = [name for name in self._entries if _shard(name) == _shard(key)]
        for name in mates[: -max(1, self._max_entries // 4)]:
            self._remove(name)
            self._counts["evictions"] += 1


class SweepRemovesNothing(PlainCache):
    """The sweep compares with an hour ago and never finds anything expired (row 12, Resync)."""

    async def _sweep(self) -> None:
        long_ago = self._now() - 3600
        for key in [key for key, entry in self._entries.items() if entry.deadline <= long_ago]:
            self._live(key)


class SizeDrifts(PlainCache):
    """A count is kept beside the entries, and an expired entry that is met leaves it twice (row 20)."""

    def _prepare(self) -> None:
        self._count = 0

    def _store(self, key: str, value: Any, deadline: float) -> None:
        super()._store(key, value, deadline)
        self._count += 1

    def _remove(self, key: str) -> None:
        self._count -= 2 if self._expired(self._entries[key]) else 1
        super()._remove(key)

    def _empty(self) -> None:
        self._count = 0
        super()._empty()

    async def size(self) -> int:
        """The count, once what expired has left."""
        self._use()
        for key in list(self._entries):
            self._live(key)
        return max(0, self._count)


class ClearKeepsCount(SizeDrifts):
    """Clear does not reset the count that `size` answers (row 20)."""

    def _remove(self, key: str) -> None:
        self._count -= 1
        PlainCache._remove(self, key)

    def _empty(self) -> None:
        PlainCache._empty(self)


def _shard(key: str) -> int:
    return crc32(key.encode()) % 4
