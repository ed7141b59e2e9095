"""C3: no early miss that nothing explains."""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.expiry import ROUNDING_NS, ttls_ns
from harness.check.checkers.finding import Finding, History, Promises
from harness.check.checkers.versions import NOBODY, earlier_highest
from harness.history import MISS, NO_TTL, Column, Flags, Op, Outcome, Watched

ID = "C3"
NEEDS = Capability(0)
TITLE = "remembers"
LAW = "A live entry is found: a miss needs an expiry, a delete, a clear, an overwrite or a lack of room."
EXAMPLE = """\
A set with a ttl starts a timer, and clear() forgets to stop it. Set x for 10 s, clear, and set x again for 10 s: the
first timer removes the second value too soon. A miss may be legal, but something must explain it."""


def skip(promises: Promises) -> str | None:
    """Why this does not judge a cache with such promises, or None."""
    if promises.forgets:
        return "it declares that it may forget"
    return "it declares that others' writes may be seen late" if promises.weak else None


def find(history: History, promises: Promises) -> list[Finding]:
    """Misses of keys that must have been live.

    For a miss, the *anchor* is the completed set that started last. Any removal that may come after the anchor and
    before the end of the miss explains it; so does the expiry of any write that may be the last.
    """
    missed = history.is_op(Op.GET) & (history.outcome == Outcome.OK) & (history.tag == MISS)
    misses = np.flatnonzero(missed & ~_crowded(history))
    if not len(misses):
        return []
    anchors = _anchors(history, misses)
    misses, anchors = misses[anchors != NOBODY], anchors[anchors != NOBODY]
    ttl_ns = ttls_ns(history)
    expires_ns = np.where(
        ttl_ns == NO_TTL,
        np.iinfo(np.int64).max,
        history.start_ns + (ttl_ns * (1 - promises.ttl_jitter)).astype(np.int64),
    )
    live = expires_ns[anchors] - ROUNDING_NS > history.end_ns[misses]
    misses, anchors = misses[live], anchors[live]
    suspects = ~(
        _removed(history, misses, anchors, history.unit, history.is_op(Op.DELETE))
        | _removed(history, misses, anchors, history.schedule, history.is_op(Op.CLEAR, Op.MOVE))
    )
    return [
        Finding(
            ID,
            int(history.schedule[miss]),
            (int(anchor), int(miss)),
            "{1} misses what {0} wrote; nothing removed it, and it had not expired",
        )
        for miss, anchor in zip(misses[suspects], anchors[suspects], strict=True)
        if not _overwritten(history, int(miss), int(anchor), expires_ns)
    ]


def _crowded(history: History) -> Flags:
    """Whether lack of room can explain a miss of this row: more keys had been written than the cache may hold."""
    limits = history.observations[history.observations[:, 1] == Watched.ENTRIES]
    crowded = np.zeros(len(history), dtype=np.bool_)
    if not len(limits):
        return crowded
    writes = np.flatnonzero(history.is_op(Op.SET, Op.LOAD))
    writes = writes[np.lexsort((history.start[writes], history.unit[writes]))]
    first = writes[np.unique(history.unit[writes], return_index=True)[1]]  # of each key
    first = first[np.lexsort((history.start[first], history.schedule[first]))]
    schedules, begins, counts = np.unique(history.schedule[first], return_index=True, return_counts=True)
    room = dict(zip(limits[:, 0].tolist(), limits[:, 3].tolist(), strict=True))
    too_many_from = np.full(int(history.schedule.max(initial=0)) + 1, np.iinfo(np.int64).max)
    for schedule, begin, count in zip(schedules.tolist(), begins.tolist(), counts.tolist(), strict=True):
        if 0 <= room.get(schedule, count) < count:
            too_many_from[schedule] = history.start[first[begin + room[schedule]]]
    return np.asarray(history.end > too_many_from[history.schedule])


def _anchors(history: History, misses: Column) -> Column:
    """For each miss the row of the completed set of its key that started last, of those that ended before it."""
    # Not loads: a value that was loaded need not be stored yet, or at all.
    sets = np.flatnonzero(history.is_op(Op.SET) & (history.outcome == Outcome.OK))
    rows = np.concatenate([sets, misses])
    when = np.concatenate([history.end[sets], history.start[misses]])
    value = np.concatenate([history.start[sets], np.zeros(len(misses), dtype=np.int64)])
    order = np.lexsort((when, history.unit[rows]))
    units = np.unique(history.unit[rows], return_inverse=True)[1]
    _, place = earlier_highest(units[order], value[order])
    anchor = np.full(len(history), NOBODY)
    anchor[rows[order]] = np.where(place == NOBODY, NOBODY, rows[order][place])
    found = anchor[misses]
    # A miss counts with a start of 0, so the highest before may be a miss: then no set was before.
    return np.where((found != NOBODY) & np.isin(found, sets), found, NOBODY)


def _removed(history: History, misses: Column, anchors: Column, group: Column, removal: Flags) -> Flags:
    """Whether a removal of the miss's group may come after its anchor and before its end, whatever its outcome."""
    removals = np.flatnonzero(removal & (history.outcome != Outcome.FAIL))
    if not len(removals) or not len(misses):
        return np.zeros(len(misses), dtype=np.bool_)
    never = history.tick
    ends = np.where(history.outcome[removals] == Outcome.OK, history.end[removals], never)
    rows = np.concatenate([removals, misses])
    when = np.concatenate([history.start[removals], history.end[misses]])
    value = np.concatenate([ends, np.zeros(len(misses), dtype=np.int64)])
    order = np.lexsort((when, group[rows]))
    highest, _ = earlier_highest(np.unique(group[rows], return_inverse=True)[1][order], value[order])
    back = np.empty(len(rows), dtype=np.int64)
    back[order] = highest
    return np.asarray(back[len(removals) :] >= history.start[anchors])


def _overwritten(history: History, miss: int, anchor: int, expires_ns: Column) -> bool:
    """Whether another write may be the last before the miss and explain it: it expired, or nobody knows its effect."""
    other = history.is_op(Op.SET, Op.LOAD) & (history.unit == history.unit[miss]) & (history.outcome != Outcome.FAIL)
    ends = np.where(history.outcome == Outcome.OK, history.end, history.tick)
    other &= (history.start < history.end[miss]) & (ends > history.start[anchor])
    other[anchor] = False
    gone = (expires_ns <= history.end_ns[miss]) | (history.outcome != Outcome.OK)
    return bool(np.any(other & gone))
