"""Faults of a migration between two caches: one method of the manager each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from zoo_base import RemoteCache

from cache_impls.dialects import Adapted
from cache_impls.migration import CacheMigrationManager, _Record
from cache_impls.protocol import check_key
from cache_impls.stages import STAGES, Side, Stage


class Migration(CacheMigrationManager):
    """The correct manager over two caches that suspend in every operation."""

    def __init__(self, stage: str = "live", percentage: float = 100, max_entries: int = 1000) -> None:
        old, new = RemoteCache(max_entries=max_entries), RemoteCache(max_entries=max_entries)
        super().__init__(old, new, stage=stage, percentage=percentage, environ={})


class CopyLosesDeadline(Migration):
    """A copy gets the new side's default ttl instead of what remains, and its deadline is forgotten (row 1, Resync)."""

    async def _copy(self, key: str, value: Any, record: _Record | None) -> None:
        if record is None:
            return
        async with self._locked(key):
            if self._records.get(key) is record and self.stage_of(key) is Stage.LIVE:
                await self._sides[Side.NEW].set(key, value)
                del self._records[key]
                self._unreadable[Side.NEW].discard(key)
                self._count("copies")


class CopyAfterOverwrite(Migration):
    """A copy looks for the key's record after its read, not before, and carries an old value over a new one (row 2)."""

    async def _copy(self, key: str, value: Any, record: _Record | None) -> None:
        await super()._copy(key, value, self._records.get(key))


class DeleteOnAnsweringSide(Migration):
    """A delete reaches only the side that answers first, and the other one resurrects the key (row 4, Resync)."""

    async def delete(self, key: str) -> bool:
        """Remove key where it is read."""
        check_key(key)
        self._refuse_if_closed()
        async with self._locked(key):
            self._records.pop(key, None)
            side = STAGES[self.stage_of(key)].answer[0]
            was_live = key not in self._unreadable[side]
            was_live = bool(await self._sides[side].delete(key)) and was_live
        self._counts["deletes"] += was_live
        return was_live


class RollbackKeepsOld(Migration):
    """A rollback starts to read and write a side that was not written meanwhile, without emptying it (row 21)."""

    async def _move(self, stage: Stage, use_new: bool) -> bool:
        self._stage, self._use_new = stage, use_new
        self._epoch += 1
        return False


class CompleteWritesOld(Migration):
    """In `complete` the old side is still written: nobody sees it until the old cluster goes (row 21)."""

    async def _write(self, key: str, operation: Callable[[Adapted], Awaitable[Any]]) -> dict[Side, Any]:
        answers = await super()._write(key, operation)
        if self.stage_of(key) is Stage.COMPLETE:
            await operation(self._sides[Side.OLD])
        return answers


class UnlockedWrites(Migration):
    """Writes to one key take no lock, so two writers can leave the sides different for good (row 5)."""

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[None]:
        yield


class SideErrorSwallowed(Migration):
    """A write that the second side refused, or that was cut off before it, leaves that side readable (row 3)."""

    async def _write(self, key: str, operation: Callable[[Adapted], Awaitable[Any]]) -> dict[Side, Any]:
        first, *others = STAGES[self.stage_of(key)].write
        answers = {first: await operation(self._sides[first])}
        self._unreadable[first].discard(key)
        for side in others:
            try:
                answers[side] = await operation(self._sides[side])
            except Exception:  # counted, and that is all: the fault
                self._count(f"errors_{side}_write")
        return answers


class PercentageNotWired(Migration):
    """The percentage is accepted and `live` holds for every key (row 22)."""

    def stage_of(self, key: str) -> Stage:
        """The stage for all."""
        return self.stage
