"""C11: the cache's own counters equal ours."""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.history import MISS, NO_KEY, UNSAID, Flags, Op, Outcome, Watched

ID = "C11"
NEEDS = Capability.STATS
TITLE = "counts"
LAW = "The hits, misses, sets and deletes that the cache publishes are those that happened."
EXAMPLE = """\
An error of the second tier is caught and answered as a miss, and counted as one. The dashboard shows a hit ratio that
fell a little and no errors at all, while one request in ten fails."""

_NAMES = {Watched.HITS: "hits", Watched.MISSES: "misses", Watched.SETS: "sets", Watched.DELETES: "deletes"}


def skip(_promises: Promises) -> str | None:
    """Judged of every cache that publishes counters."""
    return None


def find(history: History, _promises: Promises) -> list[Finding]:
    """Counters outside what happened; an operation of unknown effect may count or not."""
    # What get_or_load counts is not agreed among caches, so schedules with it are left out.
    loading = np.unique(history.schedule[history.is_op(Op.GET_OR_LOAD)])
    ok, unsure = history.outcome == Outcome.OK, history.outcome != Outcome.OK
    unsure &= history.outcome != Outcome.FAIL
    get, set_, delete = (history.is_op(op) for op in (Op.GET, Op.SET, Op.DELETE))
    counted: dict[Watched, tuple[Flags, Flags]] = {
        Watched.HITS: (get & ok & (history.tag != MISS), get & unsure),
        Watched.MISSES: (get & ok & (history.tag == MISS), get & unsure),
        Watched.SETS: (set_ & ok, set_ & unsure),
        Watched.DELETES: (delete & ok & (history.tag == 1), delete & (unsure | (history.tag == UNSAID))),
    }
    found = []
    for what, (sure, maybe) in counted.items():
        rows = history.observations[history.observations[:, 1] == what]
        rows = rows[~np.isin(rows[:, 0], loading)]
        if not len(rows):
            continue
        schedules = int(history.schedule.max(initial=NO_KEY)) + 1
        least = np.bincount(history.schedule[sure], minlength=schedules)[rows[:, 0]]
        most = least + np.bincount(history.schedule[maybe], minlength=schedules)[rows[:, 0]]
        for i in np.flatnonzero((rows[:, 2] < least) | (rows[:, 2] > most)):
            there = str(least[i]) if least[i] == most[i] else f"{least[i]} to {most[i]}"
            message = f"its {_NAMES[what]} say {rows[i, 2]}, there were {there}"
            found.append(Finding(ID, int(rows[i, 0]), (), message))
    return found
