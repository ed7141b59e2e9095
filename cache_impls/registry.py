"""From a spec to a cache: `improved?num_shards=32`, `mypkg.mod:factory`, `path/to/file.py:factory?x=1`.

Two steps, because they happen in two processes. `parse` turns a spec's text into a `Spec` without
importing the cache; `Spec.build` imports it, calls its factory and adapts what comes out. Third-party
caches register in the entry-point group `cachegate.caches`. A bad spec raises `SpecError`, which names
the nearest valid one.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from cache_impls.dialects import CAPACITY_NAMES, Adapted, UnadaptableError, adapt
from cache_impls.forks import Alone
from cache_impls.guard import building
from cache_impls.protocol import Capability, UnreachableError

__all__ = ["BUILTIN", "Adapted", "Spec", "SpecError", "adapt", "known", "make", "parse"]

ENTRY_POINT_GROUP = "cachegate.caches"

BUILTIN: dict[str, tuple[str, str]] = {
    "legacy": ("cache_impls.legacy:AsyncTTLCache", "the old cache: a lock a shard, evicts by scanning"),
    "improved": ("cache_impls.improved:ImprovedAsyncCache", "the new cache: constant-time operations"),
    "migration": ("cache_impls.migration:make_migration", "old and new behind the six migration stages"),
    "hierarchy": ("cache_impls.hierarchy:HierarchyCache", "L1 in process, L2 behind it: l2=valkey://host:port/db"),
    "null": ("cache_impls.null:NullCache", "forgets everything; measures the harness"),
    "yardstick": ("cache_impls.yardstick:YardstickCache", "frozen; stored baselines are relative to it"),
    "aiocache": ("cache_impls.adapters.aiocache:AiocacheCache", "aiocache's SimpleMemoryCache: a timer an entry"),
    "cacheout": ("cache_impls.adapters.cacheout:CacheoutCache", "cacheout's Cache; kind=LRUCache or LFUCache"),
    "cachetools": ("cache_impls.adapters.cachetools:CachetoolsCache", "cachetools' TLRUCache"),
    "cashews": ("cache_impls.adapters.cashews:CashewsCache", "cashews on mem://"),
    "diskcache": ("cache_impls.adapters.diskcache:DiskcacheCache", "diskcache's Cache: SQLite, a temporary folder"),
    "theine": ("cache_impls.adapters.theine:TheineCache", "theine's Cache: W-TinyLFU in Rust"),
    "valkey": ("cache_impls.adapters.valkey:ValkeyCache", "a server: valkey://host:port/db or redis://..."),
}
"""Name -> (target, one line)."""

URL_SCHEMES = ("valkey", "valkeys", "redis", "rediss")
"""A spec that is such a URL is the cache `valkey` there."""

ADAPTERS = "cache_impls.adapters."
"""Modules that need a library of the extra `adapters`."""

_VARIABLE = re.compile(r"\$\{(\w+)\}")
HOW_TO_INSTALL = "pip install 'cachegate[adapters]'"


class SpecError(ValueError):
    """The spec is wrong: its name, its parameters, or its factory. The message is one line."""


class NotInstalledError(SpecError):
    """The spec is right, and the library that its cache needs is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One cache in one configuration, not yet imported."""

    text: str
    """As the user wrote it."""
    target: str
    """`module:attribute` or `file.py:attribute`."""
    parameters: dict[str, Any] = field(default_factory=dict)

    def build(self, *, capacity: int | None = None) -> Adapted:
        """Import the factory, call it and adapt the result.

        capacity is passed as the entry bound where the factory takes one and the spec sets none. Raises
        SpecError whatever goes wrong in the factory.
        """
        return self.builder(capacity=capacity)()

    def defaults(self) -> dict[str, Any]:
        """The factory's parameters with this spec's values, else their defaults. Raises SpecError."""
        try:
            parameters = _signature(_load(self.target)).parameters.values()
        except (TypeError, ValueError):
            return dict(self.parameters)
        named = {p.name: p.default for p in parameters if p.default is not p.empty}
        return named | self.parameters

    def builder(self, *, capacity: int | None = None) -> Callable[[], Adapted]:
        """What `build` does, as a function to be called many times; the checks are done here, once."""
        factory = _load(self.target)
        parameters = {name: from_environment(value) for name, value in self.parameters.items()}
        bound = _bound_name(factory)
        if bound is not None:
            for name in [name for name in CAPACITY_NAMES if name in parameters and name not in _accepted(factory)]:
                parameters.setdefault(bound, parameters.pop(name))
        if bound is not None and capacity is not None:
            parameters.setdefault(bound, capacity)
        _check_parameters(self.text, factory, parameters)
        default_bound = None if bound is None else _default(factory, bound)
        alone = Alone()

        def build() -> Adapted:
            try:
                with building():
                    native = alone.call(lambda: factory(**parameters))
            except Exception as error:  # user code: whatever it raises means that the spec does not build
                raise SpecError(f"{self.text!r} could not be built: {one_line(error)}") from error
            try:
                adapted = adapt(native)
            except UnadaptableError as error:
                raise SpecError(f"{self.text!r} is no cache: {error}") from error
            if bound is not None:
                adapted.capabilities |= Capability.CAPACITY
                adapted.capacity = parameters.get(bound, default_bound)
            if adapted.initialize is not None:
                adapted.initialize = _initialized(self.text, adapted.initialize)
            return adapted

        return build


def _initialized(text: str, initialize: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """An initialize that raises SpecError where the spec is wrong: no server is there, or it is not this run's."""

    async def initialize_as_spec() -> None:
        try:
            await initialize()
        except UnreachableError as error:
            raise SpecError(f"{text!r} could not be reached: {error}") from error
        except UnadaptableError as error:
            raise SpecError(f"{text!r} is no cache: {error}") from error

    return initialize_as_spec


def parse(text: str) -> Spec:
    """The Spec that text names. Raises SpecError; imports no cache."""
    from urllib.parse import unquote  # here, because a trial process starts without it

    name, _, query = text.partition("?")
    parameters: dict[str, Any] = {}
    for item in filter(None, query.split("&")):
        key, equals, value = item.partition("=")
        if not key or not equals:
            raise SpecError(f"{text!r}: {item!r} is not a parameter; write name=value")
        parameters[unquote(key)] = _scalar(unquote(value))
    if "://" in name and name.partition("://")[0] in URL_SCHEMES:
        parameters["url"], name = name, "valkey"
    return Spec(text=text, target=_target(text, name), parameters=parameters)


def from_environment(value: Any) -> Any:
    """A parameter's value, with what `${NAME}` stands for in the environment, so that no credential is in a spec.

    It stands for a whole value, or in a URL for a part, which is percent-encoded. Raises SpecError if it is not set.
    """
    if not isinstance(value, str) or "${" not in value:
        return value
    if "://" in value:
        from urllib.parse import quote  # here, because a trial process starts without it

        return _VARIABLE.sub(lambda found: quote(_variable(found[1]), safe=""), value)
    whole = _VARIABLE.fullmatch(value)
    return value if whole is None else _variable(whole[1])


def _variable(name: str) -> str:
    if name not in os.environ:
        raise SpecError(f"${{{name}}}: the environment has no variable {name}; set it, for instance: export {name}=...")
    return os.environ[name]


def make(text: str, *, capacity: int | None = None) -> Adapted:
    """The adapted cache that text names. Raises SpecError."""
    return parse(text).build(capacity=capacity)


def known() -> dict[str, tuple[str, str]]:
    """Every name a spec may start with -> (target, one line): ours and the installed entry points."""
    from importlib.metadata import entry_points  # slow to import, and only names not ours need it

    found = dict(BUILTIN)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        distribution = point.dist.name if point.dist else "an entry point"
        found.setdefault(point.name, (point.value, f"from {distribution}"))
    return found


def capabilities(name: str) -> Capability | None:
    """What the cache that `known` lists as name can do, told by its class: none is made.

    None where only a cache that is made would tell. Raises SpecError if it cannot be imported.
    """
    factory = _load(known()[name][0])
    made: Any = factory
    try:
        if not isinstance(factory, type):
            made = inspect.signature(factory, eval_str=True).return_annotation
        found = adapt(made).capabilities if isinstance(made, type) else None
    except (NameError, TypeError, ValueError):  # an annotation that means nothing here, or no get and set on the class
        return None
    return found if found is None or _bound_name(factory) is None else found | Capability.CAPACITY


def _target(text: str, name: str) -> str:
    if name in BUILTIN:
        return BUILTIN[name][0]
    if "://" not in name and ":" in name:
        module, _, attribute = name.rpartition(":")
        if not attribute.isidentifier():
            raise SpecError(f"{text!r}: {attribute!r} is not the name of a factory; write file.py:factory")
        if module.endswith(".py") and not Path(module).is_file():
            raise SpecError(f"{text!r}: there is no file {module}")
        return f"{Path(module).resolve()}:{attribute}" if module.endswith(".py") else name
    names = known()
    if name in names:
        return names[name][0]
    nearest = _nearest(name, names)
    hint = f"did you mean {nearest!r}?" if nearest else f"there are {', '.join(sorted(names))}"
    raise SpecError(f"no cache {name!r}; {hint} (or write mypkg.mod:factory or file.py:factory)")


def _load(target: str) -> Callable[..., Any]:
    module_name, _, attribute = target.rpartition(":")
    try:
        load = _load_file if module_name.endswith(".py") else importlib.import_module
        with building():
            module = Alone().call(lambda: load(module_name))
    except Exception as error:  # user code: whatever its import raises means that the spec does not load
        if isinstance(error, ModuleNotFoundError) and error.name and module_name.startswith(ADAPTERS):
            name, package = module_name.removeprefix(ADAPTERS), error.name.partition(".")[0]
            raise NotInstalledError(f"{name!r} needs the package {package}: {HOW_TO_INSTALL}") from error
        raise SpecError(f"{module_name!r} could not be imported: {one_line(error)}") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        nearest = _nearest(attribute, names)
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        raise SpecError(f"{module_name!r} has no factory {attribute!r}{hint}")
    return factory  # type: ignore[no-any-return]  # callable() narrows Any to a callable, not to its answer


def _load_file(path: str) -> Any:
    """Import a file by its path. Its folder can be imported from, after all that is installed."""
    name = f"cachegate_user_{Path(path).stem}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == path:
        return sys.modules[name]
    folder = str(Path(path).parent)
    if folder not in sys.path:
        sys.path.append(folder)
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise ImportError(f"not a Python file: {path}")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


def _signature(factory: Callable[..., Any]) -> inspect.Signature:
    """Of a factory. A composite makes its parts anew for each of thousands of schedules, so it is kept."""
    try:
        return _kept_signature(factory)
    except TypeError:  # not hashable, or it has none: then it says so here
        return inspect.signature(factory)


_kept_signature = lru_cache(maxsize=64)(inspect.signature)


def _bound_name(factory: Callable[..., Any]) -> str | None:
    names = _accepted(factory)
    return next((name for name in CAPACITY_NAMES if name in names), None)


def _accepted(factory: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(_signature(factory).parameters)
    except (TypeError, ValueError):
        return ()


def _default(factory: Callable[..., Any], name: str) -> Any:
    """The default of a factory's parameter; None if it has none."""
    default = _signature(factory).parameters[name].default
    return None if default is inspect.Parameter.empty else default


def _check_parameters(text: str, factory: Callable[..., Any], parameters: dict[str, Any]) -> None:
    """Raise SpecError, with the real names, for a parameter that the factory does not take."""
    try:
        signature = _signature(factory)
    except (TypeError, ValueError):
        return  # a native callable that hides its signature: the call itself will tell
    accepted = signature.parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values()):
        for name in parameters:
            if name not in accepted:
                nearest = _nearest(name, accepted)
                hint = f"did you mean {nearest!r}? " if nearest else ""
                real = ", ".join(accepted) or "none"
                raise SpecError(f"{text!r}: no parameter {name!r}; {hint}it takes {real}")
    try:
        signature.bind(**parameters)
    except TypeError as error:
        raise SpecError(f"{text!r}: {error}") from error


def _nearest(name: str, names: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # as above

    return next(iter(get_close_matches(name, list(names), n=1, cutoff=0.5)), None)


def _scalar(text: str) -> Any:
    """A JSON scalar, else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, list | dict) else value


def one_line(error: BaseException) -> str:
    """What foreign code raised, as one line that a terminal can be shown: signs that steer one are written out."""
    text = " ".join(str(error).split())
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
