"""C7: a key is loaded once at a time, and a failed load is not remembered."""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.check.checkers.versions import NOBODY, earlier_highest
from harness.history import Op, Outcome

ID = "C7"
NEEDS = Capability.LOAD
TITLE = "one load"
LAW = "While a key is loaded nobody else loads it, unless it was written or removed meanwhile; failures are not kept."
EXAMPLE = """\
get_or_load looks, misses, and awaits the loader; it does not tell others that it is under way. Of a hundred requests
for a key that has just expired a hundred call the slow database: a stampede."""


def skip(_promises: Promises) -> str | None:
    """Judged of every cache that has get_or_load."""
    return None


def find(history: History, _promises: Promises) -> list[Finding]:
    """Loads of a key that overlap, and operations that fail with the error of an earlier load."""
    return [*_stampedes(history), *_remembered_failures(history)]


def _stampedes(history: History) -> list[Finding]:
    loads = np.flatnonzero(history.is_op(Op.LOAD))
    if not len(loads):
        return []
    loads = loads[np.lexsort((history.start[loads], history.unit[loads]))]
    units = np.unique(history.unit[loads], return_inverse=True)[1]
    latest, place = earlier_highest(units, np.where(history.outcome[loads] == Outcome.OK, history.end[loads], 0))
    found = []
    for i in np.flatnonzero((place != NOBODY) & (latest > history.start[loads])):
        first, second = int(loads[place[i]]), int(loads[i])
        if not _disturbed(history, first, second):
            rows = (first, second)
            found.append(Finding(ID, int(history.schedule[first]), rows, "{1} began while {0} was still under way"))
    return found


def _disturbed(history: History, first: int, second: int) -> bool:
    """Whether a write or removal calls for the second of two loads, or a cancelled reader does, or nobody can tell."""
    asked = _asked(history, first)
    if asked is None or _asked(history, second) is None:
        return True
    of_key = history.is_op(Op.SET, Op.DELETE, Op.GET_OR_LOAD) & (history.unit == history.unit[first])
    of_all = history.is_op(Op.CLEAR) & (history.schedule == history.schedule[first])
    calls = ~history.is_op(Op.GET_OR_LOAD) | (history.outcome == Outcome.UNKNOWN)
    within = (history.start < history.start[second]) & (history.end > asked)
    return bool(np.any((of_key | of_all) & calls & within))


def _asked(history: History, load: int) -> int | None:
    """When the operation may have begun that called for a load; None if nobody can tell.

    A cache may start a load in a task, which runs later, so what comes between counts from when it was asked for:
    by an operation under way, or by any hit before, ahead of time. Of more loads than operations that wait some are
    of nobody who waits, and nothing is said of them.
    """
    earlier = (history.unit == history.unit[load]) & (history.start < history.start[load])
    asking = earlier & history.is_op(Op.GET_OR_LOAD)
    if not asking.any():
        return int(history.start[load])
    waiting = asking & (history.end > history.start[load])
    if not waiting.any():
        return None
    began = int(history.start[waiting].min())
    others = earlier & history.is_op(Op.LOAD) & (history.start > began)
    if others.sum() >= waiting.sum():
        return None
    return min(began, int(history.start[asking].min()))


def _remembered_failures(history: History) -> list[Finding]:
    failed = np.flatnonzero(history.is_op(Op.GET_OR_LOAD) & (history.outcome == Outcome.FAIL))
    found = []
    for row in failed:
        loads = history.is_op(Op.LOAD) & (history.unit == history.unit[row]) & (history.outcome == Outcome.FAIL)
        if not np.any(loads & (history.end > history.start[row]) & (history.start < history.end[row])):
            message = "{0} failed with the error of a load that had ended before it began"
            found.append(Finding(ID, int(history.schedule[row]), (int(row),), message))
    return found
