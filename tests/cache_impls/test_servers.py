"""A client of a server that this run did not start is never driven, however it is wrapped; its twins are."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT

from cache_impls import servers
from cache_impls.dialects import UnadaptableError, adapt
from cache_impls.protocol import Promises

pytest.importorskip("redis", reason="redis is not installed: pip install 'cachegate[valkey]'")

import redis.asyncio


class Cache:
    """A cache of somebody's, over whatever it is given."""

    def __init__(self, inner: object = None) -> None:
        self.inner = inner
        self.entries = [{} for _ in range(64)]  # type: list[dict[str, Any]]
        self.lock = asyncio.Lock()

    async def get(self, key: str) -> Any:
        return self.entries[0].get(key)

    async def set(self, key: str, value: Any) -> None:
        self.entries[0][key] = value


class Slotted(Cache):
    __slots__ = ("hidden",)
    hidden: object


class OfItsClass(Cache):
    shared = redis.Redis()


class OfItsModule(Cache):
    async def get(self, key: str) -> Any:
        return CLIENT.get(key)


class ThroughAHelper(Cache):
    async def get(self, key: str) -> Any:
        return await asyncio.gather(*(_client().get(one) for one in (key,)))


class MadeLater(Cache):
    """Its client is made by initialize()."""

    async def initialize(self) -> None:
        self.inner = redis.asyncio.Redis()


class Declared(MadeLater):
    promises = Promises(own_server=True)


class NamesTheLibrary(Cache):
    """Its client is optional, and it has none."""

    async def get(self, key: str) -> Any:
        try:
            return await super().get(key)
        except redis.RedisError:
            return redis.crc.key_slot(key.encode())


CLIENT = redis.Redis()


def _client() -> Any:
    return CLIENT


def _in_a_closure() -> Cache:
    client = redis.Redis()

    class Closed(Cache):
        async def set(self, key: str, value: Any) -> None:
            client.set(key, value)

    return Closed()


def _slotted() -> Cache:
    cache = Slotted()
    cache.hidden = redis.Redis()
    return cache


def _library(name: str, backend: str) -> Callable[[], Any]:
    def make() -> Any:
        library = pytest.importorskip(name)
        if name == "aiocache":
            return library.Cache(getattr(library.Cache, backend))
        cache = library.Cache()
        cache.setup(backend)
        return cache

    return make


CLIENTS: dict[str, Callable[[], Any]] = {
    "redis": redis.Redis,
    "redis.asyncio": redis.asyncio.Redis,
    "a subclass": type("Mine", (redis.asyncio.Redis,), {}),
    "valkey": lambda: pytest.importorskip("valkey").Valkey(),
    "execute_command": type("Vendored", (Cache,), {"execute_command": lambda self: None}),
    "flushes": type("Vendored", (Cache,), {"flushdb": lambda self: None, "flushall": lambda self: None}),
    "aiocache": _library("aiocache", "REDIS"),
}
HOLDERS: dict[str, Callable[[], Any]] = {
    "attribute": lambda: Cache(redis.Redis()),
    "pool": lambda: Cache(redis.ConnectionPool()),
    "slot": _slotted,
    "containers": lambda: Cache({"clients": [(redis.Redis(),)]}),
    "objects": lambda: Cache(SimpleNamespace(a=SimpleNamespace(b=redis.Redis()))),
    "bound method": lambda: Cache(redis.Redis().get),
    "partial": lambda: Cache(partial(redis.Redis().get, "k")),
    "closure": _in_a_closure,
    "class": OfItsClass,
    "module": OfItsModule,
    "helper": ThroughAHelper,
    "cashews": _library("cashews", "redis://127.0.0.1:1/0"),
    "wrapped cashews": lambda: Cache(_library("cashews", "redis://127.0.0.1:1/0")()),
    "wrapped aiocache": lambda: Cache(_library("aiocache", "REDIS")()),
}
TWINS: dict[str, Callable[[], Any]] = {
    "plain": Cache,
    "declared": lambda: type("Own", (Cache,), {"promises": Promises(own_server=True)})(redis.Redis()),
    "names the library": NamesTheLibrary,
    "an error of it": lambda: Cache(redis.ConnectionError("gone")),
    "aiocache": _library("aiocache", "MEMORY"),
    "wrapped aiocache": lambda: Cache(_library("aiocache", "MEMORY")()),
    "cashews": _library("cashews", "mem://"),
    "ours": lambda: Cache(_ours()),
}


def _ours() -> Any:
    from cache_impls.registry import make

    return make("valkey://127.0.0.1:1/0").native


async def _adapted(make: Callable[[], Any]) -> Any:
    return adapt(make())


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_is_no_cache(name: str) -> None:
    """The line says what it is, and the spec to write in its place."""
    with pytest.raises(UnadaptableError, match=r"^it is a client .*valkey://127\.0\.0\.1:6379/0.*own_server=True"):
        asyncio.run(_adapted(CLIENTS[name]))


@pytest.mark.parametrize("name", HOLDERS)
def test_what_holds_a_client_is_no_cache(name: str) -> None:
    """To fill, clear and close it is the same harm."""
    with pytest.raises(UnadaptableError, match=r"^it holds a client .*valkey://127\.0\.0\.1:6379/0.*own_server=True"):
        asyncio.run(_adapted(HOLDERS[name]))


@pytest.mark.parametrize("name", TWINS)
def test_what_talks_to_nobody_or_may_is_a_cache(name: str) -> None:
    """The correct twins: the library is imported, and no client of a stranger's server is there."""
    asyncio.run(_adapted(TWINS[name]))


def test_a_client_that_initialize_makes_is_seen() -> None:
    """Before the first use; a cache that declares its server may make one."""
    adapted = adapt(MadeLater())
    assert adapted.initialize is not None
    with pytest.raises(UnadaptableError, match="holds a client"):
        asyncio.run(_initialize(adapted))
    asyncio.run(_initialize(adapt(Declared())))


def test_without_a_client_library_nothing_is_looked_through() -> None:
    """An ordinary cache pays one look into sys.modules: a process in which none was imported begins no search."""
    code = (
        "import cache_impls.servers as servers\n"
        "def fail(native): raise AssertionError\n"
        "servers._held = fail\n"
        "from cache_impls.registry import make\n"
        "make('improved'), make('migration')\n"
        "from cache_impls.dialects import adapt\n"
        "adapt(type('Cache', (), {'get': fail, 'set': fail})())\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


async def _initialize(adapted: Any) -> None:
    await adapted.initialize()


def test_a_cache_may_flush_too() -> None:
    """One method of that name makes no client; nor does what a client's package has that talks to nobody."""
    redis_backoff = pytest.importorskip("redis.backoff")
    flushing = type("Flushing", (Cache,), {"flush_all": lambda self: None})()
    flushing.backoff = redis_backoff.ExponentialBackoff()
    assert servers.refusal(flushing) is None
