"""Rules of room: the bounds on entries and bytes hold, and nothing is lost below them."""

from __future__ import annotations

from cache_impls.protocol import Capability
from harness.check.rules.lab import Lab
from harness.check.rules.rule import Kind, NotApplicable, expect, rule

_ROOM = 40


@rule("room", Kind.LAW, "There are never more entries than the bound.", needs=Capability.CAPACITY | Capability.SIZE)
async def room(lab: Lab) -> None:
    """A hundred sets into a cache of forty."""
    cache = await lab.cache(_ROOM)
    for i in range(100):
        await cache.set(f"key{i}", i)
        await lab.settle()
        found = await cache.size()
        expect(found <= _ROOM, f"with room for {_ROOM} there are {found} entries after {i + 1} sets")


@rule("room-found", Kind.LAW, "No more keys are answered than the bound.", needs=Capability.CAPACITY)
async def room_found(lab: Lab) -> None:
    """As `room`, for a cache that does not tell its size."""
    cache = await lab.cache(_ROOM)
    if cache.interpose is not None:
        raise NotApplicable("the bound is of each of its parts")
    for i in range(100):
        await cache.set(f"key{i}", i)
    await lab.settle()
    found = sum([await cache.get(f"key{i}") is not None for i in range(100)])
    expect(found <= _ROOM, f"with room for {_ROOM} it answers {found} keys")


@rule("room-used", Kind.LAW, "Nothing is evicted while there is room.", needs=Capability.CAPACITY, declared="forgets")
async def room_used(lab: Lab) -> None:
    """Exactly as many as there is room for, each overwritten once."""
    cache = await lab.cache(_ROOM)
    for i in [*range(_ROOM), *range(_ROOM)]:
        await cache.set(f"key{i}", i)
    lost = [i for i in range(_ROOM) if await cache.get(f"key{i}") != i]
    expect(not lost, f"with room for {_ROOM} and {_ROOM} keys {len(lost)} are gone")


@rule("room-newest", Kind.MANNERS, "What was just set is there.", needs=Capability.CAPACITY, declared="forgets")
async def room_newest(lab: Lab) -> None:
    """With room for one."""
    cache = await lab.cache(1)
    for i in range(20):
        await cache.set(f"key{i}", i)
        expect(await cache.get(f"key{i}") == i, "with room for one, the entry just set is not there")


@rule("bytes", Kind.LAW, "The published bytes stay within the memory bound.", needs=Capability.STATS)
async def memory(lab: Lab) -> None:
    """Two hundred values of 10 kB into one MiB, then one that does not fit at all."""
    cache = await lab.cache_with(max_memory_mb=1)
    if type(cache.get_stats().get("bytes")) is not int:
        raise NotApplicable("it does not publish its bytes")
    for i in range(200):
        await cache.set(f"key{i}", "x" * 10_000)
        found = cache.get_stats()["bytes"]
        expect(found <= 2**20, f"with room for 1 MiB it holds {found} bytes")
    await cache.set("huge", "x" * 2**21)
    found = cache.get_stats()["bytes"]
    expect(found <= 2**20, f"with room for 1 MiB it holds {found} bytes after a value of 2 MiB")
