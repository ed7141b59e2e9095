"""The versions of each key: what checkers of freshness have in common.

A *version* is a write with its tag and all reads that answered it. It was surely in force at `first` = the
earliest end among them, and still at `last` = the latest start among them. If first < last the version holds the
whole of (first, last) (a *forward zone*: somebody had seen or written it, and somebody saw it later). Else all its
operations overlap, and it is enough that it was in force for a moment of [last, first] (a *backward zone*).

Gibbons and Korach, "Testing shared memories" (SIAM J. Computing 26, 1997): with unique values a history of one
register is atomic if and only if no read precedes its write, no two forward zones overlap, and no backward zone lies
within a forward one. That takes n log n; `tests/check/checkers/test_versions.py` holds it against a search of all
orders. A cache may forget, so misses are left out; a delete is a version that nobody reads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.history import FOREIGN, MISS, Column, History, Op, Outcome


class Versions(NamedTuple):
    """Versions in force at some time, by (unit, first), and every hit."""

    row: Column
    """Of the write."""
    unit: Column
    first: Column
    since: Column
    """`first`, but of a loaded value the start of its load: whatever was written or removed since is newer."""
    last: Column
    first_row: Column
    last_row: Column
    hit_row: Column
    """Of each hit whose write is known."""
    hit_version: Column
    """Its place among the versions; `NOBODY` if the write was refused."""
    hit_write: Column
    """The row of its write."""


NOBODY = -1


def hits_of(history: History) -> Column:
    """Rows of reads that answered something."""
    reads = history.is_op(Op.GET, Op.GET_OR_LOAD) & (history.outcome == Outcome.OK) & (history.tag != MISS)
    return np.flatnonzero(reads)


def write_of_hit(history: History, hits: Column) -> Column:
    """For each hit the row of the write with its schedule, key and tag, or `NOBODY`."""
    writes = np.flatnonzero(history.is_op(Op.SET, Op.LOAD))
    if not len(writes):
        return np.full(len(hits), NOBODY)
    tags = int(max(history.tag.max(initial=0), 0)) + 1
    names = history.unit[writes] * tags + history.tag[writes]
    order = np.argsort(names, kind="stable")
    wanted = history.unit[hits] * tags + history.tag[hits]
    place = np.minimum(np.searchsorted(names[order], wanted), len(writes) - 1)
    known = (names[order][place] == wanted) & (history.tag[hits] != FOREIGN)
    return np.where(known, writes[order][place], NOBODY)


def seen(history: History) -> tuple[Column, Column]:
    """Rows of hits that show what the cache holds, and of their writes.

    Not of a get_or_load that waited for the load itself: it has the loader's answer, whether that was stored or not.
    """
    hits = hits_of(history)
    write = write_of_hit(history, hits)
    joined = (history.op[hits] == Op.GET_OR_LOAD) & (history.op[write] == Op.LOAD)
    joined &= history.end[write] > history.start[hits]
    counts = (write != NOBODY) & ~joined
    return hits[counts], write[counts]


def versions(history: History) -> Versions:
    """All versions that count. An UNKNOWN write that nobody read may never have happened, a load not been stored."""
    hits, write = seen(history)
    rows = np.flatnonzero(history.is_op(Op.SET, Op.LOAD))
    place = np.full(len(history), NOBODY)
    place[rows] = np.arange(len(rows))
    never = history.tick
    loaded = history.op[rows] == Op.LOAD
    ok = (history.outcome[rows] == Outcome.OK) & ~loaded
    first = np.where(ok, history.end[rows], never)
    last = history.start[rows].copy()
    version = place[write]
    np.minimum.at(first, version, history.end[hits])
    np.maximum.at(last, version, history.start[hits])
    first_row, last_row = rows.copy(), rows.copy()
    earliest = history.end[hits] == first[version]
    first_row[version[earliest]] = hits[earliest]
    latest = history.start[hits] == last[version]
    last_row[version[latest]] = hits[latest]
    counts = first < never
    order = np.flatnonzero(counts)
    order = order[np.lexsort((first[order], history.unit[rows[order]]))]
    back = np.full(len(rows) + 1, NOBODY)
    back[order] = np.arange(len(order))
    return Versions(
        row=rows[order],
        unit=history.unit[rows[order]],
        first=first[order],
        since=np.where(loaded[order], history.start[rows[order]], first[order]),
        last=last[order],
        first_row=first_row[order],
        last_row=last_row[order],
        hit_row=hits,
        hit_version=back[version],
        hit_write=write,
    )


def earlier_highest(group: Column, value: Column) -> tuple[Column, Column]:
    """For each element the highest value among those before it in its group, and its place; `NOBODY` if none.

    group ascends; values are not negative.
    """
    if not len(group):
        return group, group
    span = int(value.max()) + 2
    lifted = group * span + value + 1
    running = np.maximum.accumulate(lifted)
    is_new = np.concatenate([[True], lifted[1:] > running[:-1]])
    place_of_running = np.maximum.accumulate(np.where(is_new, np.arange(len(group)), 0))
    before = np.concatenate([[NOBODY], running[:-1]]) - group * span
    found = np.where(before > 0, before - 1, NOBODY)
    place = np.where(before > 0, np.concatenate([[NOBODY], place_of_running[:-1]]), NOBODY)
    return found, place


class Removals(NamedTuple):
    """Completed deletes of a key, or clears of a schedule, asked for the first to end after a given start."""

    name: Column
    """group * span + start, ascending."""
    soonest_end: Column
    """The least end from here to the end of the group."""
    soonest_row: Column
    group: Column
    span: int

    @classmethod
    def of(cls, group: Column, start: Column, end: Column, row: Column, span: int) -> Removals:
        """From unsorted ones; span is more than any start or end."""
        order = np.lexsort((start, group))
        group, start, end, row = group[order], start[order], end[order], row[order]
        # Backwards the groups descend, so their negation ascends, and the least end is the highest span - end.
        lifted = (int(group.max(initial=0)) - group[::-1]) * (span + 1) + (span - end[::-1])
        running = np.maximum.accumulate(lifted) if len(lifted) else lifted
        is_new = np.concatenate([[True], lifted[1:] > running[:-1]]) if len(lifted) else np.empty(0, dtype=bool)
        place = np.maximum.accumulate(np.where(is_new, np.arange(len(lifted)), 0)) if len(lifted) else lifted
        return cls(
            name=group * span + start,
            soonest_end=end[::-1][place][::-1],
            soonest_row=row[::-1][place][::-1],
            group=group,
            span=span,
        )

    def within(self, group: Column, after: Column, before: Column) -> tuple[Column, Column]:
        """Which of the intervals (after, before) hold one whole removal of their group, and the row of one."""
        if not len(self.name):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        place = np.searchsorted(self.name, group * self.span + after, side="right")
        inside = np.minimum(place, len(self.name) - 1)
        found = (place < len(self.name)) & (self.group[inside] == group) & (self.soonest_end[inside] < before)
        which = np.flatnonzero(found)
        return which, self.soonest_row[inside[which]]
