"""The new cache divided into as many dictionaries as asked: do shards help?

`cachegate tune tests/benchmarks/divided.py:make -p shards=1,4,16,64 --workload ycsb-c`.
"""

from __future__ import annotations

from cache_impls.improved import ImprovedAsyncCache


def make(shards: int = 1, max_entries: int = 100_000) -> ImprovedAsyncCache:
    """So many shards, and else the same."""

    class Divided(ImprovedAsyncCache):
        shard_entries = -(-max_entries // shards)

    return Divided(max_entries=max_entries)
