"""C4: nothing returns after a completed delete or clear."""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.check.checkers.versions import Removals, versions
from harness.history import Op, Outcome

ID = "C4"
NEEDS = Capability(0)
TITLE = "stays deleted"
LAW = "What a completed delete or clear removed is not answered again."
EXAMPLE = """\
A loader fetches x for a waiting reader; meanwhile somebody deletes x and is told that it is done; then the loaded
value is stored. The deleted value is back, and stays until its ttl ends."""


def skip(promises: Promises) -> str | None:
    """Why this does not judge a cache with such promises, or None."""
    return "it declares that others' writes may be seen late" if promises.weak else None


def find(history: History, _promises: Promises) -> list[Finding]:
    """Versions in force both before and after a whole removal."""
    found = versions(history)
    forward = np.flatnonzero(found.since < found.last)
    done = history.outcome == Outcome.OK
    result = []
    for op, group, groups in (
        (Op.DELETE, history.unit, found.unit),
        (Op.CLEAR, history.schedule, history.schedule[found.row]),
    ):
        rows = np.flatnonzero(history.is_op(op) & done)
        removals = Removals.of(group[rows], history.start[rows], history.end[rows], rows, history.tick + 2)
        which, removal = removals.within(groups[forward], found.since[forward], found.last[forward])
        for version, row in zip(forward[which], removal, strict=True):
            rows_told = (int(found.row[version]), int(row), int(found.last_row[version]))
            message = "{2} answers what {0} wrote, though {1} had removed it"
            result.append(Finding(ID, int(history.schedule[row]), rows_told, message))
    return result
