"""A read at the very end of a ttl may find its entry: clocks are floating-point seconds, and their sum is rounded."""

from __future__ import annotations

import pytest
from conftest import VirtualTime

from cache_impls.registry import Adapted, adapt, make
from harness.measure import driver as driving
from harness.measure.driver import SLICE, Driver
from harness.measure.requests import GET, SET

TTL_NS = 60_000_000_000
KEYS = 200


class SetThenGet:
    """A slice a key, ten milliseconds apart: each is set, then each is read when its ttl ends and late_ns after."""

    requests = 2 * KEYS * SLICE
    look_aside = False
    distinct_keys = KEYS

    def __init__(self, late_ns: int) -> None:
        self._late_ns = late_ns

    def column(self, name: str, start: int, stop: int) -> list[int]:
        return [self._row(name, i // SLICE) for i in range(start, stop)]

    def keys(self, start: int, stop: int) -> list[str]:
        return [f"key{key:04d}" for key in self.column("key", start, stop)]

    def _row(self, name: str, number: int) -> int:
        gets, key = divmod(number, KEYS)
        time_ns = key * 10_000_000 + gets * (TTL_NS + self._late_ns)
        row = {"op": GET if gets else SET, "key": key, "size": 0, "ttl_ms": TTL_NS // 10**6, "time_ns": time_ns}
        return row[name]


class Late:
    """Keeps everything ten microseconds too long."""

    def __init__(self) -> None:
        self._cache = make("improved")

    async def get(self, key: str) -> object:
        return await self._cache.get(key)

    async def set(self, key: str, value: object, ttl: float) -> None:
        await self._cache.set(key, value, ttl + 1e-5)

    async def shutdown(self) -> None:
        await self._cache.shutdown()


def wrong_answers(virtual_time: VirtualTime, late_ns: int, cache: Adapted | None = None) -> int:
    source = SetThenGet(late_ns)
    driver = Driver(cache or make("improved"), source, virtual_time.loop, virtual_time.clock)

    async def answer() -> int:
        await driver.drive(0, source.requests, step=4 * SLICE)
        await driver.cache.shutdown()
        return driver.truth.wrong

    return virtual_time.run(answer())


def test_a_rounding_is_no_wrong_answer(virtual_time: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens: without the allowance a correct cache would be called a liar."""
    assert wrong_answers(virtual_time, late_ns=0) == 0
    virtual_time.clock.restart()
    monkeypatch.setattr(driving, "ROUNDING_NS", 0)
    assert wrong_answers(virtual_time, late_ns=0) > 0


def test_more_than_a_rounding_is(virtual_time: VirtualTime) -> None:
    """A cache whose entries live two microseconds too long is found; `improved`, correct, is not."""
    assert wrong_answers(virtual_time, late_ns=2000) == 0
    virtual_time.clock.restart()
    assert wrong_answers(virtual_time, late_ns=2000, cache=adapt(Late())) > 0
