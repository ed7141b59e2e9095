"""The zoo of `check` is what it says: each fault shows and its correct twin does not; each decoy keeps the basics."""

from __future__ import annotations

import asyncio
from typing import Any

import demo_composed
import demo_hierarchies
import demo_races
import demo_sequential
import demo_time
import pytest
from animals import DECOYS, FAULTS, Animal
from conftest import ROOT, VirtualTime
from demo import DEMONSTRATIONS, World, cancelled, parked

from cache_impls.dialects import Adapted
from cache_impls.protocol import CacheClosedError
from cache_impls.registry import parse
from harness.measure.loop import WorkloadLoop

SCENARIOS = (
    demo_composed,
    demo_hierarchies,
    demo_races,
    demo_sequential,
    demo_time,
)  # importing them registers their scenarios
CHECKS = {*(f"C{number}" for number in range(13)), "conformance"}
NEEDS = {"", "cancel", "stall", "wall clock", "capacity", "sides", "load"}
TWO_LOOPS = "FirstLoopOnly"  # needs two loops, so it has a test of its own
ALL = FAULTS + DECOYS


def build(spec: str) -> Adapted:
    return parse(f"{ROOT}/{spec}").build()


def names(animals: tuple[Animal, ...]) -> list[str]:
    return [animal.name for animal in animals]


def show(virtual_time: VirtualTime, monkeypatch: pytest.MonkeyPatch, name: str, spec: str) -> bool:
    """Whether the scenario of that name shows on the cache that spec names."""
    scenario = DEMONSTRATIONS[name].scenario

    async def main() -> bool:
        cache = build(spec).native
        shown = await scenario(cache, World(virtual_time, monkeypatch))
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            await cancelled(task)
        return shown

    return bool(virtual_time.run(main()))


def test_the_lists_are_whole() -> None:
    """Names are unique, ids and needs are known, and every fault has a demonstration."""
    assert len(FAULTS) >= 34
    assert len(DECOYS) >= 12
    assert len(set(names(ALL))) == len(ALL)
    assert len(SCENARIOS) == 5
    assert {check for animal in FAULTS for check in animal.caught_by} <= CHECKS
    assert all(set(animal.needs.split("+")) <= NEEDS for animal in ALL)
    assert all(animal.caught_by and animal.source for animal in FAULTS)
    assert not any(animal.caught_by for animal in DECOYS)
    assert set(DEMONSTRATIONS) | {TWO_LOOPS} == set(names(FAULTS))


@pytest.mark.parametrize("animal", FAULTS, ids=names(FAULTS))
def test_the_fault_is_real(virtual_time: VirtualTime, monkeypatch: pytest.MonkeyPatch, animal: Animal) -> None:
    """Its scenario shows on it."""
    if animal.name != TWO_LOOPS:
        parameters = DEMONSTRATIONS[animal.name].parameters
        assert show(virtual_time, monkeypatch, animal.name, animal.spec + parameters)


@pytest.mark.parametrize("name", sorted(DEMONSTRATIONS))
def test_the_twin_has_it_not(virtual_time: VirtualTime, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The same scenario does not show on the correct twin."""
    _, twin, parameters = DEMONSTRATIONS[name]
    assert not show(virtual_time, monkeypatch, name, twin + parameters)


@pytest.mark.parametrize("name", [TWO_LOOPS, "PlainCache", "LoadingCache", "FifoLockCache", "WriteBehindCache"])
def test_a_second_loop(virtual_time: VirtualTime, name: str) -> None:
    """Correct caches follow the loop in use; `FirstLoopOnly` fails on the second."""
    cache = build(next(animal.spec for animal in ALL if animal.name == name))

    async def use() -> Any:
        await cache.set("k", "v")
        answer = await cache.get("k")
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            await cancelled(task)
        return answer

    assert virtual_time.run(use()) == "v"
    second = WorkloadLoop(virtual_time.clock)
    try:
        if name == TWO_LOOPS:
            with pytest.raises(RuntimeError, match="loop"):
                second.run_until_complete(use())
        else:
            assert second.run_until_complete(use()) == "v"
        second.run_until_complete(cache.shutdown())
    finally:
        second.close()


@pytest.mark.parametrize("animal", ALL, ids=names(ALL))
def test_it_builds_and_answers(virtual_time: VirtualTime, animal: Animal) -> None:
    """Every animal takes a key, hits or misses it, and ends; a fault is not so blatant that nothing works."""

    async def main() -> None:
        cache = build(animal.spec)
        for _ in range(2):  # a doorkeeper admits it at the second write
            await cache.set("key", ("a", 1), 10.0)
        assert await cache.get("key") in (("a", 1), ["a", 1])
        if animal.name != "MinimalCache":
            assert await cache.delete("key") is _says(animal, found=True)
        assert await cache.get("other") is None
        await cache.shutdown()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            await cancelled(task)

    virtual_time.run(main())


def _says(animal: Animal, *, found: bool) -> bool | None:
    """What its delete answers."""
    return None if animal.name == "QuietDeleteCache" else found


LACKING = ("MinimalCache", "AdmissionCache", "DoorkeeperCache", "Hierarchy")
STRICT = tuple(animal for animal in DECOYS if animal.name not in LACKING)


@pytest.mark.parametrize("animal", STRICT, ids=names(STRICT))
def test_a_decoy_keeps_the_contract(virtual_time: VirtualTime, animal: Animal) -> None:
    """Ttl, overwrite, delete, clear, size, counters, refusal and the end are right, within what it declares."""

    async def main() -> None:
        cache = build(animal.spec)
        late = cache.promises.stale_seconds + 20.0 * cache.promises.ttl_jitter
        await cache.set("a", "1", 20.0)
        await cache.set("b", "2")
        await cache.set("a", "3", 20.0)
        assert (await cache.get("a"), await cache.get("b"), await cache.size()) == ("3", "2", 2)
        assert await cache.delete("b") is _says(animal, found=True)
        assert await cache.delete("b") is _says(animal, found=False)
        with pytest.raises(ValueError, match="None"):
            await cache.set("a", None)
        with pytest.raises(ValueError, match="ttl"):
            await cache.set("a", "4", -1.0)
        assert await cache.get("a") == "3"
        virtual_time.clock.advance_by(20.0 + late)
        assert (await cache.get("a"), await cache.delete("a"), await cache.size()) == (
            None,
            _says(animal, found=False),
            0,
        )
        await cache.set("c", "5")
        await cache.clear()
        assert (await cache.get("c"), await cache.size()) == (None, 0)
        stats = cache.get_stats()
        assert [stats[name] for name in ("hits", "misses", "sets", "deletes")] == [3, 2, 4, 1]
        await cache.shutdown()
        await cache.shutdown()
        with pytest.raises(CacheClosedError):
            await cache.get("a")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtual_time.run(main())


def test_the_reference_keeps_its_bound(virtual_time: VirtualTime) -> None:
    """It evicts what was used least recently, and not before it is over the bound."""

    async def main() -> None:
        cache = build("tests/zoo/plain.py:PlainCache?max_entries=2")
        for key in ("a", "b"):
            await cache.set(key, key)
        assert await cache.get("a") == "a"
        await cache.set("c", "c")
        assert [await cache.get(key) for key in ("a", "b", "c")] == ["a", None, "c"]
        assert cache.get_stats()["evictions"] == 1
        await cache.shutdown()

    virtual_time.run(main())


def test_one_load_at_a_time_even_across_a_delete(virtual_time: VirtualTime) -> None:
    """Who comes after the delete waits for the outdated load to end and loads anew."""

    async def main() -> None:
        cache = build("tests/zoo/plain.py:LoadingCache")
        assert cache.get_or_load is not None
        source = demo_composed.Source()
        early = await parked(cache.get_or_load("k", source))
        await cache.delete("k")
        late = await parked(cache.get_or_load("k", source))
        await early
        assert await cache.get("k") is None
        assert await late == "loaded"
        assert await cache.get("k") == "loaded"
        assert source.most_at_once == 1
        await cache.shutdown()

    virtual_time.run(main())
