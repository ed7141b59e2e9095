"""What a cache is: the interface, what a legal key, value and ttl are, and what may be promised.

Rules:
1. `get` answers `None` for a miss, so `None` is not a value.
2. A refused call (`TypeError`, `ValueError`) changes nothing.
3. A read that starts at or after the end of its `set` + ttl misses.
4. Time is the running event loop's clock, never the wall clock.
5. `shutdown` may be called twice; any other use after it raises `CacheClosedError`.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

COUNTERS = ("hits", "misses", "sets", "deletes", "evictions", "expirations")
"""What `get_stats` counts at least.

`hits` and `misses` add up to the reads; `sets` counts accepted writes; `deletes` counts the deletes
that removed a live entry; `evictions` entries removed for room; `expirations` entries whose time ran out.
"""


class CacheClosedError(RuntimeError):
    """The cache was used after its `shutdown`."""


class UnreachableError(ConnectionError):
    """The server of a cache does not answer: raised by its `initialize`, where it means that the spec is wrong."""


class Capability(enum.Flag):
    """What a cache promises. It is judged by that, and what it lacks for a workload is skipped aloud."""

    TTL = enum.auto()
    """`set` takes a ttl of its own for each entry."""
    DELETE = enum.auto()
    CLEAR = enum.auto()
    SIZE = enum.auto()
    STATS = enum.auto()
    """`get_stats` counts hits, misses, sets and deletes as `COUNTERS` says."""
    CAPACITY = enum.auto()
    """The factory takes a bound on the number of entries."""
    LOAD = enum.auto()
    """`get_or_load(key, loader, ttl=None)`: the value, else what `await loader()` gives; all waiters share one load."""


class Promises(NamedTuple):
    """How strict the contract is that a cache keeps; it declares less as its attribute `promises`.

    The default is the whole contract. Checks judge a cache by what it promises, and say what was not judged.
    """

    ttl_jitter: float = 0.0
    """Fraction of its ttl by which an entry may end early or late."""
    stale_seconds: float = 0.0
    """How long after its ttl an entry may still be answered (stale while revalidate, coarse clocks)."""
    forgets: bool = False
    """It may forget an entry with no need for room (admission policies, random eviction, lossy tiers)."""
    weak: bool = False
    """A client reads its own writes and never back in time, but may miss what others wrote for a while."""
    inert: tuple[str, ...] = ()
    """Parameters that it takes for its callers' sake and that do nothing."""
    own_server: bool = False
    """The server that it talks to is there for this run alone: it may be filled, flushed and shut down."""


@runtime_checkable
class AsyncCache(Protocol):
    """A cache as the harness drives it; `registry.adapt` makes one of anything similar."""

    async def get(self, key: str, /) -> Any | None:
        """The live value of key, or None."""

    async def set(self, key: str, value: Any, ttl: float | None = None, /) -> None:
        """Store value for ttl seconds, or for the cache's own default where ttl is None."""

    async def delete(self, key: str, /) -> bool:
        """Remove key; True if it was live."""

    async def clear(self) -> None:
        """Remove every entry."""

    async def size(self) -> int:
        """The number of live entries."""

    def get_stats(self) -> Mapping[str, Any]:
        """Counters since the cache was made, at least `COUNTERS`."""

    async def shutdown(self) -> None:
        """Give back all tasks, timers and handles."""


def check_key(key: object) -> None:
    """Raise TypeError unless key is a str, ValueError if it is empty."""
    if not isinstance(key, str):
        raise TypeError(f"a key is a str, not {type(key).__name__}")
    if not key:
        raise ValueError("a key is not empty")


def check_value(value: object) -> None:
    """Raise ValueError for None, which means a miss."""
    if value is None:
        raise ValueError("None means a miss and cannot be stored")


def check_ttl(ttl: object) -> None:
    """Raise TypeError unless ttl is None or a number, ValueError unless it is finite seconds > 0."""
    if ttl is None:
        return
    if isinstance(ttl, bool) or not isinstance(ttl, int | float):
        raise TypeError(f"a ttl is seconds as a number, not {type(ttl).__name__}")
    if not 0 < ttl < math.inf:
        raise ValueError(f"a ttl is finite and > 0, not {ttl}")


def check_bound(name: str, value: object, *, whole: bool = True) -> None:
    """Raise TypeError or ValueError unless value is a number > 0 (an int where whole)."""
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise TypeError(f"{name} is {'an int' if whole else 'a number'}, not {type(value).__name__}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be > 0 and finite, not {value}")
