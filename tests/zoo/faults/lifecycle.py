"""Faults of a cache's life: its parameters, its loops, its end, and calls that it should refuse."""

from __future__ import annotations

import asyncio
from typing import Any

from zoo_base import PlainCache

from cache_impls.protocol import check_key, check_ttl, check_value


class SweeperLeft(PlainCache):
    """Shutdown does not end the sweep (row 16, async-lru#480)."""

    def _background(self) -> list[asyncio.Task[Any]]:
        return []


class TimersPerSet(PlainCache):
    """Every write starts a timer, and neither an overwrite nor shutdown ends it (row 16, aiocache#807)."""

    def _store(self, key: str, value: Any, deadline: float) -> None:
        super()._store(key, value, deadline)
        asyncio.get_running_loop().call_at(deadline, self._live, key)


class ShutdownOnce(PlainCache):
    """A second shutdown raises (contract, rule 5)."""

    async def shutdown(self) -> None:
        """End the sweep, which must be there."""
        if self._closed:
            raise RuntimeError("already shut down")
        await super().shutdown()


class WorksAfterShutdown(PlainCache):
    """After shutdown it goes on as if nothing had been (contract, rule 5)."""

    def _use(self) -> None:
        if not self._closed:
            super()._use()


class FirstLoopOnly(PlainCache):
    """Its connection belongs to the loop of the first call, and a second loop gets an error (aiocache#260)."""

    _home: asyncio.AbstractEventLoop | None = None

    async def get(self, key: str) -> Any | None:
        """Ask over the connection."""
        check_key(key)
        self._use()
        self._home = self._home or asyncio.get_running_loop()
        answer = self._home.create_future()
        self._home.call_soon(_resolve, answer)
        await answer
        return await super().get(key)


class ValidatesAfterStore(PlainCache):
    """A write with a bad ttl is refused after it was stored (contract, rule 2)."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store for the default, then look at the ttl."""
        await super().set(key, value)
        check_ttl(ttl)
        if ttl is not None:
            self._entries[key] = self._entries[key]._replace(deadline=self._deadline(ttl))


class DropsBeforeValidating(PlainCache):
    """A write makes room first, so a bad value is refused after the old entry went (contract, rule 2)."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Remove, then check, then store."""
        check_key(key)
        self._use()
        if key in self._entries:
            self._remove(key)
        check_value(value)
        await super().set(key, value, ttl)


class DefaultTtlNotWired(PlainCache):
    """`default_ttl` is accepted and five minutes are used (row 22, Resync)."""

    def _deadline(self, ttl: float | None) -> float:
        return self._now() + (300 if ttl is None else ttl)


class CleanupIntervalNotWired(PlainCache):
    """`cleanup_interval` is accepted and five seconds are used (row 22, Resync)."""

    def _prepare(self) -> None:
        self._cleanup_interval = 5


def _resolve(answer: asyncio.Future[None]) -> None:
    if not answer.done():
        answer.set_result(None)
