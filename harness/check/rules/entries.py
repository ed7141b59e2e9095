"""Rules of entries: values, keys, deletes, clears, sizes and counters."""

from __future__ import annotations

import math
from typing import Any

from cache_impls.protocol import Capability
from harness.check.rules.lab import Lab
from harness.check.rules.rule import Kind, expect, rule

_VALUES: tuple[Any, ...] = (
    "text",
    "",
    b"bytes",
    0,
    1,
    -1,
    0.5,
    math.inf,
    True,
    False,
    (),
    (1, 2),
    [1, [2]],
    {"a": [1]},
)
_KEYS = ("key", "Key", "key ", " key", "k", "key:1", "key/1", "ключ", "k\x00y", "k" * 300, "k" * 299 + "y", "1", "*")


@rule("miss", Kind.LAW, "A key that was never set misses: get answers None.")
async def miss(lab: Lab) -> None:
    """One get."""
    answer = await (await lab.cache()).get("nothing")
    expect(answer is None, f"get of a key never set answers {answer!r}")


@rule("hit", Kind.LAW, "A hit is what was set: of the same type, equal, and whole.", declared="forgets")
async def hit(lab: Lab) -> None:
    """Values of many types, those that count as false among them."""
    cache = await lab.cache()
    for value in _VALUES:
        await cache.set("key", value)
        answer = await cache.get("key")
        expect(type(answer) is type(value) and answer == value, f"{value!r} comes back as {answer!r}")


@rule("value-kept", Kind.LAW, "The cache does not change a value that it was given.")
async def value_kept(lab: Lab) -> None:
    """A nested value, looked at after set and after get."""
    cache = await lab.cache()
    value = {"a": [1, 2], "b": {"c": (3,)}}
    await cache.set("key", value)
    await cache.get("key")
    expect(value == {"a": [1, 2], "b": {"c": (3,)}}, f"the value that was set is now {value!r}")


@rule("overwrite", Kind.LAW, "A set replaces what was there.", declared="forgets")
async def overwrite(lab: Lab) -> None:
    """Twice, with a read between."""
    cache = await lab.cache()
    for value in ("first", "second", "third"):
        await cache.set("key", value)
        answer = await cache.get("key")
        expect(answer == value, f"after set({value!r}) get answers {answer!r}")


@rule("keys", Kind.LAW, "Different keys are different entries.", declared="forgets")
async def keys(lab: Lab) -> None:
    """Keys that a careless one may take for each other: case, spaces, lengths, separators."""
    cache = await lab.cache()
    for i, key in enumerate(_KEYS):
        await cache.set(key, f"value {i}")
    for i, key in enumerate(_KEYS):
        answer = await cache.get(key)
        expect(answer == f"value {i}", f"key {key[:20]!r} answers {answer!r}, it was set to 'value {i}'")


@rule("delete", Kind.LAW, "A deleted key misses, and others stay.", needs=Capability.DELETE, declared="forgets")
async def delete(lab: Lab) -> None:
    """One of two."""
    cache = await lab.cache()
    await cache.set("key", "value")
    await cache.set("other", "value")
    await cache.delete("key")
    expect(await cache.get("key") is None, "a deleted key is still answered")
    expect(await cache.get("other") == "value", "a delete removed another key")


@rule(
    "delete-answer", Kind.MANNERS, "delete answers True for a live key, False for any other.", needs=Capability.DELETE
)
async def delete_answer(lab: Lab) -> None:
    """Absent, live, deleted."""
    cache = await lab.cache()
    found = [await cache.delete("key")]
    await cache.set("key", "value")
    found += [await cache.delete("key"), await cache.delete("key")]
    expect(found == [False, True, False], f"delete of an absent, a live and a deleted key answers {found}")
    expect(all(isinstance(answer, bool) for answer in found), f"delete answers {found}, not True and False")


@rule(
    "delete-expired",
    Kind.MANNERS,
    "delete answers False for an expired key.",
    needs=Capability.DELETE | Capability.TTL,
    timed=True,
    declared="stale_seconds ttl_jitter",
)
async def delete_expired(lab: Lab) -> None:
    """Expired, and not yet swept."""
    cache = await lab.cache()
    await cache.set("key", "value", 10.0)
    lab.clock.advance_by(11)  # no sweep runs meanwhile
    answer = await cache.delete("key")
    expect(answer is False or answer == 0, f"delete of an expired key answers {answer!r}")


@rule("clear", Kind.LAW, "After a clear every key misses, and the cache still works.", needs=Capability.CLEAR)
async def clear(lab: Lab) -> None:
    """Fifty keys."""
    cache = await lab.cache()
    for i in range(50):
        await cache.set(f"key{i}", i)
    await cache.clear()
    left = [i for i in range(50) if await cache.get(f"key{i}") is not None]
    expect(not left, f"{len(left)} of 50 keys are answered after a clear")
    await cache.set("key", "value")
    found = await cache.get("key")
    expect(found == "value" or (found is None and cache.promises.forgets), "a key set after a clear misses")


@rule("size", Kind.LAW, "size counts the entries.", needs=Capability.SIZE | Capability.DELETE, declared="forgets")
async def size(lab: Lab) -> None:
    """Through sets, overwrites and deletes."""
    cache = await lab.cache()
    found = [await cache.size()]
    for key in ("a", "b", "a"):
        await cache.set(key, "value")
        found.append(await cache.size())
    for key in ("a", "a"):
        await cache.delete(key)
        found.append(await cache.size())
    expected = [0, 1, 2, 2, 1, 1]
    expect(found == expected, f"over set a, set b, set a, delete a, delete a the size is {found}, not {expected}")


@rule("size-cleared", Kind.LAW, "After a clear the size is 0.", needs=Capability.SIZE | Capability.CLEAR)
async def size_cleared(lab: Lab) -> None:
    """With something in it before."""
    cache = await lab.cache()
    for i in range(10):
        await cache.set(f"key{i}", i)
    await cache.clear()
    found = await cache.size()
    expect(found == 0, f"after a clear the size is {found}")


@rule(
    "size-live",
    Kind.MANNERS,
    "size does not count expired entries.",
    needs=Capability.SIZE | Capability.TTL,
    timed=True,
    declared="stale_seconds ttl_jitter",
)
async def size_live(lab: Lab) -> None:
    """Four of ten expired, and not yet swept."""
    cache = await lab.cache()
    for i in range(10):
        await cache.set(f"key{i}", i, 10.0 if i < 4 else 20.0)
    lab.clock.advance_by(11)  # no sweep runs meanwhile
    found = await cache.size()
    expect(found == 6, f"of 10 entries 4 have expired, and the size is {found}")


@rule(
    "counters",
    Kind.LAW,
    "The published hits, misses, sets and deletes are those that happened.",
    needs=Capability.STATS,
    declared="forgets",
)
async def counters(lab: Lab) -> None:
    """Each kind, a get of an expired entry and a delete of an absent key among them."""
    cache = await lab.cache()
    before = {name: value for name, value in cache.get_stats().items() if type(value) is int}
    for i in range(5):
        await cache.set(f"key{i}", i, 10.0 if Capability.TTL in cache.capabilities else None)
    expected = {"hits": 0, "misses": 0, "sets": 5, "deletes": 0}
    for key in ("key0", "none", "key0"):
        expected["hits" if await cache.get(key) is not None else "misses"] += 1
    if Capability.DELETE in cache.capabilities:
        await cache.delete("key1")
        await cache.delete("none")
        expected["deletes"] = 1
    await lab.sleep(11)
    expected["hits" if await cache.get("key2") is not None else "misses"] += 1
    after = cache.get_stats()
    for name, count in expected.items():
        if type(after.get(name)) is int:
            found = after[name] - before.get(name, 0)
            expect(found == count, f"{name} says {found}, there were {count}")
