"""C13: the run itself is valid: what was to be tried was tried. What it finds makes a run UNKNOWN, not failed."""

from __future__ import annotations

from collections import Counter

from harness.check.checkers.finding import History
from harness.history import MISS, Op, Outcome

ID = "C13"
TITLE = "valid run"
LAW = "Every kind of operation succeeded at least once, something was found again, and schedules were played."
EXAMPLE = """\
A cache that refuses every set passes each check of its answers, for it never gives one. A run in which no set succeeded
and no get hit has shown nothing, and is UNKNOWN."""


class Tally:
    """What happened in a run, summed over its histories."""

    def __init__(self) -> None:
        self.schedules = 0
        self.operations = 0
        self._succeeded: Counter[Op] = Counter()
        self._tried: Counter[Op] = Counter()
        self._hits = 0

    def add(self, history: History, schedules: int) -> None:
        """One more history, of so many schedules."""
        self.schedules += schedules
        self.operations += len(history)
        for op in Op:
            of_kind = history.is_op(op)
            self._tried[op] += int(of_kind.sum())
            self._succeeded[op] += int((of_kind & (history.outcome == Outcome.OK)).sum())
        self._hits += int((history.is_op(Op.GET) & (history.tag != MISS) & (history.outcome == Outcome.OK)).sum())

    def problems(self) -> list[str]:
        """Why the run shows less than it seems to, one sentence each."""
        found = [
            f"not one of {self._tried[op]} {op.name.lower()} operations succeeded"
            for op in (Op.GET, Op.SET, Op.DELETE, Op.CLEAR, Op.SIZE, Op.GET_OR_LOAD)
            if self._tried[op] and not self._succeeded[op]
        ]
        if not self.schedules:
            return ["no schedule was played"]
        if self._succeeded[Op.GET] and not self._hits:
            found.append("no get has ever found anything")
        return found
