"""C8: both sides of a composite agree when all is quiet."""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.history import MISS, Op, Outcome

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
