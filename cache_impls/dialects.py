"""Dialects: real caches name the same things differently; `adapt` recognises them and says what it adapted.

Where a cache already speaks the protocol its own bound methods are used, so adapting costs a timed
operation nothing. The table of names is here and nowhere else.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from cache_impls.protocol import COUNTERS, Capability, Promises
from cache_impls.servers import refusal

CAPACITY_NAMES = ("max_entries", "maxsize", "max_size", "capacity", "maxlen")
"""What factories call the bound on the number of entries, the first found wins."""

_SHUTDOWN_NAMES = ("aclose", "close", "shutdown", "stop")
"""What closes a client comes first: a client's `shutdown` may end the server that it talks to."""
_STATS_NAMES = ("get_stats", "get_detailed_metrics", "stats")
_TTL_NAMES = ("ttl", "ttl_seconds", "expire", "expiry", "timeout", "ex")
_STEPS = ("get", "set")

Operation = Callable[..., Awaitable[Any]]


class UnadaptableError(TypeError):
    """The object lacks what every cache must have, or is a client of a server that is not this run's."""


class Adapted:
    """Any cache, as an `AsyncCache`: attributes are bound methods, its own wherever they fit."""

    __slots__ = (
        "capabilities",
        "capacity",
        "clear",
        "delete",
        "get",
        "get_or_load",
        "get_stats",
        "incidents",
        "initialize",
        "interpose",
        "load_takes_ttl",
        "native",
        "notes",
        "promises",
        "set",
        "shutdown",
        "size",
    )

    def __init__(self, native: object) -> None:
        self.native = native
        self.notes: list[str] = []
        """What was adapted or is missing, one sentence each."""
        self.capacity: Any = None
        """The entry bound that the factory was given, where it takes one."""
        self.capabilities = Capability(0)
        self._refuse_server()
        for name in _STEPS:
            if not callable(getattr(native, name, None)):
                raise UnadaptableError(f"{type(native).__name__} has no {name}()")
        self.get: Operation = self._operation("get")
        self.set: Operation = self._set()
        self.delete: Operation = self._optional(("delete", "remove"), Capability.DELETE)
        self.clear: Operation = self._optional(("clear",), Capability.CLEAR)
        self.size: Operation = self._optional(("size", "__len__"), Capability.SIZE)
        self.get_stats: Callable[[], Mapping[str, Any]] = self._stats()
        self.shutdown: Operation = self._shutdown()
        self.load_takes_ttl = False
        self.get_or_load: Operation | None = self._get_or_load()
        self.promises: Promises = getattr(native, "promises", Promises())
        self.interpose: Callable[[Callable[[str, Adapted], Adapted]], None] | None = getattr(native, "interpose", None)
        """Of a cache made of caches: put what the function makes of each (name, cache) in its place."""
        self.incidents: Callable[[], Mapping[str, int]] = partial(_incidents_of, native)
        """What went wrong that no answer shows, by name, so far."""
        self.initialize: Operation | None = None
        if callable(getattr(native, "initialize", None)):
            self.initialize = self._initialized(self._operation("initialize"))
            self._note("initialize() is called before the first use")

    def _refuse_server(self) -> None:
        why = refusal(self.native)
        if why is not None:
            raise UnadaptableError(why)

    def _initialized(self, initialize: Operation) -> Operation:
        async def initialize_and_look() -> None:
            await initialize()
            self._refuse_server()  # many make their client here

        return initialize_and_look

    def _note(self, text: str) -> None:
        self.notes.append(text)

    def _operation(self, name: str) -> Operation:
        method = getattr(self.native, name)
        if _is_async(method):
            return method  # type: ignore[no-any-return]  # checked: calling it gives an awaitable
        self._note(f"{name}() is synchronous")

        async def call(*args: Any) -> Any:
            answer = method(*args)
            return await answer if inspect.isawaitable(answer) else answer

        return call

    def _optional(self, names: tuple[str, ...], capability: Capability) -> Operation:
        for name in names:
            if callable(getattr(self.native, name, None)):
                if name != names[0]:
                    self._note(f"{names[0]}() is its {name}()")
                self.capabilities |= capability
                return self._operation(name)
        self._note(f"it has no {names[0]}()")
        return _missing(type(self.native).__name__, names[0])

    def _set(self) -> Operation:
        operation, takes_ttl = self._with_ttl("set")
        if takes_ttl:
            self.capabilities |= Capability.TTL
        return operation

    def _get_or_load(self) -> Operation | None:
        method = getattr(self.native, "get_or_load", None)
        if not callable(method):
            return None
        parameters = _parameters(method)
        if parameters is not None and len(parameters) < 2 and all(p.kind is not p.VAR_POSITIONAL for p in parameters):
            self._note("get_or_load() takes no key and loader, so it is left alone")
            return None
        self.capabilities |= Capability.LOAD
        operation, self.load_takes_ttl = self._with_ttl("get_or_load")
        return operation

    def _with_ttl(self, name: str) -> tuple[Operation, bool]:
        """An operation on a key and something else, with the ttl as its third; whether it takes one."""
        method, native = self._operation(name), getattr(self.native, name)
        parameters = _parameters(native)
        if parameters is None:
            return method, False
        third = parameters[2] if len(parameters) > 2 else None
        named = next((p for p in parameters[2:] if p.name in _TTL_NAMES), None)
        if named is None:
            self._note(f"{name}() takes no ttl")

            async def without_ttl(key: str, value: Any, _ttl: float | None = None) -> Any:
                return await method(key, value)

            return without_ttl, False
        if named.name != "ttl":
            self._note(f"ttl is its {named.name}")
        as_timedelta = "timedelta" in str(named.annotation)
        if named is third and named.kind is not named.KEYWORD_ONLY and not as_timedelta:
            return method, True
        in_its_terms: Callable[[float], Any] = float
        if as_timedelta:
            from datetime import timedelta  # here, because a trial process starts without it

            self._note("ttl is passed as a timedelta")
            in_its_terms = partial(timedelta, 0)  # days, then seconds

        async def by_name(key: str, value: Any, ttl: float | None = None) -> Any:
            if ttl is None:
                return await method(key, value)
            return await keyword(key, value, in_its_terms(ttl))

        async def keyword(key: str, value: Any, ttl: Any) -> Any:
            answer = native(key, value, **{named.name: ttl})
            return await answer if inspect.isawaitable(answer) else answer

        return by_name, True

    def _stats(self) -> Callable[[], Mapping[str, Any]]:
        for name in _STATS_NAMES:
            method = getattr(self.native, name, None)
            if callable(method) and not _is_async(method):
                if name != _STATS_NAMES[0]:
                    self._note(f"get_stats() is its {name}()")
                self.capabilities |= Capability.STATS
                return method  # type: ignore[no-any-return]  # a plugin's answer is checked where it is used
        self._note("it publishes no counters")
        return lambda: dict.fromkeys(COUNTERS, None)

    def _shutdown(self) -> Operation:
        for name in _SHUTDOWN_NAMES:
            if callable(getattr(self.native, name, None)):
                if name != "shutdown":
                    self._note(f"shutdown() is its {name}()")
                return self._operation(name)
        self._note("it has no shutdown()")

        async def nothing() -> None:
            return None

        return nothing


def adapt(native: object) -> Adapted:
    """native as an `AsyncCache`; what is already adapted stays. Raises UnadaptableError without get and set."""
    return native if isinstance(native, Adapted) else Adapted(native)


def _is_async(method: Any) -> bool:
    return _is_async_function(getattr(method, "__func__", method))


def _parameters(method: Any) -> tuple[inspect.Parameter, ...] | None:
    """Those of a method as its caller sees them, or None where it hides its signature."""
    function = getattr(method, "__func__", None)
    if function is None:
        return _parameters_of(method)
    found = _parameters_of(function)
    return None if found is None else found[1:]


# A simulation adapts thousands of caches of one class a second: what is known of a function is kept.
@lru_cache(maxsize=256)
def _is_async_function(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  # not a test for callability: an object whose call is async
    )


@lru_cache(maxsize=256)
def _parameters_of(function: Any) -> tuple[inspect.Parameter, ...] | None:
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def _incidents_of(native: object) -> Mapping[str, int]:
    """The attribute `incidents` of a cache, as far as it counts anything."""
    found = getattr(native, "incidents", None)
    if not isinstance(found, Mapping):
        return {}
    return {str(name): count for name, count in found.items() if type(count) is int and count > 0}


def _missing(owner: str, name: str) -> Operation:
    async def refuse(*args: Any) -> Any:
        raise NotImplementedError(f"{owner} has no {name}()")

    return refuse
