"""C0: every operation returns, and raises nothing of its own making."""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.history import Outcome

ID = "C0"
NEEDS = Capability(0)
TITLE = "answers"
LAW = "Every legal operation returns an answer: no error of the cache's own making, no wait that never ends."
EXAMPLE = """\
An operation is cancelled between two awaits and does not give its lock back: the next one on that key waits for ever.
Or two operations meet in an unsynchronised structure, and one raises KeyError for a key that it had looked up."""


def skip(_promises: Promises) -> str | None:
    """Nobody may declare this away."""
    return None


def find(history: History, _promises: Promises) -> list[Finding]:
    """Operations that raised or hung."""
    bad = np.flatnonzero((history.outcome == Outcome.RAISED) | (history.outcome == Outcome.HUNG))
    return [Finding(ID, int(history.schedule[i]), (int(i),), "{0}") for i in bad]
