"""C5: a value belongs to its key and is whole."""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.check.checkers.versions import NOBODY, hits_of, write_of_hit
from harness.history import FOREIGN, Op, Outcome

ID = "C5"
NEEDS = Capability(0)
TITLE = "whole"
LAW = "A value belongs to the key that was asked for, and is what was written, unchanged."
EXAMPLE = """\
A request over a shared connection is cancelled after it was sent. Its answer stays in the pipe, and the next request,
for another key, reads it: one user sees another's data."""


def skip(_promises: Promises) -> str | None:
    """Nobody may declare this away."""
    return None


def find(history: History, _promises: Promises) -> list[Finding]:
    """Hits with a tag that nobody wrote to their key, or whose write was refused."""
    hits = hits_of(history)
    write = write_of_hit(history, hits)
    refused = (write != NOBODY) & (history.outcome[write] == Outcome.FAIL)
    found = []
    for hit in hits[write == NOBODY]:
        source = _elsewhere(history, int(hit))
        if history.tag[hit] == FOREIGN:
            found.append(_finding(history, (int(hit),), "{0} answers something that nobody has written"))
        elif source is None:
            found.append(_finding(history, (int(hit),), "{0} answers a value that nobody has written here"))
        else:
            found.append(_finding(history, (source, int(hit)), "{1} answers what {0} wrote to another key"))
    for hit, source in zip(hits[refused], write[refused], strict=True):
        found.append(_finding(history, (int(source), int(hit)), "{1} answers what {0} was refused to write"))
    return found


def _elsewhere(history: History, hit: int) -> int | None:
    """The row in the hit's schedule that wrote its tag to another key."""
    same = history.is_op(Op.SET, Op.LOAD) & (history.schedule == history.schedule[hit])
    rows = np.flatnonzero(same & (history.tag == history.tag[hit]))
    return int(rows[0]) if len(rows) else None


def _finding(history: History, rows: tuple[int, ...], message: str) -> Finding:
    return Finding(ID, int(history.schedule[rows[0]]), rows, message)
