"""Copies of `improved` with more work put in, by a known amount: what the gate's figures are measured on.

`operations?work=N` spins N turns of an empty loop in every get and set; `sweep?work=N` spins them for every
sweep and nowhere else. With N = 0 a copy has the same plumbing and no extra work, so
the pair (0, N) differs by the work alone. How much N is in percent depends on the machine: `figures` calibrates.
"""

from __future__ import annotations

from itertools import repeat
from typing import Any

from cache_impls.improved import ImprovedAsyncCache


class SlowedOperations(ImprovedAsyncCache):
    """Every get and set does `work` turns more."""

    def __init__(self, work: int = 0, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._work = work

    async def get(self, key: str) -> Any | None:
        """As improved, after some work."""
        for _ in repeat(None, self._work):
            pass
        return await super().get(key)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """As improved, after some work."""
        for _ in repeat(None, self._work):
            pass
        await super().set(key, value, ttl)


class SlowedSweep(ImprovedAsyncCache):
    """Every sweep costs `work` turns more."""

    def __init__(self, work: int = 0, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._work = work

    async def _sweep(self) -> None:
        for _ in repeat(None, self._work):
            pass
        await super()._sweep()


def operations(work: int = 0, max_entries: int = 100_000) -> SlowedOperations:
    """More work an operation."""
    return SlowedOperations(work, max_entries=max_entries)


def sweep(work: int = 0, max_entries: int = 100_000) -> SlowedSweep:
    """More work a sweep."""
    return SlowedSweep(work, max_entries=max_entries)
