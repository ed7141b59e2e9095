"""Correct caches that suspend: decoys themselves, and what the faults that need a gap between two steps differ from.

Each holds under cancellation at any await, steps of the wall clock and stalls of the loop.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from plain import Entry, PlainCache

from cache_impls.protocol import check_key, check_ttl, check_value


class RemoteCache(PlainCache):
    """Correct: the request and the answer travel, and the operation takes effect between the two at one instant."""

    async def get(self, key: str) -> Any | None:
        """Travel, read, travel."""
        check_key(key)
        self._use()
        await self._io()
        value = await super().get(key)
        await self._io()
        return value

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Travel, store, travel."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._use()
        await self._io()
        await super().set(key, value, ttl)
        await self._io()

    async def delete(self, key: str) -> bool:
        """Travel, remove, travel."""
        check_key(key)
        self._use()
        await self._io()
        was_live = await super().delete(key)
        await self._io()
        return was_live

    async def clear(self) -> None:
        """Travel, empty, travel."""
        self._use()
        await self._io()
        await super().clear()
        await self._io()

    async def size(self) -> int:
        """Travel, count, travel."""
        self._use()
        await self._io()
        count = await super().size()
        await self._io()
        return count


class SlowCache(RemoteCache):
    """Correct: as `RemoteCache`, with 3 ms each way, so deadlines pass while an operation is under way."""

    async def _io(self) -> None:
        await asyncio.sleep(0.003)


class FifoLockCache(PlainCache):
    """Correct: one lock around everything, first come first served, a new one for each loop."""

    _lock: asyncio.Lock

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._lock = asyncio.Lock()
        super()._follow(loop)

    async def get(self, key: str) -> Any | None:
        """Read under the lock."""
        check_key(key)
        self._use()
        async with self._lock:
            await self._io()
            return await super().get(key)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store under the lock."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._use()
        async with self._lock:
            await self._io()
            await super().set(key, value, ttl)

    async def delete(self, key: str) -> bool:
        """Remove under the lock."""
        check_key(key)
        self._use()
        async with self._lock:
            await self._io()
            return await super().delete(key)

    async def clear(self) -> None:
        """Empty under the lock."""
        self._use()
        async with self._lock:
            await self._io()
            await super().clear()


class KeyLock:
    """A lock and how many hold or await it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class SetThenExpireCache(PlainCache):
    """Correct: SET and EXPIRE are two steps under the key's lock, and a cancelled write still gets its deadline."""

    _locks: dict[str, KeyLock]

    def _prepare(self) -> None:
        self._random = random.Random(14)

    async def _io(self) -> None:
        await asyncio.sleep(self._random.choice((0, 0.001, 0.003)))  # as the network has it

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._locks = {}
        super()._follow(loop)

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[None]:
        holder = self._locks.setdefault(key, KeyLock())
        holder.users += 1
        try:
            async with holder.lock:
                yield
        finally:
            holder.users -= 1
            if not holder.users and self._locks.get(key) is holder:
                del self._locks[key]

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """SET, then EXPIRE."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._use()
        async with self._locked(key):
            self._use()
            self._store(key, value, math.inf)
            await self._expire_after_io(key, ttl)

    async def delete(self, key: str) -> bool:
        """Remove under the key's lock."""
        check_key(key)
        self._use()
        async with self._locked(key):
            return await super().delete(key)

    async def _expire_after_io(self, key: str, ttl: float | None) -> None:
        try:
            await self._io()
        finally:
            self._expire(key, ttl)

    def _expire(self, key: str, ttl: float | None) -> None:
        if key in self._entries:  # it may have been evicted or cleared meanwhile
            self._entries[key] = self._entries[key]._replace(deadline=self._deadline(ttl))


class TwoTierCache(PlainCache):
    """Correct: near copies of a far tier, made only if nothing at all changed since the read they stem from."""

    def _prepare(self) -> None:
        self._near: dict[str, Entry] = {}
        self._changes = 0

    async def get(self, key: str) -> Any | None:
        """The near entry, else the far one, which is copied."""
        check_key(key)
        self._use()
        near = self._near.get(key)
        if near is not None and not self._expired(near):
            return self._hit(near)
        changes = self._changes
        await self._io()
        entry = self._live(key)
        await self._io()
        self._use()
        if entry is None:
            self._counts["misses"] += 1
            return None
        if changes == self._changes:
            self._copy(key, entry)
        return self._far_hit(entry)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store in both tiers at one instant."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._use()
        await self._io()
        await super().set(key, value, ttl)

    async def delete(self, key: str) -> bool:
        """Remove from both tiers at one instant."""
        check_key(key)
        self._use()
        await self._io()
        return await super().delete(key)

    async def clear(self) -> None:
        """Empty both tiers at one instant."""
        self._use()
        await self._io()
        await super().clear()

    def _copy(self, key: str, entry: Entry) -> None:
        self._near[key] = entry

    def _hit(self, entry: Entry) -> Any:
        self._counts["hits"] += 1
        return entry.value

    def _far_hit(self, entry: Entry) -> Any:
        return self._hit(entry)

    def _store(self, key: str, value: Any, deadline: float) -> None:
        super()._store(key, value, deadline)
        self._changes += 1
        self._copy(key, self._entries[key])

    def _remove(self, key: str) -> None:
        self._changes += 1
        self._near.pop(key, None)
        super()._remove(key)

    def _empty(self) -> None:
        self._changes += 1
        self._near.clear()
        super()._empty()


class ShortNearCache(TwoTierCache):
    """Correct: near copies live for half a second at most and never longer than their original; far is 1 ms away."""

    near_seconds = 0.5

    async def _io(self) -> None:
        await asyncio.sleep(0.001)

    def _copy(self, key: str, entry: Entry) -> None:
        self._near[key] = Entry(entry.value, min(entry.deadline, self._now() + self.near_seconds))
