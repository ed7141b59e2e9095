"""The tape: what operations leave while they are played, as one history in the end."""

from __future__ import annotations

from array import array
from itertools import count
from typing import Any

import numpy as np

from cache_impls.registry import one_line
from harness.clock import WorkloadClock
from harness.history import COLUMNS, FOREIGN, NO_STAGE, NO_TTL, History

KEYS = ("a", "b", "c", "d", "e")
_TAGS = 1_000
_MOST = 2**62
"""Beyond any count: a history holds 64 bits."""
VALUES = [[f"{key}#{tag}" for tag in range(_TAGS)] for key in KEYS]
"""By key and tag: what is written."""
_TAG_OF = {value: tag for values in VALUES for tag, value in enumerate(values)}


class Tape:
    """Rows and observations of the schedules played since the last `take`."""

    def __init__(self, clock: WorkloadClock, default_ttl_ns: int = NO_TTL) -> None:
        self.clock = clock
        self.number = 0
        """Of the schedule that is played."""
        self.raised: list[str] = []
        """What operations of this schedule raised of their own making."""
        self.oddities: list[str] = []
        """Answers in this schedule that nobody has ever written."""
        self.count = count(1).__next__
        """The next place in the order of starts and ends."""
        self._default_ttl_ns = default_ttl_ns
        self._rows = array("q")
        self._observations = array("q")

    def take(self) -> History:
        """The history so far; the next schedule is number 0 again."""
        rows = np.frombuffer(self._rows, dtype=np.int64).reshape(-1, len(COLUMNS))
        observations = np.frombuffer(self._observations, dtype=np.int64).reshape(-1, 4)
        self._rows, self._observations = array("q"), array("q")
        self.number, self.count = 0, count(1).__next__
        return History(rows, observations, self._default_ttl_ns)

    @property
    def length(self) -> int:
        """More with every row."""
        return len(self._rows)

    def begin(self) -> None:
        """A schedule begins."""
        self.raised, self.oddities = [], []

    def row(
        self, op: int, key: int, tag: int, ttl_ns: int, client: int, start_ns: int, start: int, outcome: int,
        side: int = -1, stage: int = NO_STAGE,
    ) -> None:  # fmt: skip
        """An operation has ended now."""
        self._rows.extend(
            (
                self.number,
                op,
                key,
                tag,
                ttl_ns,
                client,
                start_ns,
                self.clock.now_ns,
                start,
                self.count(),
                outcome,
                side,
                stage,
            )
        )

    def watch(self, what: int, value: int, limit: int) -> None:
        """Something was observed that may be no more than limit."""
        self._observations.extend((self.number, what, max(-_MOST, min(value, _MOST)), limit))

    def tag_of(self, answer: Any) -> int:
        """The tag that a value carries."""
        try:
            tag = _TAG_OF.get(answer, FOREIGN)
        except TypeError:  # not hashable, so none of ours
            tag = FOREIGN
        if tag == FOREIGN:
            self.oddities.append(repr(answer)[:80])
        return tag

    def failed(self, what: str, error: BaseException) -> None:
        """An operation raised what it should not have."""
        self.raised.append(f"{what} raised {said(error)}")


def said(error: BaseException) -> str:
    """An error in one short line."""
    return one_line(error)[:120]
