"""A migration manager between two sides that note what they are asked, and can be told to fail or to wait."""

from __future__ import annotations

import asyncio
from typing import Any

from cache_impls.improved import ImprovedAsyncCache
from cache_impls.migration import CacheMigrationManager


class Recording(ImprovedAsyncCache):
    """A side that notes what it is asked, and can be told to fail or to wait."""

    def __init__(self, name: str, log: list[tuple[str, str]]) -> None:
        super().__init__()
        self.name, self.log = name, log
        self.fails: set[str] = set()
        self.gate: asyncio.Event | None = None
        self.waiting = asyncio.Event()

    async def _asked(self, operation: str) -> None:
        self.log.append((self.name, operation))
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        if operation in self.fails:
            raise ConnectionError(f"{self.name} {operation}")

    async def get(self, key: str) -> Any | None:
        await self._asked("get")
        return await super().get(key)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        await self._asked("set")
        await super().set(key, value, ttl)

    async def delete(self, key: str) -> bool:
        await self._asked("delete")
        return await super().delete(key)


class Pair:
    """A manager with its two sides."""

    def __init__(self, stage: str = "off", **options: Any) -> None:
        self.log: list[tuple[str, str]] = []
        self.old, self.new = Recording("old", self.log), Recording("new", self.log)
        self.manager = CacheMigrationManager(self.old, self.new, stage=stage, environ={}, **options)
