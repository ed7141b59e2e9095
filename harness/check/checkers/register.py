"""C1: a hit is the last completed write, or one that overlaps the read.

Deletes and clears are writes of nothing; what comes back after one of those is C4's, the rest is found here.
"""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.check.checkers.versions import Removals, Versions, earlier_highest, versions
from harness.history import Column, Op, Outcome

ID = "C1"
NEEDS = Capability(0)
TITLE = "fresh"
LAW = "A hit is the last completed write of its key, or one that overlaps the read."
EXAMPLE = """\
A cache over a slow store copies what it read into its first tier after an await. Client a reads x=1 from the store,
client b sets x=2 and is told that it is done, then a's copy lands: from now on everybody reads 1, though 2 was
written after it. A hit must be a value that was really written, and not overwritten since."""


def skip(promises: Promises) -> str | None:
    """Why this does not judge a cache with such promises, or None."""
    return "it declares that others' writes may be seen late" if promises.weak else None


def find(history: History, _promises: Promises) -> list[Finding]:
    """Versions that come back after a newer one, and reads that come before their write."""
    found = versions(history)
    return [
        *_too_early(history, found),
        *_overlapping(history, found),
        *_enclosed(history, found),
        *_stale_fills(history, found),
    ]


def _too_early(history: History, found: Versions) -> list[Finding]:
    early = np.flatnonzero(history.end[found.hit_row] < history.start[found.hit_write])
    return [
        _finding(history, (int(found.hit_row[i]), int(found.hit_write[i])), "{0} answers what {1} writes only later")
        for i in early
    ]


def _overlapping(history: History, found: Versions) -> list[Finding]:
    forward = np.flatnonzero(found.first < found.last)
    latest, place = earlier_highest(found.unit[forward], found.last[forward])
    wrong = np.flatnonzero(latest > found.first[forward])
    return [_back(history, found, int(forward[place[i]]), int(forward[i])) for i in wrong]


def _enclosed(history: History, found: Versions) -> list[Finding]:
    forward = np.flatnonzero(found.first < found.last)
    backward = np.flatnonzero(found.first >= found.last)
    if not len(forward) or not len(backward):
        return []
    span = history.tick + 2
    names = found.unit[forward] * span + found.first[forward]
    lifted = found.unit[forward] * span + found.last[forward]
    running = np.maximum.accumulate(lifted)
    place = np.searchsorted(names, found.unit[backward] * span + found.last[backward]) - 1
    inside = np.maximum(place, 0)
    encloses = (place >= 0) & (running[inside] > found.unit[backward] * span + found.first[backward])
    encloses &= found.unit[forward[inside]] == found.unit[backward]
    result = []
    for i in np.flatnonzero(encloses):
        candidates: Column = forward[: place[i] + 1]
        of_unit = candidates[found.unit[candidates] == found.unit[backward[i]]]
        result.append(_back(history, found, int(of_unit[np.argmax(found.last[of_unit])]), int(backward[i])))
    return result


def _stale_fills(history: History, found: Versions) -> list[Finding]:
    """Loaded values that are answered after a set that came while they were loaded."""
    loads = np.flatnonzero((history.op[found.row] == Op.LOAD) & (found.since < found.last))
    sets = np.flatnonzero(history.is_op(Op.SET) & (history.outcome == Outcome.OK))
    newer = Removals.of(history.unit[sets], history.start[sets], history.end[sets], sets, history.tick + 2)
    which, rows = newer.within(found.unit[loads], found.since[loads], found.last[loads])
    return [
        _finding(
            history,
            (int(found.row[loads[place]]), int(row), int(found.last_row[loads[place]])),
            "{2} answers what {0} brought, though {1} had been written meanwhile",
        )
        for place, row in zip(which, rows, strict=True)
    ]


def _back(history: History, found: Versions, old: int, new: int) -> Finding:
    """The version old was in force before and after new."""
    rows = [int(found.row[old]), int(found.row[new]), int(found.first_row[new]), int(found.last_row[old])]
    message = "{%d} answers what {0} wrote, though {1} had replaced it"
    distinct = list(dict.fromkeys(rows))
    return _finding(history, tuple(distinct), message % distinct.index(rows[3]))


def _finding(history: History, rows: tuple[int, ...], message: str) -> Finding:
    return Finding(ID, int(history.schedule[rows[0]]), rows, message)
