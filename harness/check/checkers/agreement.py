"""C8: both sides of a composite agree when all is quiet."""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.history import MISS, Column, Op, Outcome

ID = "C8"
NEEDS = Capability(0)
TITLE = "agrees"
LAW = "When nothing is under way, the sides that are both written hold the same value of a key, or one holds none."
EXAMPLE = """\
Two clients write x at once; the manager writes the old side, then the new one, without a lock. Old ends with 1, new
with 2, and they stay so until somebody writes again: the day reads move to the other side, the value changes."""


def skip(_promises: Promises) -> str | None:
    """Judged of every cache that lets its sides be looked at."""
    return None


def find(history: History, _promises: Promises) -> list[Finding]:
    """Keys for which the audit saw two different values."""
    seen = history.is_op(Op.PEEK) & (history.outcome == Outcome.OK) & (history.tag != MISS)
    old, new = (np.flatnonzero(seen & (history.side == side)) for side in (0, 1))
    _, first, second = np.intersect1d(history.unit[old], history.unit[new], return_indices=True)
    old, new = old[first], new[second]
    return [
        Finding(ID, int(history.schedule[one]), (int(one), int(other)), "when all is quiet, {0} and {1} differ")
        for one, other in zip(old, new, strict=True)
        if history.tag[one] != history.tag[other]
    ]


EDGES_NS = (0, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000)
"""Upper edges of the staleness histogram, the first exact; longer ones are counted last."""


def staleness(history: History) -> Column:
    """How long the sides were apart after each write of both: counts by `EDGES_NS`, and one more.

    From the end of the first side's write to the end of the last, of operations that wrote both sides well.
    """
    calls = np.flatnonzero(history.is_op(Op.SIDE_SET, Op.SIDE_DELETE) & (history.outcome == Outcome.OK))
    writes = np.flatnonzero(history.is_op(Op.SET, Op.DELETE))
    counts = np.zeros(len(EDGES_NS) + 1, dtype=np.int64)
    if not len(calls) or not len(writes):
        return counts
    # A client does one thing at a time, so a call belongs to its client's last write that began before it.
    name = history.schedule * (int(history.client.max()) + 2) + history.client + 1
    place = name * history.tick + history.start
    writes = writes[np.argsort(place[writes])]
    found = np.searchsorted(place[writes], place[calls]) - 1
    parent = writes[np.maximum(found, 0)]
    inside = (found >= 0) & (name[parent] == name[calls]) & (history.end[parent] > history.start[calls])
    calls, parent = calls[inside], parent[inside]
    order = np.argsort(parent, kind="stable")
    calls, parent = calls[order], parent[order]
    first = np.flatnonzero(np.diff(parent, prepend=-1))
    if not len(first):
        return counts
    ends = history.end_ns[calls]
    apart = np.maximum.reduceat(ends, first) - np.minimum.reduceat(ends, first)
    both = np.diff(first, append=len(calls)) >= 2  # sides
    np.add.at(counts, np.searchsorted(np.array(EDGES_NS), apart[both]), 1)
    return counts
