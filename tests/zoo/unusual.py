"""More decoys: correct caches that a review found accused. Each differs from the reference in one thing."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from plain import Flight, Loader, LoadingCache, PlainCache

from cache_impls.protocol import Promises


class ManySweepersCache(PlainCache):
    """Correct: sixteen sweepers, each with its timer, that it has from the beginning."""

    def _prepare(self) -> None:
        self._sweepers: list[asyncio.Task[None]] = []

    async def initialize(self) -> None:
        """Start them."""
        self._use()

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweepers = [loop.create_task(self._sweep_forever()) for _ in range(16)]

    def _background(self) -> list[asyncio.Task[Any]]:
        return list(self._sweepers)


class LoadError(RuntimeError):
    """A load failed."""


class WrappingLoaderCache(LoadingCache):
    """Correct: a loader's failure reaches its callers in the cache's own words, and nobody else."""

    async def _load(self, flight: Flight, key: str, loader: Loader, ttl: float | None) -> Any:
        try:
            return await super()._load(flight, key, loader, ttl)
        except Exception as error:
            raise LoadError(f"{key} could not be loaded") from error


class UnheardLoadCache(LoadingCache):
    """Correct: a load whose callers have all gone away fails unheard."""

    def _landed(self, key: str, flight: Flight, task: asyncio.Task[Any]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


class QuietDeleteCache(PlainCache):
    """Correct: delete does not say whether there was anything; the counters do."""

    async def delete(self, key: str) -> None:  # type: ignore[override]  # that is what is unusual
        """Remove key."""
        await super().delete(key)


class KeywordLoadCache(LoadingCache):
    """Correct: the ttl of get_or_load is by keyword."""

    async def get_or_load(self, key: str, loader: Loader, *, ttl: float | None = None) -> Any:  # type: ignore[override]  # that is what is unusual
        """As ever."""
        return await super().get_or_load(key, loader, ttl)


class LoadWithoutTtlCache(LoadingCache):
    """Correct: get_or_load takes no ttl, so what is loaded lives as long as the default says."""

    async def get_or_load(self, key: str, loader: Loader) -> Any:  # type: ignore[override]  # that is what is unusual
        """As ever."""
        return await super().get_or_load(key, loader, None)


class UnseededEvictionCache(PlainCache):
    """Correct, but not the same twice: it evicts by chance, from the system's own generator."""

    def _evict(self, spare: str) -> None:
        self._remove(random.SystemRandom().choice([key for key in self._entries if key != spare]))
        self._counts["evictions"] += 1


class ForgottenFlightsCache(LoadingCache):
    """Correct: a write forgets the load that is under way, so the next reader begins another beside it."""

    def _prepare(self) -> None:
        super()._prepare()
        self._forgotten: set[asyncio.Task[Any]] = set()

    def _outdate(self, key: str) -> None:
        flight = self._flights.pop(key, None)
        if flight is not None:
            flight.outdated = True
            self._forgotten.add(flight.task)
            flight.task.add_done_callback(self._forgotten.discard)

    def _empty(self) -> None:
        for key in list(self._flights):
            self._outdate(key)
        super()._empty()

    def _background(self) -> list[asyncio.Task[Any]]:
        return [*super()._background(), *self._forgotten]


class DoorkeeperCache(PlainCache):
    """Correct as declared: a key is admitted at its second write."""

    promises = Promises(forgets=True)

    def _prepare(self) -> None:
        self._seen: set[str] = set()

    def _store(self, key: str, value: Any, deadline: float) -> None:
        if key in self._seen:
            super()._store(key, value, deadline)
        else:
            self._seen.add(key)
            self._counts["sets"] += 1


class SmallByDefaultCache(PlainCache):
    """Correct: made without a bound of one's own it has room for three."""

    def __init__(self, max_entries: int = 3, default_ttl: float = 300.0, cleanup_interval: float = 30.0) -> None:
        super().__init__(max_entries, default_ttl, cleanup_interval)
