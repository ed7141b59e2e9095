"""Races in one tier: a gap between two steps, and what others do in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from zoo_base import Entry, FifoLockCache, KeyLock, PlainCache, RemoteCache, SetThenExpireCache

from cache_impls.protocol import check_key, check_ttl, check_value


class TouchResurrects(PlainCache):
    """A read writes the entry back after its input/output to note the use, over a delete meanwhile (row 2)."""

    async def get(self, key: str) -> Any | None:
        """Read, wait, write back."""
        check_key(key)
        self._use()
        entry = self._live(key)
        await self._io()
        self._use()
        if entry is None:
            self._counts["misses"] += 1
            return None
        self._entries[key] = entry
        self._counts["hits"] += 1
        return entry.value


class LockRegistryRace(SetThenExpireCache):
    """A key's lock is forgotten on release though others wait for it, so a third task gets a second one (row 17)."""

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[None]:
        holder = self._locks.setdefault(key, KeyLock())
        async with holder.lock:
            try:
                yield
            finally:
                self._locks.pop(key, None)


class UnlockedSetThenExpire(SetThenExpireCache):
    """SET and EXPIRE without a lock: two writers leave one's value with the other's deadline (row 20)."""

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[None]:
        yield


class HalfSet(SetThenExpireCache):
    """A write cancelled between SET and EXPIRE leaves a value that never ends (row 14, redis)."""

    async def _expire_after_io(self, key: str, ttl: float | None) -> None:
        await self._io()
        self._expire(key, ttl)


class ReservedSlot(PlainCache):
    """A write reserves the key and fills it later; cancelled in between, the key stays without a value (row 20)."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Reserve, wait, fill."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._use()
        self._entries.setdefault(key, Entry(None, self._deadline(ttl)))
        await self._io()
        await super().set(key, value, ttl)


class LockLeaked(FifoLockCache):
    """The lock is not released when the operation inside is cancelled, and all hang (row 16, aiocache#196)."""

    async def get(self, key: str) -> Any | None:
        """Read under the lock, without `finally`."""
        check_key(key)
        self._use()
        await self._lock.acquire()
        await self._io()
        self._lock.release()
        return await PlainCache.get(self, key)


class PoolLeaks(PlainCache):
    """Each cancelled write keeps one of three connections, so the fourth finds none (row 16, cashews#127)."""

    _pool: asyncio.Semaphore

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = asyncio.Semaphore(3)
        super()._follow(loop)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Take a connection, write, give it back."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._use()
        await self._pool.acquire()
        await self._io()
        self._pool.release()
        await super().set(key, value, ttl)


class ConnectionDesync(FifoLockCache):
    """A cancelled read leaves its answer on the connection, and the next reader takes it (row 15, redis-py#2624)."""

    def _prepare(self) -> None:
        self._answers: list[Any] = []

    async def get(self, key: str) -> Any | None:
        """Send the question, wait, take the next answer."""
        check_key(key)
        self._use()
        async with self._lock:
            self._answers.append(await PlainCache.get(self, key))
            await self._io()
            return self._answers.pop(0)


class DropsSameTick(PlainCache):
    """The last write wins by its time, and of two within one tick the second is dropped (Meta, "drop if older")."""

    def _prepare(self) -> None:
        self._written: dict[str, float] = {}

    def _store(self, key: str, value: Any, deadline: float) -> None:
        if key in self._entries and self._written.get(key, -1.0) >= self._now():
            self._counts["sets"] += 1
            return
        self._written[key] = self._now()
        super()._store(key, value, deadline)


class LazyDelete(PlainCache):
    """Delete answers at once and a task removes the entry a moment later (row 2, redis UNLINK)."""

    def _prepare(self) -> None:
        self._unlinking: set[asyncio.Task[None]] = set()

    def _erase(self, key: str) -> bool:
        was_live = self._live(key) is not None
        self._counts["deletes"] += was_live
        task = asyncio.get_running_loop().create_task(self._unlink(key))
        self._unlinking.add(task)
        task.add_done_callback(self._unlinking.discard)
        return was_live

    async def _unlink(self, key: str) -> None:
        await asyncio.sleep(0.001)
        if key in self._entries:
            self._remove(key)

    def _background(self) -> list[asyncio.Task[Any]]:
        return [*super()._background(), *self._unlinking]


class GetKeyError(RemoteCache):
    """A read looks for the key, waits and takes it: KeyError if it went meanwhile (row 20, cachetools#80)."""

    async def get(self, key: str) -> Any | None:
        """Look, wait, take."""
        check_key(key)
        self._use()
        if self._live(key) is None:
            self._counts["misses"] += 1
            return None
        await self._io()
        self._counts["hits"] += 1
        return self._entries[key].value


class ClearAborts(PlainCache):
    """`suppress` stands around the loop: one key that went meanwhile ends the clear (row 18, redis-py#4289)."""

    async def _io(self) -> None:
        await asyncio.sleep(0.001)

    async def clear(self) -> None:
        """Remove key by key."""
        self._use()
        with contextlib.suppress(KeyError):
            for key in list(self._entries):
                await self._io()
                self._remove(key)


class SwallowsCancel(PlainCache):
    """A read takes its own cancellation for a failed connection and answers a miss (row 14)."""

    async def get(self, key: str) -> Any | None:
        """Read, or miss where the connection fails."""
        check_key(key)
        self._use()
        try:
            await self._io()
        except BaseException:  # the fault
            return None
        return await super().get(key)
