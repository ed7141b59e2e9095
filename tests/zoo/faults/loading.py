"""Faults of `get_or_load`: who loads, who waits, and what becomes of what was loaded."""

from __future__ import annotations

import asyncio
from typing import Any

from zoo_base import Flight, Loader, LoadingCache, PlainCache

from cache_impls.protocol import check_key, check_ttl


class _NaiveLoading(PlainCache):
    """What the faults here share: futures by key for a leader and its followers, who never follow an outdated one."""

    def _prepare(self) -> None:
        self._loading: dict[str, asyncio.Future[Any]] = {}
        self._led_from: dict[str, int] = {}
        self._writes = 0

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loading = {}
        super()._follow(loop)

    async def _start(self, key: str, ttl: float | None) -> Any | None:
        """The live value; a load from before the last write is waited for, not followed."""
        check_key(key)
        check_ttl(ttl)
        self._use()
        value = self._read(key)
        while value is None and key in self._loading and self._led_from[key] != self._writes:
            await asyncio.wait([self._loading[key]])
            self._use()
            value = self._peek(key)
        return value

    def _peek(self, key: str) -> Any | None:
        entry = self._live(key)
        return None if entry is None else entry.value

    def _lead(self, key: str) -> asyncio.Future[Any]:
        self._led_from[key] = self._writes
        self._loading[key] = asyncio.get_running_loop().create_future()
        return self._loading[key]

    def _fill(self, key: str, value: Any, ttl: float | None, writes: int) -> None:
        """Store what was loaded, unless something was written since."""
        self._use()
        if value is not None and writes == self._writes:
            self._store(key, value, self._deadline(ttl))

    def _store(self, key: str, value: Any, deadline: float) -> None:
        self._writes += 1
        super()._store(key, value, deadline)

    def _erase(self, key: str) -> bool:
        self._writes += 1
        return super()._erase(key)

    def _empty(self) -> None:
        self._writes += 1
        super()._empty()


class Stampede(_NaiveLoading):
    """All who miss load (row 13, aiocache#27)."""

    async def get_or_load(self, key: str, loader: Loader, ttl: float | None = None) -> Any:
        """Read, else load."""
        value = await self._start(key, ttl)
        if value is None:
            writes = self._writes
            value = await loader()
            self._fill(key, value, ttl, writes)
        return value


class ShortLease(_NaiveLoading):
    """Who waits for a load gives up after 10 ms and loads as well (row 13, cached_stampede)."""

    def _prepare(self) -> None:
        super()._prepare()
        self._leases: dict[str, asyncio.Lock] = {}

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._leases = {}
        super()._follow(loop)

    async def get_or_load(self, key: str, loader: Loader, ttl: float | None = None) -> Any:
        """Read, else load under the key's lease, or without it if it takes long to get."""
        value = await self._start(key, ttl)
        if value is not None:
            return value
        lease = self._leases.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(0.01):
                await lease.acquire()
        except TimeoutError:
            return await self._load(key, loader, ttl)
        try:
            value = self._peek(key)
            return await self._load(key, loader, ttl) if value is None else value
        finally:
            lease.release()

    async def _load(self, key: str, loader: Loader, ttl: float | None) -> Any:
        writes = self._writes
        value = await loader()
        self._fill(key, value, ttl, writes)
        return value


class LeaderCancelPoisons(_NaiveLoading):
    """The first caller loads for all, and its cancellation is everybody's (row 14, async-lru#697)."""

    async def get_or_load(self, key: str, loader: Loader, ttl: float | None = None) -> Any:
        """Read, else follow, else lead."""
        value = await self._start(key, ttl)
        if value is not None:
            return value
        if key in self._loading:
            return await asyncio.shield(self._loading[key])
        writes = self._writes
        future = self._lead(key)
        try:
            value = await loader()
            self._fill(key, value, ttl, writes)
            future.set_result(value)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                future.cancel()
            else:
                future.set_exception(error)
                future.exception()  # retrieved: there may be no follower
            raise
        finally:
            del self._loading[key]
        return value


class LeaderCancelHangs(_NaiveLoading):
    """A cancelled leader leaves its future for ever open, and all who follow wait for ever (row 14)."""

    async def get_or_load(self, key: str, loader: Loader, ttl: float | None = None) -> Any:
        """Read, else follow, else lead."""
        value = await self._start(key, ttl)
        if value is not None:
            return value
        if key in self._loading:
            return await asyncio.shield(self._loading[key])
        writes = self._writes
        future = self._lead(key)
        try:
            value = await loader()
            self._fill(key, value, ttl, writes)
        except Exception as error:
            del self._loading[key]
            future.set_exception(error)
            future.exception()  # as above
            raise
        del self._loading[key]
        future.set_result(value)
        return value


class CachedException(LoadingCache):
    """A failed load stays as the key's answer: its error is raised for ever (row 14, aiocache#389)."""

    def _landed(self, key: str, flight: Flight, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failed[key] = task.exception()
        super()._landed(key, flight, task)

    def _prepare(self) -> None:
        super()._prepare()
        self._failed: dict[str, BaseException | None] = {}

    async def get_or_load(self, key: str, loader: Loader, ttl: float | None = None) -> Any:
        """As ever, but what failed once fails again."""
        failed = self._failed.get(key)
        if failed is not None:
            raise failed
        return await super().get_or_load(key, loader, ttl)


class SlowFill(LoadingCache):
    """What was loaded is stored though the key was deleted meanwhile (row 6, caffeine#193)."""

    def _outdate(self, key: str) -> None:
        """Let the load go on as if nothing were."""


class LoadTtlDropped(LoadingCache):
    """What was loaded is kept for the default ttl whatever the caller asked for (row 1)."""

    async def _load(self, flight: Flight, key: str, loader: Loader, ttl: float | None) -> Any:
        return await super()._load(flight, key, loader, None)


class LoadLeftBehind(LoadingCache):
    """Loads go on when their callers are cancelled, as they may, but past shutdown as well (row 16)."""

    async def _join(self, flight: Flight) -> Any:
        await asyncio.wait([flight.task])
        return flight.task.result()

    def _background(self) -> list[asyncio.Task[Any]]:
        return PlainCache._background(self)
