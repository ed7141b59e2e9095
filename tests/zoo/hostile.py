"""Caches that the check process has to survive: they block, end the process, hang, and cannot be built."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, NoReturn

from cache_impls.improved import ImprovedAsyncCache


class Blocks(ImprovedAsyncCache):
    """Never gives control back from its ninth get."""

    _calls = 0

    async def get(self, key: str) -> Any | None:
        """An endless loop without an await."""
        self._calls += 1
        while self._calls == 9:
            pass
        return await super().get(key)


class EndsTheProcess(ImprovedAsyncCache):
    """Exits in clear."""

    async def clear(self) -> None:
        """No way back."""
        os._exit(3)


class Hangs(ImprovedAsyncCache):
    """Waits in clear for what never comes."""

    async def clear(self) -> None:
        """For ever."""
        await asyncio.Event().wait()


class SleepsInTheLoop(ImprovedAsyncCache):
    """Correct, but blocks the loop in clear."""

    async def clear(self) -> None:
        """A real wait, if time were real."""
        time.sleep(0.01)  # noqa: ASYNC251  # this is the fault
        await super().clear()


class UsesThreads(ImprovedAsyncCache):
    """Correct, and works in a thread."""

    async def get(self, key: str) -> Any | None:
        """Where the simulation cannot follow."""
        await asyncio.to_thread(int)
        return await super().get(key)


class ThreadsAndStale(UsesThreads):
    """Works in a thread, and keeps the first value of a key."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Only what is new."""
        if await self.get(key) is None:
            await super().set(key, value, ttl)


def raises() -> NoReturn:
    """A factory that fails."""
    raise RuntimeError("no such luck")


def aborts() -> NoReturn:
    """A factory that takes the process with it."""
    os.abort()
