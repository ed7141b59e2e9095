"""HierarchyCache: a first tier in process, and behind it a second one that may be slow, wrong or away.

The second tier holds what the first has no more room for: the overflow of this process, shared with nobody. It may
forget at any time, so the whole forgets; it never lies, because of these rules:
1. A write whose outcome in L2 is not known to be good (an error, a timeout, a cancellation, a breaker that is open)
   gives its key another name there (`names`). Whatever lands late lands where nobody reads. A clear gives every key
   another name, and asks L2 nothing.
2. What L2 holds is (deadline, value). The deadline is of this process's own clock: a read past it misses, whatever L2
   makes of its own ttl, and a copy in L1 gets what remains. (So L1 has to do at once what it is asked: one that let
   time pass first would let the copy live for as much longer.)
3. Writes, deletes and fills of a key take its lock, and write L1 first. Who finds nothing in L1 waits for the lock
   before L2 is asked, so nobody sees the new value and then the old one. A hit in L1 takes no lock and waits for
   nobody.
4. The name is taken before L1 is written: of a write that a clear overtakes nothing can be read in L2.
5. What was read in L2 is not copied into L1 if an epoch has begun since. A copy and a clear of L1 exclude each other.
6. One reader of a key asks L2, and those who come meanwhile share the answer, unless a clear came between. If it is
   cancelled, the next asks.
7. No operation fails because of L2. What fails there is counted.

A server must not go back in time while it runs: one that falls over to a copy that lags, or starts again from an old
file, brings back what it had acknowledged to be gone, and nobody can tell from here.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cache_impls.breaker import Breaker
from cache_impls.dialects import Adapted
from cache_impls.far import Far, Reply
from cache_impls.keylocks import KeyLocks
from cache_impls.names import Names, Outcome
from cache_impls.protocol import CacheClosedError, check_bound, check_key, check_ttl, check_value
from cache_impls.tiers import far_tier, is_private, near_tier

_RENAMED_KEYS = 100_000
"""Keys with a generation of their own, before an epoch makes them all anew: 14 MiB, keys of 15 characters included."""


class _Entry(NamedTuple):
    """What L2 holds under a name, there as a plain tuple; deadline in seconds of this process's loop."""

    deadline: float
    value: Any


class _Flight:
    """A reader who asks L2, and on whom others wait."""

    __slots__ = ("ended", "entry", "epoch", "landed")

    def __init__(self, ended: asyncio.Future[None]) -> None:
        self.ended = ended
        self.epoch: int | None = None
        """In which L2 was asked; None before."""
        self.landed = False
        """Whether L2 was asked, and entry says what it answered: nothing where it failed."""
        self.entry: _Entry | None = None


class HierarchyCache:
    """Two tiers as one cache (dialect: `ttl`, `shutdown`, `get_stats`).

    l1 is the spec of a cache in process that does at once what it is asked. l2 is the URL of a server (`valkey://`,
    `redis://`, `resp://` for a host of ours), else the spec of another cache in process, which is what `check` explores
    in virtual time. max_entries bounds L1, and default_ttl holds for both. A request of L2 takes at most l2_timeout
    seconds, and at most l2_connections are under way; after breaker_failures in a row nobody asks for breaker_seconds.

    It has no `size`: what L2 has evicted by itself nobody here knows, and a size that is a guess would be a lie.
    Raises TypeError or ValueError for a parameter out of range.
    """

    def __init__(
        self,
        l1: str = "improved",
        l2: str = "improved",
        default_ttl: float = 300,
        max_entries: int = 100_000,
        l2_timeout: float = 0.25,
        l2_connections: int = 16,
        breaker_failures: int = 5,
        breaker_seconds: float = 2.0,
    ) -> None:
        check_bound("default_ttl", default_ttl, whole=False)
        check_bound("max_entries", max_entries)
        check_bound("l2_timeout", l2_timeout, whole=False)
        check_bound("l2_connections", l2_connections)
        check_bound("breaker_failures", breaker_failures)
        check_bound("breaker_seconds", breaker_seconds, whole=False)
        self._l1 = near_tier(l1, max_entries)
        self._default_ttl = default_ttl
        self._counts: Counter[str] = Counter()
        self._far = Far(
            far_tier(l2, l2_timeout, l2_connections),
            timeout=l2_timeout,
            places=l2_connections,
            breaker=Breaker(breaker_failures, breaker_seconds),
            counts=self._counts,
        )
        # What else L2 may declare, to be early or late, the deadline makes good.
        weak = self._l1.promises.weak or self._far.tier.promises.weak
        self.promises = self._l1.promises._replace(weak=weak)
        self._names = Names(_RENAMED_KEYS, shared=not is_private(l2))
        self._locks = KeyLocks()
        self._flights: dict[str, _Flight] = {}
        self._filling = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        if self._l1.initialize is not None or self._far.tier.initialize is not None:
            self.initialize = self._initialize

    # Operations

    async def get(self, key: str) -> Any | None:
        """The live value of key, from L1, else from L2."""
        check_key(key)
        self._refuse_if_closed()
        value = await self._near_get(key)
        if value is None:
            self._follow()
            value = await self._get_beyond(key)
            self._counts["misses"] += value is None
        return value

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds, or for the default, in both tiers."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._refuse_if_closed()
        self._follow()
        lifetime = self._default_ttl if ttl is None else ttl
        async with self._locks.hold(key):
            name, outcome = self._names.of(key), Outcome.UNKNOWN
            try:
                # From before the write: L2 may end early, never late.
                deadline = self._now() + lifetime
                await self._l1.set(key, value, lifetime)
                outcome = (await self._far.ask("set", name, (deadline, value), lifetime)).outcome
            finally:
                self._names.settle(key, name, outcome)
        self._counts["sets"] += 1

    async def delete(self, key: str) -> bool:
        """Remove key from both tiers; True if it was live in one of them."""
        check_key(key)
        self._refuse_if_closed()
        self._follow()
        async with self._locks.hold(key):
            name, outcome = self._names.of(key), Outcome.UNKNOWN
            try:
                was_live = bool(await self._l1.delete(key))
                far = Reply(Outcome.UNKNOWN) if was_live else await self._far.ask("get", name)
                if far.answer is not None:
                    was_live = self._live(_Entry(*far.answer)) is not None
                outcome = far.outcome
                if outcome is not Outcome.DONE or far.answer is not None:  # else nothing is there
                    outcome = (await self._far.ask("delete", name)).outcome
            finally:
                self._names.settle(key, name, outcome)
        self._counts["deletes"] += was_live
        return was_live

    async def clear(self) -> None:
        """Remove every entry: L1's by asking it, L2's by another name for each key."""
        self._refuse_if_closed()
        self._follow()
        self._names.renew()
        async with self._filling:
            await self._l1.clear()

    def get_stats(self) -> dict[str, Any]:
        """Counters of the whole, what passed between the tiers, and each tier's own.

        l2_forged counts what L2 held under a name of ours that this process had not written there: each is a miss.
        """
        tiers = {name: dict(tier.get_stats()) for name, tier in (("l1", self._l1), ("l2", self._far.tier))}
        totals = {name: sum(int(stats.get(name) or 0) for stats in tiers.values()) for name in _SUMMED}
        counts = {name: self._counts[name] for name in _COUNTED}
        counts["hits"] = counts["l1_hits"] + counts["l2_hits"]
        names = {"renamed": self._names.renamed, "epochs": self._names.epoch}
        return counts | totals | names | {"breaker_state": self._breaker_state()} | tiers

    @property
    def incidents(self) -> Mapping[str, int]:
        """What L2 held that was forged, and the incidents of both tiers."""
        own = Counter(forged=self._counts["l2_forged"])
        return own + Counter(self._l1.incidents()) + Counter(self._far.tier.incidents())

    async def shutdown(self) -> None:
        """Shut both tiers down; may be called twice. A server's entries end by their ttl, or with the run (`sweep`)."""
        self._closed = True
        await self._l1.shutdown()
        await self._far.tier.shutdown()

    def interpose(self, wrap: Callable[[str, Adapted], Adapted]) -> None:
        """Put what wrap makes of L2 in its place, before the first use: faults stand there. L1 does not fail."""
        self._far.tier = wrap("l2", self._far.tier)

    # Inside

    async def _initialize(self) -> None:
        """Initialise the tiers that want to be. A server by its URL does not: without it L1 serves."""
        for tier in (self._l1, self._far.tier):
            if tier.initialize is not None:
                await tier.initialize()

    async def _get_beyond(self, key: str) -> Any | None:
        """The live value of key where L1 had none: from L2, or from who is asking it already."""
        while True:
            flight = self._flights.get(key)
            if flight is None:
                return await self._lead(key)
            joins = flight.epoch in (None, self._names.epoch)
            await asyncio.wait([flight.ended])
            if joins and flight.landed:
                self._counts["l2_shared"] += 1
                return self._hit_beyond(flight.entry)
            value = await self._near_get(key)
            if value is not None:
                return value

    async def _lead(self, key: str) -> Any | None:
        flights = self._flights  # of this loop: another begins with none
        flight = flights[key] = _Flight(asyncio.get_running_loop().create_future())
        try:
            async with self._locks.hold(key):
                value = await self._near_get(key)  # a write of key may have been under way
                if value is not None:
                    return value
                flight.epoch = self._names.epoch
                reply = await self._far.ask("get", self._names.of(key))
                if reply.answer is not None:
                    flight.entry = _Entry(*reply.answer)
                    await self._fill(key, flight.entry, flight.epoch)
                flight.landed = True
                return self._hit_beyond(flight.entry)
        finally:
            # At once with the lock: who comes after the next write must not find what was read before it.
            del flights[key]
            flight.ended.set_result(None)

    async def _fill(self, key: str, entry: _Entry, epoch: int) -> None:
        """Copy into L1 what was read in L2 in an epoch, for what remains of its life."""
        async with self._filling:
            remaining = entry.deadline - self._now()
            if remaining > 0 and epoch == self._names.epoch:
                await self._l1.set(key, entry.value, remaining)

    async def _near_get(self, key: str) -> Any | None:
        value = await self._l1.get(key)
        if value is not None:
            self._counts["l1_hits"] += 1
        return value

    def _hit_beyond(self, entry: _Entry | None) -> Any | None:
        value = self._live(entry)
        if value is not None:
            self._counts["l2_hits"] += 1
        return value

    def _live(self, entry: _Entry | None) -> Any | None:
        """The value of an entry whose time is not over."""
        return None if entry is None or entry.deadline <= self._now() else entry.value

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _breaker_state(self) -> str:
        try:
            now = self._now()
        except RuntimeError:  # no loop runs, so there is no time at which it might be over
            now = -math.inf
        return self._far.breaker.state(now).value

    def _follow(self) -> None:
        """Begin anew on another event loop: its clock is another, and in the child of a fork the names are shared."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._loop is not None:
            self._names.move()
            self._locks, self._flights, self._filling = KeyLocks(), {}, asyncio.Lock()
            self._far.follow()
        self._loop = loop

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise CacheClosedError("HierarchyCache was shut down")


_COUNTED = (
    *("misses", "sets", "deletes"),
    *("l1_hits", "l2_hits", "l2_shared", "l2_errors", "l2_timeouts", "l2_skipped", "l2_forged"),
)
_SUMMED = ("evictions", "expirations")
"""Of the tiers: an entry that left both counts twice."""
