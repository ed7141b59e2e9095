"""Conformance rules: ours keep all of them, and each is broken by a cache that should break it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from conftest import VirtualTime

from cache_impls.improved import ImprovedAsyncCache
from cache_impls.registry import adapt, parse
from harness.check.explore import Builds
from harness.check.rules import RULES, Broken, Rule
from harness.check.rules.lab import keep
from harness.check.rules.rule import NotApplicable

STAGES = ("off", "dualwrite", "shadow", "live", "rampdown", "complete")
STRICT = [
    *("legacy", "improved", "improved?num_shards=1", "hierarchy", "hierarchy?l1=legacy&l2=legacy"),
    *(f"migration?stage={stage}" for stage in STAGES),
]
NEITHER_HERE = {"migration": {"bytes", "default-ttl", "room-found"}, "hierarchy": {"bytes", "room-found"}}
"""A composite has no bound on bytes, and its bound on entries is of each part; a migration has no default ttl."""


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
@pytest.mark.parametrize("spec", STRICT)
def test_ours_keep_it(virtual_time: VirtualTime, spec: str, rule: Rule) -> None:
    """Law and manners alike, on every one of our caches."""
    builds = Builds(parse(spec))
    sample = builds(None)
    if rule.applies(sample.capabilities, sample.promises) is not None:
        assert spec.startswith("hierarchy")  # which has no size
        return
    try:
        keep(rule, builds, virtual_time.clock, builds.with_parameters)
    except NotApplicable:
        assert rule.id in NEITHER_HERE[spec.partition("?")[0]]


def broken(name: str, method: Callable[..., Any]) -> type[ImprovedAsyncCache]:
    """A cache of which one method is another."""
    return type("Broken", (ImprovedAsyncCache,), {name: method})


async def _answers_missing(self: Any, key: str) -> Any:
    return (await ImprovedAsyncCache.get(self, key)) or "missing"


async def _answers_text(self: Any, key: str) -> Any:
    value = await ImprovedAsyncCache.get(self, key)
    return None if value is None else str(value)


async def _keeps_first(self: Any, key: str, value: Any, ttl: float | None = None) -> None:
    if await ImprovedAsyncCache.get(self, key) is None:
        await ImprovedAsyncCache.set(self, key, value, ttl)


async def _changes(self: Any, key: str, value: Any, ttl: float | None = None) -> None:
    if isinstance(value, dict):
        value["seen"] = True
    await ImprovedAsyncCache.set(self, key, value, ttl)


async def _folds(self: Any, key: str, value: Any, ttl: float | None = None) -> None:
    await ImprovedAsyncCache.set(self, key[:20], value, ttl)


async def _folded(self: Any, key: str) -> Any:
    return await ImprovedAsyncCache.get(self, key[:20])


async def _deletes_all(self: Any, key: str) -> bool:
    found = await ImprovedAsyncCache.delete(self, key)
    await self.clear()
    return found


async def _says_deleted(self: Any, key: str) -> bool:
    await ImprovedAsyncCache.delete(self, key)
    return True


async def _nothing(self: Any) -> None:
    return None


async def _counts_all(self: Any) -> int:
    return sum(len(shard) for shard in self._shards) + 1


async def _held(self: Any) -> int:
    return sum(len(shard) for shard in self._shards)


def _no_stats(self: Any) -> dict[str, Any]:
    return dict.fromkeys(("hits", "misses", "sets", "deletes", "evictions", "expirations", "bytes", "entries"), 10**9)


async def _accepts(self: Any, key: Any) -> Any:
    return await ImprovedAsyncCache.get(self, key) if isinstance(key, str) and key else None


async def _late(self: Any, key: str, value: Any, ttl: float | None = None) -> None:
    await ImprovedAsyncCache.set(self, key, value, None if ttl is None else ttl + 0.0005)


async def _early(self: Any, key: str, value: Any, ttl: float | None = None) -> None:
    await ImprovedAsyncCache.set(self, key, value, None if ttl is None else ttl * 0.9)


async def _stores_then_refuses(self: Any, key: str, value: Any, ttl: Any = None) -> None:
    await ImprovedAsyncCache.set(self, key, value)
    await ImprovedAsyncCache.set(self, key, value, ttl)


async def _stays(self: Any) -> None:
    self._closed = True


async def _once(self: Any) -> None:
    if self._closed:
        raise RuntimeError("it was shut down before")
    await ImprovedAsyncCache.shutdown(self)


class _Unclosed(ImprovedAsyncCache):
    async def shutdown(self) -> None:
        await super().shutdown()
        self._closed = False


class _Locked(ImprovedAsyncCache):
    """Holds a lock that a cancelled operation keeps."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._busy = asyncio.Lock()

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        await self._busy.acquire()
        await asyncio.sleep(0)
        await super().set(key, value, ttl)
        self._busy.release()


class _Files(ImprovedAsyncCache):
    """Opens a file for each cache and forgets it."""

    opened: list[Any] = []  # noqa: RUF012  # kept for all, that no garbage collection closes them

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.opened.append(open("/dev/null"))  # noqa: SIM115, PTH123  # that it stays open is the fault


class _OneLoop(ImprovedAsyncCache):
    async def get(self, key: str) -> Any:
        loop = asyncio.get_running_loop()
        if self.__dict__.setdefault("_first", loop) is not loop:
            raise RuntimeError("it belongs to another loop")
        return await super().get(key)


class _Unbounded(ImprovedAsyncCache):
    def __init__(self, max_entries: int = 10, **parameters: Any) -> None:
        super().__init__(max_entries=max_entries * 2, **parameters)


class _Tight(ImprovedAsyncCache):
    def __init__(self, max_entries: int = 100_000, **parameters: Any) -> None:
        super().__init__(max_entries=max(1, max_entries - 1), **parameters)


class _Forgetful(ImprovedAsyncCache):
    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        await super().set(key, value, ttl)
        if self._max_entries == 1:
            await super().delete(key)


class _Idle(ImprovedAsyncCache):
    async def _sweep(self) -> None:
        """Nothing is ever removed by itself."""


class _Default(ImprovedAsyncCache):
    def __init__(self, default_ttl: float = 300, **parameters: Any) -> None:
        super().__init__(default_ttl=300, **parameters)


MUTANTS: dict[str, Any] = {
    "miss": broken("get", _answers_missing),
    "hit": broken("get", _answers_text),
    "overwrite": broken("set", _keeps_first),
    "value-kept": broken("set", _changes),
    "keys": type("Folds", (ImprovedAsyncCache,), {"get": _folded, "set": _folds}),
    "delete": broken("delete", _deletes_all),
    "delete-answer": broken("delete", _says_deleted),
    "delete-expired": broken("delete", _says_deleted),
    "clear": broken("clear", _nothing),
    "size": broken("size", _counts_all),
    "size-cleared": broken("size", _counts_all),
    "size-live": broken("size", _held),
    "counters": broken("get_stats", _no_stats),
    "refused": broken("set", _stores_then_refuses),
    "refuses": broken("get", _accepts),
    "room": _Unbounded,
    "room-found": _Unbounded,
    "room-used": _Tight,
    "room-newest": _Forgetful,
    "bytes": broken("get_stats", _no_stats),
    "cancel": _Locked,
    "shutdown": broken("shutdown", _stays),
    "shutdown-twice": broken("shutdown", _once),
    "shutdown-refuses": _Unclosed,
    "handles": _Files,
    "two-loops": _OneLoop,
    "ttl-1ms": broken("set", _late),
    "ttl-300s": broken("set", _early),
    "ttl-3600s": broken("set", _late),
    "ttl-40d": broken("set", _early),
    "swept": _Idle,
    "default-ttl": _Default,
}
FROM_THE_ZOO = {
    "ttl-fixed": "expiry.py:SlidingTtl",
    "overwrite-live": "expiry.py:GhostTimerAfterOverwrite",
    "overwrite-live-default": "expiry.py:OverwriteKeepsTtl",
    "overwrite-expired": "expiry.py:GhostTimerAfterOverwrite",
    "overwrite-expired-default": "expiry.py:InheritsDeadline",
    "overwrite-shorter": "expiry.py:SweepOnlyExpiry",
    "wall-clock": "expiry.py:WallClock",
}


class _KeepsDeadline(ImprovedAsyncCache):
    """A key once set keeps its first deadline for ever, even after a sweep."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._until: dict[str, float] = {}

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        now = asyncio.get_running_loop().time()
        until = self._until.setdefault(key, now + (ttl or 300))
        await super().set(key, value, max(until - now, 0.001))


MUTANTS["overwrite-swept"] = _KeepsDeadline


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_a_mutant_breaks_it(virtual_time: VirtualTime, rule: Rule) -> None:
    """No rule that nothing can break."""
    if rule.id in FROM_THE_ZOO:
        builds = Builds(parse(f"tests/zoo/faults/{FROM_THE_ZOO[rule.id]}"))
        with pytest.raises(Broken):
            keep(rule, builds, virtual_time.clock, builds.with_parameters)
        return
    factory = MUTANTS[rule.id]

    def build(room: int | None) -> Any:
        return adapt(factory() if room is None else factory(max_entries=room))

    with pytest.raises(Broken):
        keep(rule, build, virtual_time.clock, lambda **parameters: adapt(factory(**parameters)))


def test_what_a_cache_lacks_or_declares_is_skipped() -> None:
    """With the reason."""
    from cache_impls.protocol import Capability, Promises

    by_id = {rule.id: rule for rule in RULES}
    assert by_id["clear"].applies(Capability(0), Promises()) == "the cache has no clear"
    assert by_id["keys"].applies(Capability(0), Promises(forgets=True)) == "the cache declares forgets=True"
    assert by_id["keys"].applies(Capability(0), Promises()) is None
