"""CacheMigrationManager: two caches behind one interface while traffic moves from the old to the new.

The stage table is `stages.STAGES`. Rules:
1. Writes to one key keep one order on both sides: each takes the key's lock.
2. A copy from old to new carries what remains of the key's deadline; without a known deadline nothing is
   copied. It takes the key's lock and goes ahead only if no write or delete came after the read it stems from.
3. A write or delete that one side refused, or that was cut off half way, makes the key unreadable on the
   side that may be behind, before anyone can read it, and is counted.
4. An error of a side is raised, or counted and answered by the other side; it never becomes a plain miss.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from cache_impls.dialects import Adapted, adapt
from cache_impls.keylocks import KeyLocks
from cache_impls.protocol import CacheClosedError, check_key, check_ttl, check_value
from cache_impls.registry import make
from cache_impls.stages import ORDER, STAGES, Side, Stage, bucket, flag, to_percentage, to_stage

_PRUNE_EVERY = 4_096


class _Record(NamedTuple):
    """The last accepted write to a key; its identity tells whether another came since."""

    deadline: float


class CacheMigrationManager:
    """Serves from two caches by stage, and can move between stages while it serves.

    legacy and new are caches in any dialect the registry adapts. stage and percentage override the flags
    `APP_MIGRATION_STAGE` and `APP_MIGRATION_NEW_CACHE_PERCENT`; all flags are read from environ once, at
    the start, and change at run time through the methods. Raises ValueError for an unknown stage or a
    percentage outside 0 to 100.
    """

    def __init__(
        self,
        legacy: object,
        new: object,
        *,
        stage: Stage | str | None = None,
        percentage: float | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        flags = os.environ if environ is None else environ
        use_new = flag(flags, "APP_MIGRATION_USE_NEW_CACHE")
        default_stage = Stage.LIVE if use_new else Stage.OFF
        self._use_new = use_new is not False
        self._stage = to_stage(stage or flags.get("APP_MIGRATION_STAGE") or default_stage)
        text = flags.get("APP_MIGRATION_NEW_CACHE_PERCENT")
        self._percentage = to_percentage(percentage if percentage is not None else float(text or 100))
        self._count_metrics = flag(flags, "APP_MIGRATION_ENABLE_METRICS") is not False
        self._sides: dict[Side, Adapted] = {Side.OLD: adapt(legacy), Side.NEW: adapt(new)}
        self._unreadable: dict[Side, set[str]] = {Side.OLD: set(), Side.NEW: set()}
        self._records: dict[str, _Record] = {}
        self._locks = KeyLocks()
        self._epoch = 0
        self._clearing = asyncio.Lock()
        self._cleared: asyncio.Future[None] | None = None
        """While a clear is under way: writes wait for it."""
        self._prune_in = _PRUNE_EVERY
        self._closed = False
        self._moving = asyncio.Lock()
        self._counts: Counter[str] = Counter()
        if any(cache.initialize is not None for cache in self._sides.values()):
            self.initialize = self._initialize

    # Operations

    async def get(self, key: str) -> Any | None:
        """The live value of key, from the side that the key's stage reads."""
        check_key(key)
        self._refuse_if_closed()
        while True:
            epoch = self._epoch
            stage = self.stage_of(key)
            if stage is Stage.LIVE:
                value = await self._get_with_fallback(key)
            elif stage is Stage.SHADOW:
                value = await self._get_in_shadow(key)
            else:
                value = await self._read(STAGES[stage].read[0], key)
            if epoch == self._epoch:
                break
        self._counts["misses" if value is None else "hits"] += 1
        return value

    async def set(self, key: str, value: Any, ttl: float | None = None, *, ttl_seconds: float | None = None) -> None:
        """Store value on the sides that the key's stage writes; ttl_seconds is the legacy name of ttl."""
        check_key(key)
        check_value(value)
        ttl = ttl_seconds if ttl is None else ttl
        check_ttl(ttl)
        self._refuse_if_closed()

        async with self._locked(key):
            self._records.pop(key, None)
            # From before the write: a copy may end early, never late.
            began = asyncio.get_running_loop().time()
            await self._write(key, lambda cache: cache.set(key, value, ttl))
            if ttl is not None:
                self._remember(key, began + ttl)
        self._counts["sets"] += 1

    async def delete(self, key: str) -> bool:
        """Remove key from both sides; True if it was live where reads are answered."""
        check_key(key)
        self._refuse_if_closed()
        async with self._locked(key):
            self._records.pop(key, None)
            readable = [side for side in STAGES[self.stage_of(key)].answer if key not in self._unreadable[side]]
            answers = await self._write(key, lambda cache: cache.delete(key))
            was_live = any(answers.get(side) for side in readable)
        self._counts["deletes"] += was_live
        return was_live

    async def clear(self) -> None:
        """Remove every entry from both sides."""
        self._refuse_if_closed()
        async with self._no_writes():
            self._records.clear()
            for side, cache in self._sides.items():
                await cache.clear()
                self._unreadable[side].clear()

    async def size(self) -> int:
        """The number of live entries on the side that answers."""
        self._refuse_if_closed()
        return int(await self._sides[STAGES[self.stage].answer[0]].size())

    def get_stats(self) -> dict[str, Any]:
        """The manager's own counters, what moved between the sides, and each side's counters."""
        counts = {name: self._counts[name] for name in ("hits", "misses", "sets", "deletes")}
        sides = {side: dict(cache.get_stats()) for side, cache in self._sides.items()}
        totals = {
            name: sum(int(stats.get(name) or 0) for stats in sides.values()) for name in ("evictions", "expirations")
        }
        moved = {name: count for name, count in self._counts.items() if name not in counts}
        state = {"stage": self.stage.value, "percentage": self._percentage}
        return counts | totals | moved | state | {side.value: stats for side, stats in sides.items()}

    get_detailed_metrics = get_stats

    @property
    def incidents(self) -> Mapping[str, int]:
        """Those of both sides."""
        return Counter(self._sides[Side.OLD].incidents()) + Counter(self._sides[Side.NEW].incidents())

    async def shutdown(self) -> None:
        """Shut both sides down; may be called twice."""
        self._closed = True
        self._records.clear()
        results = await asyncio.gather(*(cache.shutdown() for cache in self._sides.values()), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    stop = shutdown

    # Moving

    @property
    def stage(self) -> Stage:
        """The stage in force."""
        return self._stage if self._use_new else Stage.OFF

    def stage_of(self, key: str) -> Stage:
        """The stage in force for key: `live` holds for the percentage of keys, the rest stay in `dualwrite`."""
        stage = self.stage
        if stage is Stage.LIVE and self._percentage < 100 and bucket(key) >= self._percentage:
            return Stage.DUALWRITE
        return stage

    @property
    def stages(self) -> tuple[str, ...]:
        """All stages, in order."""
        return tuple(stage.value for stage in ORDER)

    @property
    def dual(self) -> bool:
        """Whether both sides are written in the stage in force."""
        return len(STAGES[self.stage].write) == len(Side)

    def interpose(self, wrap: Callable[[str, Adapted], Adapted]) -> None:
        """Put what wrap makes of each side in its place, before the first use: faults and recorders stand there."""
        self._sides = {side: wrap(side.value, cache) for side, cache in self._sides.items()}

    async def peek(self, side: Side | str, key: str) -> Any | None:
        """What a reader whom that side answers would get; counted nowhere. For audits."""
        return await self._read(Side(side), key)

    async def set_stage(self, stage: Stage | str) -> bool:
        """Move one stage forward or to any earlier one; True if a side had to start cold.

        Raises ValueError for a move that skips a stage.
        """
        target = to_stage(stage)
        async with self._moving:
            if ORDER.index(target) > ORDER.index(self._stage) + 1:
                following = ORDER[ORDER.index(self._stage) + 1]
                raise ValueError(f"from {self._stage} the next stage is {following}, not {target}")
            return await self._move(target, self._use_new)

    async def set_use_new_cache(self, use_new: bool) -> bool:
        """Switch the migration off whatever its stage, or on again; True if a side had to start cold.

        Switched on from `off` it is `live`, as the flag alone means at the start.
        """
        async with self._moving:
            stage = Stage.LIVE if use_new and self._stage is Stage.OFF else self._stage
            return await self._move(stage, use_new)

    def set_enable_metrics(self, enabled: bool) -> None:
        """Whether to count what moves between the sides."""
        self._count_metrics = enabled

    def set_percentage(self, percentage: float) -> None:
        """The share of keys that `live` holds for, 0 to 100."""
        self._percentage = to_percentage(percentage)
        self._epoch += 1

    async def _move(self, stage: Stage, use_new: bool) -> bool:
        before = self.stage
        after = stage if use_new else Stage.OFF
        cold = False
        for side in Side:
            # A side that was not written and is about to be read or written holds old news.
            if side not in STAGES[before].write and side in STAGES[after].write:
                async with self._no_writes():
                    await self._sides[side].clear()
                    self._unreadable[side].clear()
                cold = True
        self._stage, self._use_new = stage, use_new
        self._epoch += 1
        self._counts["cold_starts"] += cold
        return cold

    # Inside

    async def _initialize(self) -> None:
        """Initialise the sides that want to be."""
        for cache in self._sides.values():
            if cache.initialize is not None:
                await cache.initialize()

    async def _read(self, side: Side, key: str) -> Any | None:
        # Before and after: what was read while the key was marked stays old news when a write takes the mark away.
        # What took a while to be written ends that much later on its side: the manager's own record says when, and a
        # write in between takes the record away.
        behind, over = key in self._unreadable[side], self._is_over(key)
        value = await self._sides[side].get(key)
        return None if behind or over or self._is_over(key) or key in self._unreadable[side] else value

    def _is_over(self, key: str) -> bool:
        record = self._records.get(key)
        return record is not None and record.deadline <= asyncio.get_running_loop().time()

    async def _get_with_fallback(self, key: str) -> Any | None:
        record = self._records.get(key)
        error: Exception | None = None
        try:
            value = await self._read(Side.NEW, key)
        except Exception as raised:  # the old side may still answer; raised below if it does not
            error = raised
            value = None
        if value is not None:
            self._count("new_hits")
            return value
        value = await self._read(Side.OLD, key)
        if error is not None:
            self._count("errors_new_get")
            if value is None:
                raise error
        if value is None:
            return await self._after_write(key)
        self._count("fallbacks_error" if error else "fallbacks_miss")
        self._count("legacy_hits")
        await self._copy(key, value, record)
        return value

    async def _after_write(self, key: str) -> Any | None:
        """What neither side answers because a write of key is under way: wait for its end, then ask the new side."""
        if key not in self._locks or key not in self._unreadable[Side.OLD]:
            return None
        async with self._locked(key):
            pass
        value = await self._read(Side.NEW, key)
        if value is not None:
            self._count("new_hits")
        return value

    async def _get_in_shadow(self, key: str) -> Any | None:
        record = self._records.get(key)
        value = await self._read(Side.OLD, key)
        try:
            other = await self._read(Side.NEW, key)
        except Exception:  # counted: in shadow the new side cannot fail a read
            self._count("errors_new_get")
            return value
        # A write in between explains a difference, so only a quiet key counts.
        if not _same(value, other) and self._records.get(key) is record and key not in self._locks:
            self._count("differences")
        return value

    async def _copy(self, key: str, value: Any, record: _Record | None) -> None:
        """Carry value to the new side for what remains of record, unless a write came since."""
        if record is None:
            return
        async with self._locked(key):
            remaining = record.deadline - asyncio.get_running_loop().time()
            if self._records.get(key) is not record or remaining <= 0 or self.stage_of(key) is not Stage.LIVE:
                return
            self._unreadable[Side.NEW].add(key)
            try:
                await self._sides[Side.NEW].set(key, value, remaining)
            except Exception:  # counted: the reader has its answer, and the key stays unreadable there
                self._unreadable[Side.NEW].add(key)
                self._count("errors_new_copy")
                return
            self._unreadable[Side.NEW].discard(key)
            self._count("copies")

    async def _write(self, key: str, operation: Callable[[Adapted], Awaitable[Any]]) -> dict[Side, Any]:
        """Run operation on the sides that the key's stage writes; their answers. An error of the first is raised."""
        first, *others = STAGES[self.stage_of(key)].write
        for side in others:
            self._unreadable[side].add(key)
        answers = {first: await operation(self._sides[first])}
        self._unreadable[first].discard(key)
        for side in others:
            try:
                answers[side] = await operation(self._sides[side])
            except Exception:  # counted: the key stays unreadable on that side until a write succeeds
                self._count(f"errors_{side}_write")
            else:
                self._unreadable[side].discard(key)
        return answers

    def _remember(self, key: str, deadline: float) -> None:
        self._records[key] = _Record(deadline)
        self._prune_in -= 1
        if self._prune_in <= 0:
            now = asyncio.get_running_loop().time()
            self._records = {name: record for name, record in self._records.items() if record.deadline > now}
            self._prune_in = max(_PRUNE_EVERY, len(self._records))

    @asynccontextmanager
    async def _no_writes(self) -> AsyncIterator[None]:
        """Wait for the writes under way, and let no other begin: one that is half done undoes a clear on one side."""
        async with self._clearing:
            ended = self._cleared = asyncio.get_running_loop().create_future()
            try:
                await self._locks.drain()
                yield
            finally:
                self._cleared = None
                ended.set_result(None)

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[None]:
        while self._cleared is not None:
            await asyncio.wait([self._cleared])
        async with self._locks.hold(key):
            yield

    def _count(self, name: str) -> None:
        if self._count_metrics:
            self._counts[name] += 1

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise CacheClosedError("CacheMigrationManager was shut down")


def make_migration(
    legacy: str = "legacy",
    new: str = "improved",
    stage: str | None = None,
    percentage: float | None = None,
    max_entries: int | None = None,
) -> CacheMigrationManager:
    """A manager over two specs; max_entries bounds both sides where their own specs do not."""
    return CacheMigrationManager(
        make(legacy, capacity=max_entries), make(new, capacity=max_entries), stage=stage, percentage=percentage
    )


def _same(one: Any, other: Any) -> bool:
    """Whether two sides answered alike; values that cannot be compared (arrays) count as alike only if identical."""
    try:
        return one is other or bool(one == other)
    except Exception:  # a value's own ==, which must not fail a read
        return False
