"""Caches that are to be told from others by what `hitratio` says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cache_impls.improved import ImprovedAsyncCache


class Lies(ImprovedAsyncCache):
    """Answers each key's first value, once in a while."""

    def __init__(self, max_entries: int = 100) -> None:
        super().__init__(max_entries=max_entries)
        self._calls = 0
        self._kept: Any = None

    async def get(self, key: str) -> Any | None:
        """Every 50th hit is another key's value."""
        value = await super().get(key)
        self._calls += 1
        self._kept = self._kept or value
        return self._kept if value is not None and self._calls % 50 == 0 else value


class HoldsTwice(ImprovedAsyncCache):
    """Takes a bound, and holds twice as much."""

    def __init__(self, max_entries: int = 100) -> None:
        super().__init__(max_entries=2 * max_entries, num_shards=1)


class HoldsTwiceUnseen(HoldsTwice):
    """And tells half of it."""

    async def size(self) -> int:
        """Half."""
        return await super().size() // 2


class Prints(ImprovedAsyncCache):
    """Prints, and ends no task of its own accord."""

    def __init__(self, max_entries: int = 100) -> None:
        print('{"event": "answered"}', flush=True)
        super().__init__(max_entries=max_entries, num_shards=1)


class Sizeless:
    """Get and set, and no more."""

    def __init__(self, capacity: int = 100) -> None:
        self._held: dict[str, Any] = {}
        self._capacity = capacity

    def get(self, key: str) -> Any | None:
        """The value."""
        return self._held.get(key)

    def set(self, key: str, value: Any) -> None:
        """First in, first out."""
        if key not in self._held and len(self._held) >= self._capacity:
            self._held.pop(next(iter(self._held)))
        self._held[key] = value


class TellsItsMemory(ImprovedAsyncCache):
    """Writes the most memory that its process ever had, in bytes, to a file beside the trace."""

    async def shutdown(self) -> None:
        """Tell."""
        told = str(most_resident_bytes())
        Path("cache-process").write_text(told)  # noqa: ASYNC240  # nothing else runs any more
        await super().shutdown()


def most_resident_bytes() -> int:
    """Of this process since it began to run its program; `ru_maxrss` would count what its parent had when it forked."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


class SizeRaises(ImprovedAsyncCache):
    """Cannot tell its size."""

    async def size(self) -> int:
        """Raise."""
        raise OSError("disk is away")


class ShutdownRaises(ImprovedAsyncCache):
    """Cannot end."""

    async def shutdown(self) -> None:
        """Raise."""
        raise OSError("disk is away")
