"""A copy of `improved` with a best setting planted: what the figures of `tune` are measured on.

`planted?shards=9` is the one value of fifteen that does no extra work; `idle` does nothing at all. `two` has the same
in two parameters: one combination of five by three is better, or, with `hidden` at 1, one value of `shards`. How much
better the work makes it depends on the machine: the figures calibrate `work`.
"""

from __future__ import annotations

from slowed import SlowedOperations

BEST = 9
BEST_OF_FIVE = 8


def planted(shards: int = 1, idle: int = 1, work: int = 30, max_entries: int = 100_000) -> SlowedOperations:
    """Fast where shards is `BEST`; idle has no effect."""
    del idle
    return SlowedOperations(0 if shards == BEST else work, max_entries=max_entries)


def two(shards: int = 1, idle: int = 1, work: int = 30, max_entries: int = 100_000) -> SlowedOperations:
    """Fast where shards is `BEST_OF_FIVE`, whatever idle is."""
    del idle
    return SlowedOperations(0 if shards == BEST_OF_FIVE else work, max_entries=max_entries)
