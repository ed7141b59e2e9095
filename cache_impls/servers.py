"""Which objects are clients of a server, and the refusal of a cache that is one or holds one.

A run writes to a cache, clears it and shuts it down. Done to a server that this run did not start, that is harm:
redis-py's `shutdown` ends the server, and a `clear` made of `flushdb` empties its database. So a cache may reach a
server only through our own adapters, which touch keys of their own alone, or if it declares `Promises.own_server`.

The search follows what an object refers to (`gc.get_referents`: attributes, slots, containers, closures, bound
methods), and the globals that the methods of its class name. It is bounded, and begins only if a client library was
imported: thousands of ordinary caches a second pay one look into `sys.modules`. It does not see a client that a cache
makes at its first request; `guard` stands behind it.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from itertools import islice
from types import CellType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from cache_impls.guard import CLIENT_LIBRARIES, connected, lift

BACKENDS = (
    *("aiocache.backends.redis", "aiocache.backends.memcached", "aiocache.backends.valkey", "cashews.backends.redis"),
    *("cachelib.redis", "cachelib.memcached", "flask_caching.backends.rediscache", "flask_caching.backends.memcache"),
    *("dogpile.cache.backends.redis", "dogpile.cache.backends.valkey", "dogpile.cache.backends.memcached"),
    *("django.core.cache.backends.redis", "django.core.cache.backends.memcached", "django_redis", "django_valkey"),
)
"""Modules of caching libraries whose objects make such a client when they are first used."""

IN_PROCESS = frozenset({"fakeredis"})
"""Packages whose objects derive from a client's and talk to nobody."""

_HARMLESS = (BaseException, Enum)
_HARMLESS_MODULES = frozenset({"backoff", "retry", "credentials", "exceptions", "crc", "utils", "typing"})
"""Of what such a package makes, this talks to nobody."""
_ANY_COMMAND, _FLUSHES = "execute_command", ("flushdb", "flushall", "flush_all")
"""What a client of a server has, whatever its package: the first, or two of the others (a cache may flush, too)."""
_OURS = "cache_impls."
_DEPTH = 3
_MOST_OBJECTS = 500
_MOST_ITEMS = 50
"""Looked at in one container: clients are not kept by the hundred."""

_ATOMS = frozenset({str, bytes, int, float, complex, bool, type(None), bytearray, range, slice})
_PASSED_OVER = (ModuleType, type, CodeType, FrameType, BaseException)
"""What is shared by everybody, and leads to everything."""
_MACHINERY = frozenset({"asyncio", "_asyncio", "uvloop", "threading", "logging", "selectors"})
"""Packages whose objects lead to all that runs in this process."""
_CONTAINERS = (dict, list, tuple, set, frozenset, deque)
_TRANSPARENT = (*_CONTAINERS, CellType)
"""What they hold is as near as they are."""


def refusal(native: object) -> str | None:
    """Why native may not be driven, in one line: it is, or holds, a client of a server; None if it may."""
    if type(native).__module__.startswith(_OURS):
        return None
    connects = connected()
    if getattr(getattr(native, "promises", None), "own_server", False) is True:
        lift()
        return None
    cls = native if isinstance(native, type) else type(native)
    package = _client_package(cls)
    if package is None and _has_commands(cls):
        package = cls.__module__.partition(".")[0]
    if package is not None:
        return _told("is", package)
    if connects is not None:
        return _told("connects as", connects)
    if isinstance(native, type) or CLIENT_LIBRARIES.isdisjoint(sys.modules):
        return None
    package = _held(native)
    return None if package is None else _told("holds", package)


def _has_commands(cls: type) -> bool:
    if callable(getattr(cls, _ANY_COMMAND, None)):
        return True
    return sum(callable(getattr(cls, name, None)) for name in _FLUSHES) > 1


def _told(how: str, package: str) -> str:
    return (
        f"it {how} a client of a server (package {package}), which this run did not start and neither fills nor "
        "clears; name the server itself, as valkey://127.0.0.1:6379/0, or, if it is there for this run alone, "
        "declare promises = Promises(own_server=True) in the cache's class"
    )


@lru_cache(maxsize=1024)
def _client_package(cls: type) -> str | None:
    """The package that makes instances of cls clients, or None."""
    modules = [str(base.__module__) for base in cls.__mro__]
    packages = [module.partition(".")[0] for module in modules]
    if not IN_PROCESS.isdisjoint(packages) or issubclass(cls, _HARMLESS):
        return None
    if modules[0].rpartition(".")[2] in _HARMLESS_MODULES:
        return None
    for module, package in zip(modules, packages, strict=True):
        if package in CLIENT_LIBRARIES or any(f"{module}.".startswith(f"{backend}.") for backend in BACKENDS):
            return package
    return None


def _held(native: object) -> str | None:
    """The package of the first client that native leads to, the nearest first."""
    seen: dict[int, object] = {id(native): native}
    queue = deque([(native, 0)])
    for found in _globals_of_methods(native):
        queue.append((found, 1))
    while queue and len(seen) < _MOST_OBJECTS:
        here, depth = queue.popleft()
        if here is not native and (package := _client_package(_class_of(here))) is not None:
            return package
        if depth > _DEPTH or (here is not native and _opaque(_class_of(here))):
            continue
        for found in _referred(here):
            if type(found) not in _ATOMS and id(found) not in seen:
                seen[id(found)] = found
                queue.append((found, depth if isinstance(found, _TRANSPARENT) else depth + 1))
    return None


def _class_of(here: object) -> Any:
    return type(here)  # Any: mypy takes a metaclass's hash for none


@lru_cache(maxsize=1024)
def _opaque(cls: type) -> bool:
    """Whether nothing is looked for behind instances of cls."""
    package = str(cls.__module__).partition(".")[0]
    return issubclass(cls, _PASSED_OVER) or package in _MACHINERY or package in IN_PROCESS or package == _OURS[:-1]


def _referred(here: object) -> Iterator[object]:
    """What here refers to. Of a function: its closure, its defaults, and the globals that it names."""
    if isinstance(here, FunctionType):
        yield from (here.__defaults__ or ())
        yield from (here.__kwdefaults__ or {}).values()
        yield from (here.__closure__ or ())
        yield from _named(here.__code__, here.__globals__)
    elif isinstance(here, _CONTAINERS) and len(here) > _MOST_ITEMS:
        yield from islice(here.values() if isinstance(here, dict) else here, _MOST_ITEMS)
    else:
        yield from gc.get_referents(here)


def _globals_of_methods(native: object) -> Iterator[object]:
    """Attributes of native's own classes, and what its methods name: clients of the class or of its module."""
    for cls in type(native).__mro__:
        if cls.__module__ == "builtins" or cls.__module__.startswith(_OURS):
            continue
        for found in vars(cls).values():
            inner = getattr(found, "__func__", None) or getattr(found, "fget", None) or found
            if isinstance(inner, FunctionType):
                yield from _referred(inner)
            elif type(found) not in _ATOMS:
                yield found


def _named(code: CodeType, names: dict[str, Any]) -> Iterator[object]:
    """The globals that code names; of a module or a class, those of its attributes that code names too."""
    for name in code.co_names:
        found = names.get(name)
        if isinstance(found, (ModuleType, type)):
            held = vars(found)
            yield from (held[attribute] for attribute in code.co_names if attribute in held)
        elif found is not None:
            yield found
    for constant in code.co_consts:
        if isinstance(constant, CodeType):  # an inner function, or a comprehension
            yield from _named(constant, names)
