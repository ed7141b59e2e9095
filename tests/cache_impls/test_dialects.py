"""Caches that name things differently are adapted, and the report says what."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from cache_impls.dialects import UnadaptableError, adapt
from cache_impls.improved import ImprovedAsyncCache
from cache_impls.legacy import AsyncTTLCache
from cache_impls.protocol import Capability


class Synchronous:
    """A sync cache with `expire`, `remove`, `stats`, `close` and `__len__`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def get(self, key: str) -> str:
        return f"value of {key}"

    def set(self, key: str, value: Any, expire: float | None = None) -> None:
        self.calls.append((key, value, expire))

    def remove(self, key: str) -> bool:
        return True

    def stats(self) -> dict[str, int]:
        return {"hits": 1}

    def __len__(self) -> int:
        return 3

    def close(self) -> None:
        self.calls.append(("close",))


class WithTimedelta:
    """Its ttl is keyword-only and a timedelta; it wants to be initialised."""

    ready = False

    async def initialize(self) -> None:
        self.ready = True

    async def get(self, key: str) -> None: ...

    async def set(self, key: str, value: Any, *, ttl: timedelta | None = None) -> Any:
        return ttl


class WithoutTtl:
    async def get(self, key: str) -> None: ...

    async def set(self, key: str, value: Any) -> str:
        return "stored"


def test_own_methods_are_used_where_they_fit() -> None:
    """Adapting costs a timed operation nothing: the bound methods are the cache's own."""
    for cache in (ImprovedAsyncCache(), AsyncTTLCache()):
        adapted = adapt(cache)
        assert adapted.get == cache.get
        assert adapted.set == cache.set
        assert adapted.delete == cache.delete
        assert adapt(adapted) is adapted
    assert adapt(ImprovedAsyncCache()).notes == []


def test_a_synchronous_dialect() -> None:
    """Every difference is bridged and told."""
    cache = Synchronous()
    adapted = adapt(cache)

    async def main() -> None:
        assert await adapted.get("k") == "value of k"
        await adapted.set("k", "v", 2.5)
        await adapted.set("k", "v")
        assert await adapted.delete("k") is True
        assert await adapted.size() == 3
        await adapted.shutdown()
        with pytest.raises(NotImplementedError, match=r"no clear\(\)"):
            await adapted.clear()

    asyncio.run(main())
    assert cache.calls == [("k", "v", 2.5), ("k", "v", None), ("close",)]
    assert adapted.get_stats() == {"hits": 1}
    for told in ("ttl is its expire", "delete() is its remove()", "size() is its __len__()", "it has no clear()"):
        assert told in adapted.notes
    assert Capability.CLEAR not in adapted.capabilities
    assert Capability.DELETE | Capability.TTL | Capability.SIZE in adapted.capabilities


def test_a_timedelta_dialect() -> None:
    """Seconds become a timedelta; without a ttl the argument is left out."""
    adapted = adapt(WithTimedelta())

    async def main() -> None:
        assert await adapted.set("k", "v", 90.5) == timedelta(seconds=90.5)
        assert await adapted.set("k", "v") is None
        assert adapted.initialize is not None
        await adapted.initialize()

    asyncio.run(main())
    assert adapted.native.ready  # type: ignore[attr-defined]  # WithTimedelta has it


def test_a_cache_without_ttl_promises_none() -> None:
    """The ttl is dropped, which the missing capability and a note say."""
    adapted = adapt(WithoutTtl())
    assert asyncio.run(_set(adapted)) == "stored"
    assert Capability.TTL not in adapted.capabilities
    assert "set() takes no ttl" in adapted.notes


async def _set(adapted: Any) -> Any:
    return await adapted.set("k", "v", 5.0)


def test_what_has_no_get_is_no_cache() -> None:
    """The least that a cache must have."""
    for thing in (None, 5, object()):
        with pytest.raises(UnadaptableError, match="has no get"):
            adapt(thing)
