"""LRU and the optimal, exact, an access at a time. Pure: columns in, hits out; memory grows with keys, not accesses.

What they do, as every cache here: a write is stored; a missed get is followed by a write if look_aside; a delete
removes. They know no ttl and count objects. LRU counts a hit and a write as use.

The optimal is Belady's MIN (IBM Systems Journal 5, 1966): what makes room is the entry whose next answer is
farthest off. As in libCacheSim, every write is stored, even where that costs more than it brings (it does not
bypass), so a cache that refuses entries can be better by a hair; with refuses nothing can be. Without look_aside a
get that MIN misses could not bring its entry back, but here it may, if that is worth it: the best order of
evictions is then not known, and this is a bound.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush, heappushpop

from harness.hitratio.columns import NEVER
from harness.measure.requests import DELETE, GET


def lru(
    keys: Iterable[int],
    ops: Iterable[int],
    again: Iterator[int],
    *,
    capacity: int,
    distinct_keys: int,
    look_aside: bool,
) -> int:
    """Hits of LRU at capacity (> 0). keys are below distinct_keys; again gives the same keys once more.

    The accesses themselves are the queue: the oldest entry is the first access that is still its key's last use.
    """
    last_use = array("q", [-1]) * distinct_keys  # -1: not held
    hits = held = 0
    oldest = -1
    for i, (key, op) in enumerate(zip(keys, ops, strict=True)):
        if op == GET:
            if last_use[key] >= 0:
                hits += 1
                last_use[key] = i
                continue
            if not look_aside:
                continue
        elif op == DELETE:
            if last_use[key] >= 0:
                last_use[key] = -1
                held -= 1
            continue
        elif last_use[key] >= 0:
            last_use[key] = i
            continue
        last_use[key] = i
        held += 1
        if held > capacity:
            for victim in again:
                oldest += 1
                if last_use[victim] == oldest:
                    last_use[victim] = -1
                    held -= 1
                    break
    return hits


def optimal(
    next_answers: Iterable[int],
    ops: Iterable[int],
    *,
    capacity: int,
    requests: int,
    look_aside: bool,
    refuses: bool = False,
) -> int:
    """Hits of the optimal at capacity (> 0). next_answers: as `future.NextAnswers` gives them.

    refuses: a write need not be stored; then no cache of that capacity has more hits, whatever it does. An entry
    is held for an answer, whose number stands for it: numbers are unique, and those that are past are smaller than
    all that are held, so the heap needs no removal, only to be compacted.
    """
    answered = bytearray(requests)
    farthest: list[int] = []  # a heap of negative numbers
    held = 0
    for i, (answer, op) in enumerate(zip(next_answers, ops, strict=True)):
        if answered[i]:
            held -= 1
        elif op == DELETE:
            continue
        elif held == capacity:
            if refuses or (op == GET and not look_aside):
                if answer != NEVER:
                    answered[answer] = 1
                    answered[-heappushpop(farthest, -answer)] = 0
                continue
            answered[-heappop(farthest)] = 0
            held -= 1
        if answer != NEVER:
            answered[answer] = 1
            held += 1
            heappush(farthest, -answer)
            if len(farthest) > 2 * capacity + 1024:
                farthest = [number for number in farthest if -number > i]
                heapify(farthest)
    return sum(answered)
