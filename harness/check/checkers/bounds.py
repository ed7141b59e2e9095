"""C10: entries, tasks and timers stay bounded, and nothing is left after the shutdown."""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.history import NO_LIMIT, Op, Outcome, Watched

ID = "C10"
NEEDS = Capability(0)
TITLE = "bounded"
LAW = "Entries stay within their bound, tasks and timers stay few, and a shutdown leaves none."
EXAMPLE = """\
Each set with a ttl starts a timer and an overwrite does not stop the one before. A key that is written every
millisecond for an hour holds millions of timers, each with the value that it was to remove."""

_WORDS = {
    Watched.TASKS: "{value} tasks go on after the shutdown",
    Watched.TIMERS: "{value} timers are set, at most {limit} are due",
}


def skip(_promises: Promises) -> str | None:
    """Nobody may declare this away."""
    return None


def find(history: History, _promises: Promises) -> list[Finding]:
    """Observations beyond their limit, and sizes beyond the bound on entries."""
    watched = history.observations
    over = watched[(watched[:, 3] != NO_LIMIT) & (watched[:, 2] > watched[:, 3])]
    found = [
        Finding(ID, int(schedule), (), _WORDS[Watched(int(what))].format(value=value, limit=limit))
        for schedule, what, value, limit in over
    ]
    limits = watched[watched[:, 1] == Watched.ENTRIES]
    if not len(limits):
        return found
    room = np.full(max(int(history.schedule.max(initial=0)), int(limits[:, 0].max())) + 1, np.iinfo(np.int64).max)
    room[limits[:, 0]] = limits[:, 3]
    over_room = history.is_op(Op.SIZE) & (history.outcome == Outcome.OK) & (history.tag > room[history.schedule])
    for row in np.flatnonzero(over_room).tolist():
        if _quiet(history, row):
            schedule = int(history.schedule[row])
            found.append(Finding(ID, schedule, (row,), f"{{0}}, and there is room for {room[schedule]}"))
    return found


def _quiet(history: History, row: int) -> bool:
    """Whether nothing else was under way while row was."""
    others = (history.schedule == history.schedule[row]) & (history.end > history.start[row])
    others &= history.start < history.end[row]
    return int(others.sum()) == 1
