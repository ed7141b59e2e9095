"""Other people's caches: each keeps the contract as far as its library promises it.

A rule that a library breaks is left out for it here, with the defect named in `BROKEN`; the checks are to find it.
(cashews' sweep, every second, hides that it also deletes and counts entries whose time is up.)
Time is virtual where a library reads Python's clocks or the loop's. theine's thread has a clock of its own: what it
does waits for a real ttl, in a test marked slow. A server is tried in `test_valkey.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from adapted import BOUND_AT_IMPORT, IN_PROCESS, Body, forget, keepers, needed, pass_on
from conftest import VirtualTime

from cache_impls.dialects import Adapted
from cache_impls.protocol import COUNTERS, Capability
from cache_impls.registry import make

Use = Callable[..., None]


@pytest.fixture
def use(virtual_time: VirtualTime) -> Iterator[Use]:
    """Run a body on a fresh cache in virtual time, and shut it down."""

    def call(spec: str, body: Body, capacity: int | None = 1000) -> None:
        needed(spec.partition("?")[0])

        async def main() -> None:
            cache = make(spec, capacity=capacity)
            try:
                await body(cache)
            finally:
                await cache.shutdown()

        virtual_time.run(main())

    forget(*BOUND_AT_IMPORT)
    yield call
    forget(*BOUND_AT_IMPORT)


@keepers("values")
def test_a_hit_is_what_was_set(use: Use, library: str) -> None:
    """`get` answers a value equal to the last one set, and of its type; a key never set misses."""

    async def body(cache: Adapted) -> None:
        assert await cache.get("key") is None
        for value in ("text", b"bytes", 0, 1.5, False, "", (), [1, 2], {"a": [1]}):
            await cache.set("key", value)
            found = await cache.get("key")
            assert found == value
            assert type(found) is type(value)
        assert await cache.get("another") is None

    use(library, body)


@pytest.mark.parametrize("ttl", [0.5, 60, 3600.0])
@keepers("ttl")
def test_a_ttl_ends(virtual_time: VirtualTime, use: Use, library: str, ttl: float) -> None:
    """A read a millisecond before set end + ttl hits; a millisecond later it misses, but for what is promised."""

    async def body(cache: Adapted) -> None:
        await cache.set("key", "value", ttl)
        await pass_on(virtual_time, ttl - 0.001)
        assert await cache.get("key") == "value"
        await pass_on(virtual_time, 0.002 + cache.promises.stale_seconds)
        assert await cache.get("key") is None

    use(library, body)


@keepers("instant")
def test_a_ttl_ends_at_its_instant(virtual_time: VirtualTime, use: Use, library: str) -> None:
    """A read at set end + ttl misses."""

    async def body(cache: Adapted) -> None:
        await cache.set("key", "value", 8.0)
        await pass_on(virtual_time, 8.0)
        assert await cache.get("key") is None

    use(library, body)


@pytest.mark.parametrize("library", ["aiocache", "cacheout", "cachetools"])
def test_a_default_ttl_is_for_entries_without_their_own(virtual_time: VirtualTime, use: Use, library: str) -> None:
    """`default_ttl` ends an entry that was set with none, and no other."""

    async def body(cache: Adapted) -> None:
        await cache.set("short", 1)
        await cache.set("long", 2, 100.0)
        await pass_on(virtual_time, 11)
        assert [await cache.get("short"), await cache.get("long")] == [None, 2]

    use(f"{library}?default_ttl=10", body)


@pytest.mark.parametrize("state", ["live", "expired"])
@keepers("overwrite")
def test_an_overwrite_has_a_deadline_of_its_own(virtual_time: VirtualTime, use: Use, library: str, state: str) -> None:
    """Overwriting a live or an expired key with a ttl never inherits the old deadline."""

    async def body(cache: Adapted) -> None:
        await cache.set("key", "old", 10.0)
        await pass_on(virtual_time, 5 if state == "live" else 11)
        await cache.set("key", "new", 50.0)
        await pass_on(virtual_time, 20)
        assert await cache.get("key") == "new"

    use(library, body)


@pytest.mark.parametrize("state", ["live", "expired"])
@keepers("overwrite without ttl")
def test_an_overwrite_without_a_ttl_stays(virtual_time: VirtualTime, use: Use, library: str, state: str) -> None:
    """Overwriting a key with no ttl takes its deadline away."""

    async def body(cache: Adapted) -> None:
        await cache.set("key", "old", 10.0)
        await pass_on(virtual_time, 5 if state == "live" else 11)
        await cache.set("key", "new")
        await pass_on(virtual_time, 20)
        assert await cache.get("key") == "new"

    use(library, body)


@keepers("delete")
def test_a_delete_tells_whether_the_key_was_there(use: Use, library: str) -> None:
    """True for a live key, False for one that is absent or deleted."""

    async def body(cache: Adapted) -> None:
        assert await cache.delete("key") is False
        await cache.set("key", "value", 10.0)
        assert await cache.delete("key") is True
        assert await cache.get("key") is None
        assert await cache.delete("key") is False

    use(library, body)


@keepers("delete expired")
def test_a_delete_of_an_expired_key_is_false(virtual_time: VirtualTime, use: Use, library: str) -> None:
    """Its entry was not live."""

    async def body(cache: Adapted) -> None:
        await cache.set("key", "value", 10.0)
        await pass_on(virtual_time, 10.5)
        assert await cache.delete("key") is False

    use(library, body)


@keepers("clear")
def test_clear_removes_all(virtual_time: VirtualTime, use: Use, library: str) -> None:
    """After `clear` every key misses, and what is set then stays for its own time."""

    async def body(cache: Adapted) -> None:
        for i in range(50):
            await cache.set(f"key{i}", i, 10.0)
        await cache.clear()
        assert [await cache.get(f"key{i}") for i in range(50)] == [None] * 50
        await cache.set("key0", "value")
        await pass_on(virtual_time, 11)
        assert await cache.get("key0") == "value"

    use(library, body)


def test_aiocache_clears(use: Use) -> None:
    """What aiocache keeps of the rule above: all is gone."""

    async def body(cache: Adapted) -> None:
        await cache.set("key", "value")
        await cache.clear()
        assert await cache.get("key") is None
        assert await cache.size() == 0

    use("aiocache", body)


@keepers("size of the live", tuple(name for name in IN_PROCESS if name != "diskcache"))
def test_size_counts(use: Use, library: str) -> None:
    """The number of live entries. diskcache promises none: its `len` counts expired ones, as documented."""

    async def body(cache: Adapted) -> None:
        assert Capability.SIZE in cache.capabilities
        for i in range(10):
            await cache.set(f"key{i}", i)
            assert await cache.size() == i + 1
        await cache.delete("key3")
        assert await cache.size() == 9

    use(library, body)


@keepers("size", tuple(name for name in IN_PROCESS if name != "diskcache"))
def test_size_leaves_out_what_expired(virtual_time: VirtualTime, use: Use, library: str) -> None:
    """An entry whose time is up does not count."""

    async def body(cache: Adapted) -> None:
        for i in range(10):
            await cache.set(f"key{i}", i, 10.0 if i < 4 else 20.0)
        await pass_on(virtual_time, 15)
        assert await cache.size() == 6

    use(library, body)


@pytest.mark.parametrize("library", ["cacheout", "cachetools", "cashews", "theine"])
def test_the_entry_bound_holds(use: Use, library: str) -> None:
    """Never more than the bound; below it nothing goes, unless the library promises less."""

    async def body(cache: Adapted) -> None:
        assert cache.capacity == 40
        for i in range(100):
            await cache.set(f"key{i}", i)
            assert await cache.size() <= 40
        await cache.clear()
        for i in range(40):
            await cache.set(f"key{i}", i)
        found = [await cache.get(f"key{i}") for i in range(40)]
        assert found == list(range(40)) or cache.promises.forgets

    use(library, body, capacity=40)


@pytest.mark.parametrize("kind", ["LRUCache", "LFUCache"])
def test_cacheout_has_kinds(use: Use, kind: str) -> None:
    """The named class evicts: a read protects an entry."""

    async def body(cache: Adapted) -> None:
        for key in ("a", "b"):
            await cache.set(key, key)
        await cache.get("a")
        await cache.set("c", "c")
        assert [await cache.get(key) for key in "abc"] == ["a", None, "c"]

    use(f"cacheout?kind={kind}", body, capacity=2)


def test_diskcache_is_bounded_by_bytes(use: Use) -> None:
    """Its bound is the library's `size_limit`; entries beyond it go."""

    async def body(cache: Adapted) -> None:
        assert Capability.CAPACITY not in cache.capabilities
        for i in range(200):
            await cache.set(f"key{i}", "x" * 10_000)
        assert await cache.get("key0") is None
        assert await cache.get("key199") == "x" * 10_000

    use("diskcache?size_limit=500000", body)


@keepers("counters", ("cacheout", "diskcache", "theine"))
def test_counters_are_the_librarys(use: Use, library: str) -> None:
    """Hits and misses are those of the caller; what the library does not count is None."""

    async def body(cache: Adapted) -> None:
        assert Capability.STATS in cache.capabilities
        await cache.set("key", 1)
        for key in ("key", "none", "none"):
            await cache.get(key)
        stats = cache.get_stats()
        assert cache.get_stats() == stats  # reading changes nothing
        assert set(COUNTERS) <= set(stats)
        assert (stats["hits"], stats["misses"], stats["sets"]) == (1, 2, None)

    use(f"{library}?stats=true", body)


@pytest.mark.parametrize("spec", ["cacheout", "diskcache", "theine?stats=false"])
def test_without_counters_there_are_none(use: Use, spec: str) -> None:
    """Where counting is off, the cache does not say that it counts."""

    async def body(cache: Adapted) -> None:
        assert Capability.STATS not in cache.capabilities

    use(spec, body)


def test_theine_publishes_its_counters(use: Use) -> None:
    """Its first reading is right."""

    async def body(cache: Adapted) -> None:
        await cache.set("key", 1)
        await cache.get("key")
        stats = cache.get_stats()
        assert (stats["hits"], stats["misses"], stats["sets"]) == (1, 0, None)

    use("theine", body)
