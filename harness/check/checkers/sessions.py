"""C6: a client reads its own writes, and never goes back in time.

C1 implies it; it is what remains to be judged of a cache that declares weak consistency.
"""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.check.checkers.versions import earlier_highest, seen
from harness.history import Op, Outcome

ID = "C6"
NEEDS = Capability(0)
TITLE = "in session"
LAW = "A client reads its own writes and deletes, and never an older value than it has seen."
EXAMPLE = """\
A cache answers reads from a copy that lags behind. A client sets x=2, is told that it is done, and reads x=1."""


def skip(_promises: Promises) -> str | None:
    """The weakest caches promise it."""
    return None


def find(history: History, _promises: Promises) -> list[Finding]:
    """Hits of a version that is surely older than one which the same client had seen, written or removed."""
    hits, write = seen(history)
    own = np.flatnonzero(history.is_op(Op.SET, Op.DELETE) & (history.outcome == Outcome.OK))
    rows = np.concatenate([own, hits])
    known = np.concatenate([own, write])
    clients = int(history.client.max(initial=0)) + 1
    group = history.unit[rows] * clients + history.client[rows]
    order = np.lexsort((history.start[rows], group))
    rows, known = rows[order], known[order]
    since, place = earlier_highest(np.unique(group, return_inverse=True)[1][order], history.start[known])
    is_hit = history.is_op(Op.GET, Op.GET_OR_LOAD)[rows]
    done = np.where(history.outcome[known] == Outcome.OK, history.end[known], history.tick)
    return [
        Finding(
            ID,
            int(history.schedule[rows[i]]),
            tuple(dict.fromkeys((int(known[i]), int(known[place[i]]), int(rows[place[i]]), int(rows[i])))),
            "the last answers what {0} wrote, and the same client had known of {1}",
        )
        for i in np.flatnonzero(is_hit & (since > done))
    ]
