"""Caches with one fault each, for the gate to catch; and correct twins that it must pass."""

from __future__ import annotations

import os
import secrets
import signal
import time
from typing import Any

from cache_impls.improved import ImprovedAsyncCache


class Correct(ImprovedAsyncCache):
    """The twin without a fault."""


class AnswersStale(ImprovedAsyncCache):
    """Keeps the first value that a key ever had."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._first: dict[str, Any] = {}

    async def get(self, key: str) -> Any | None:
        """The first value instead of the last."""
        value = await super().get(key)
        return None if value is None else self._first.get(key, value)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Remember the first."""
        self._first.setdefault(key, value)
        await super().set(key, value, ttl)


class AnswersAnotherKey(ImprovedAsyncCache):
    """Answers what was asked for before, once in a while."""

    _last: Any = None
    _calls = 0

    async def get(self, key: str) -> Any | None:
        """Every 97th answer is the one before."""
        value = await super().get(key)
        self._calls += 1
        previous, self._last = self._last, value
        return previous if self._calls % 97 == 0 else value


class NeverExpires(ImprovedAsyncCache):
    """Drops the ttl."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store for ever."""
        await super().set(key, value, None if ttl is None else 1e9)


class AnswersTuples(ImprovedAsyncCache):
    """Speaks another interface: (value, found)."""

    async def get(self, key: str) -> Any:
        """A tuple."""
        value = await super().get(key)
        return (value, value is not None)


class RaisesSometimes(ImprovedAsyncCache):
    """Fails every 500th get."""

    _calls = 0

    async def get(self, key: str) -> Any | None:
        """Raise now and then."""
        self._calls += 1
        if self._calls % 500 == 0:
            raise KeyError(key)
        return await super().get(key)


class RaisesAlways(ImprovedAsyncCache):
    """Fails every set."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Raise."""
        raise ConnectionError("second tier is away")


class Miscounts(ImprovedAsyncCache):
    """Counts a hit twice now and then."""

    async def get(self, key: str) -> Any | None:
        """Count once too often."""
        value = await super().get(key)
        if self._hits % 100 == 0:
            self._hits += 1
        return value


class Hangs(ImprovedAsyncCache):
    """Never comes back from the 300th get."""

    _calls = 0

    async def get(self, key: str) -> Any | None:
        """Spin."""
        self._calls += 1
        while self._calls >= 300:
            pass
        return await super().get(key)


class Dies(ImprovedAsyncCache):
    """Ends its process."""

    _calls = 0

    async def get(self, key: str) -> Any | None:
        """Exit with status 7 in the middle."""
        self._calls += 1
        if self._calls == 300:
            print("fatal: out of handles", flush=True)
            os._exit(7)
        return await super().get(key)


class IsKilled(ImprovedAsyncCache):
    """Is killed by a signal, as by the out-of-memory killer."""

    async def get(self, key: str) -> Any | None:
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)
        return await super().get(key)


class NativeClock(ImprovedAsyncCache):
    """Expires by a clock that nobody can move."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._deadlines: dict[str, float] = {}

    async def get(self, key: str) -> Any | None:
        """Miss once the real time has passed."""
        value = await super().get(key)
        return value if time.perf_counter() < self._deadlines.get(key, 0) else None

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Keep a deadline in real time."""
        self._deadlines[key] = time.perf_counter() + (ttl or 300)
        await super().set(key, value, 1e6)


class SynchronousCache:
    """A dict with another dialect: no coroutines, `expire`, `close`, no ttl of its own, no bound."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[Any, float]] = {}

    def get(self, key: str) -> Any | None:
        """The live value."""
        entry = self._entries.get(key)
        return entry[0] if entry is not None and entry[1] > time.monotonic() else None

    def set(self, key: str, value: Any, *, expire: float | None = None) -> None:
        """Store."""
        self._entries[key] = (value, time.monotonic() + (expire or 300))

    def close(self) -> None:
        """Drop all."""
        self._entries.clear()


def factory_raises() -> object:
    """Raise while building."""
    raise RuntimeError("no such host")


def factory_returns_nothing() -> None:
    """Forget to return the cache."""


not_a_factory = 5


class ForgetsAtRandom(ImprovedAsyncCache):
    """Misses now and then, by chance of the system's own: never the same twice."""

    async def get(self, key: str) -> Any | None:
        """One answer in three hundred is a miss."""
        value = await super().get(key)
        return None if secrets.randbelow(300) == 0 else value


class AnswersLate(ImprovedAsyncCache):
    """Answers something else at its five-thousandth read, and from then on."""

    _reads = 0

    async def get(self, key: str) -> Any | None:
        """The value, or a wrong one."""
        self._reads += 1
        value = await super().get(key)
        return value if value is None or self._reads < 5_000 else "something else"
