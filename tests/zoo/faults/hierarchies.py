"""Faults of a hierarchy whose second tier may be late: one method each."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import zoo_base  # noqa: F401  # puts the folder of `late` on the import path

from cache_impls.hierarchy import HierarchyCache, _Entry, _Flight
from cache_impls.names import Outcome
from cache_impls.protocol import check_key, check_ttl, check_value

LATE = f"{Path(__file__).resolve().parent.parent}/late.py:LateCache"


class Hierarchy(HierarchyCache):
    """The correct one, with room for one entry near, so that far is asked, and a breaker that opens soon."""

    def __init__(self, max_entries: int = 1) -> None:
        super().__init__(l2=LATE, max_entries=max_entries, breaker_failures=2)


class FailedDeleteKeepsName(Hierarchy):
    """A delete that the far tier refused, or did not answer, is done: what it holds comes back (row 4)."""

    async def delete(self, key: str) -> bool:
        """Remove near, then far, and hope."""
        check_key(key)
        self._refuse_if_closed()
        self._follow()
        async with self._locks.hold(key):
            name = self._names.of(key)
            was_live = bool(await self._l1.delete(key))
            found = (await self._far.ask("get", name)).answer
            was_live = was_live or (found is not None and self._live(_Entry(*found)) is not None)
            await self._far.ask("delete", name)
        self._counts["deletes"] += was_live
        return was_live


class LateSetKeepsName(Hierarchy):
    """A set that timed out keeps its name: what was there before is answered, until the set lands (row 3)."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Write near, then far."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._refuse_if_closed()
        self._follow()
        lifetime = self._default_ttl if ttl is None else ttl
        async with self._locks.hold(key):
            name, outcome = self._names.of(key), Outcome.UNKNOWN
            try:
                deadline = self._now() + lifetime
                await self._l1.set(key, value, lifetime)
                outcome = (await self._far.ask("set", name, _Entry(deadline, value), lifetime)).outcome
                if outcome is Outcome.UNKNOWN:
                    outcome = Outcome.DONE
            finally:
                self._names.settle(key, name, outcome)
        self._counts["sets"] += 1


class CutOffSetKeepsName(Hierarchy):
    """A set that is cancelled between the tiers leaves the old value in the far one, to be read again (row 14)."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Write near, then far."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._refuse_if_closed()
        self._follow()
        lifetime = self._default_ttl if ttl is None else ttl
        async with self._locks.hold(key):
            name = self._names.of(key)
            deadline = self._now() + lifetime
            await self._l1.set(key, value, lifetime)
            reply = await self._far.ask("set", name, _Entry(deadline, value), lifetime)
            self._names.settle(key, name, reply.outcome)
        self._counts["sets"] += 1


class OpenBreakerIsSuccess(Hierarchy):
    """A delete that the breaker held back counts as done: when the far tier is asked again, the key is back (row 4)."""

    async def delete(self, key: str) -> bool:
        """Remove near, then far unless it is said to be away."""
        check_key(key)
        self._refuse_if_closed()
        self._follow()
        async with self._locks.hold(key):
            name, outcome = self._names.of(key), Outcome.UNKNOWN
            try:
                was_live = bool(await self._l1.delete(key))
                outcome = (await self._far.ask("delete", name)).outcome
                if outcome is Outcome.NEVER_SENT:
                    outcome = Outcome.DONE
            finally:
                self._names.settle(key, name, outcome)
        self._counts["deletes"] += was_live
        return was_live


class FillAfterClear(Hierarchy):
    """What was read far before a clear is copied near after it (row 2)."""

    async def _fill(self, key: str, entry: _Entry, epoch: int) -> None:
        await super()._fill(key, entry, self._names.epoch)


class FillRestartsTtl(Hierarchy):
    """A copy gets a whole life, not what remains of it (row 1)."""

    async def _fill(self, key: str, entry: _Entry, epoch: int) -> None:
        await super()._fill(key, entry._replace(deadline=self._now() + self._default_ttl), epoch)


class ReaderCancelPoisons(Hierarchy):
    """Who waits for a reader that is cancelled is cancelled as well (row 14, async-lru#697)."""

    async def _get_beyond(self, key: str) -> Any | None:
        flight = self._flights.get(key)
        if flight is not None:
            await asyncio.wait([flight.ended])
            if not flight.landed and await self._near_get(key) is None:
                raise asyncio.CancelledError
        return await super()._get_beyond(key)


class JoinsAcrossClear(Hierarchy):
    """A reader that comes after a clear shares what another had asked for before it (row 2)."""

    async def _get_beyond(self, key: str) -> Any | None:
        flight: _Flight | None = self._flights.get(key)
        if flight is not None:
            await asyncio.wait([flight.ended])
            if flight.landed:
                return self._hit_beyond(flight.entry)
        return await super()._get_beyond(key)
