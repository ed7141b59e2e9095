"""Which gets can be answered at all, and by which earlier request's entry: a chunk at a time, first on, then back.

A get can be answered if its key was written before and not deleted since. Between two requests of a key an
entry is worth its room only if the second is such a get: a write or a delete makes it useless. Pure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.hitratio.columns import NEVER
from harness.measure.requests import DELETE, GET

Bools = NDArray[np.bool_]
Numbers = NDArray[np.uint32]


class Answerable:
    """Chunks in order -> which requests are gets that a cache with room for all would answer."""

    def __init__(self, distinct_keys: int, *, look_aside: bool) -> None:
        self._there = np.zeros(distinct_keys, dtype=bool)
        """Whether each key has been written and not deleted."""
        self._look_aside = look_aside

    def of(self, keys: Numbers, ops: NDArray[np.uint8]) -> Bools:
        """A row for each request of the next chunk."""
        order = np.argsort(keys, kind="stable")
        key, op = keys[order], ops[order]
        number = np.arange(len(key))
        starts = np.r_[True, key[1:] != key[:-1]]
        ends = np.r_[starts[1:], True]
        # The last request of the key in this chunk, before each row, that decides whether it is there.
        decides = (op != GET) | self._look_aside
        last = np.maximum.accumulate(np.where(decides, number, -1))
        before = np.r_[-1, last[:-1]]
        first = np.maximum.accumulate(np.where(starts, number, 0))
        there = np.where(before >= first, op[before] != DELETE, self._there[key])
        after = np.where(decides, op != DELETE, there)
        self._there[key[ends]] = after[ends]
        found = np.empty(len(key), dtype=bool)
        found[order] = there & (op == GET)
        return found


class NextAnswers:
    """Chunks from the last to the first -> the number of the request that each one's entry can next answer."""

    def __init__(self, distinct_keys: int) -> None:
        self._following = np.full(distinct_keys, NEVER, dtype=np.uint32)

    def of(self, keys: Numbers, answerable: Bools, start: int) -> Numbers:
        """A row for each request of the chunk before, whose first request has number start; `NEVER` for none."""
        order = np.argsort(keys, kind="stable")
        key = keys[order]
        number = np.where(answerable[order], order + start, NEVER).astype(np.uint32)
        starts = np.r_[True, key[1:] != key[:-1]]
        ends = np.r_[starts[1:], True]
        following = np.r_[number[1:], np.uint32(NEVER)]
        following[ends] = self._following[key[ends]]
        self._following[key[starts]] = number[starts]
        found = np.empty(len(key), dtype=np.uint32)
        found[order] = following
        return found
