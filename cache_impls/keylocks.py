"""A lock for each key that somebody holds or waits for, and for no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class KeyLocks:
    """Locks by key, made when they are asked for; for one event loop."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: dict[str, int] = {}

    def __len__(self) -> int:
        """How many keys somebody holds or waits for."""
        return len(self._locks)

    def __contains__(self, key: object) -> bool:
        """Whether somebody holds or waits for the lock of key."""
        return key in self._locks

    async def drain(self) -> None:
        """Wait for all who hold or wait for a lock now; who comes meanwhile may be waited for too."""
        for lock in list(self._locks.values()):
            async with lock:
                pass

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Hold the lock of key, first come first served."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._users[key] = self._users.get(key, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]
