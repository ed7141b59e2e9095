"""A history: columns of finished operations, the only thing that a checker reads.

Every value that is written carries a tag of its own, so a read says which write it saw. One history holds one
long run or a bulk of short ones: (schedule, key) is the unit, and schedules have nothing to do with one another.

Rules:
1. `start` and `end` are an order: an operation precedes another if its end is less than the other's start. In a
   simulation they count events, because there the clock stands still while much happens; over the wire they are
   ranks of nanoseconds, equal ones overlapping.
2. `start_ns` and `end_ns` are the clock's, and are for deadlines alone.
3. UNKNOWN means that nobody knows whether it took effect (cancelled, timed out, cut off, raised): checkers
   take it both ways. FAIL means that it was refused and did not.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.int64]
Flags = NDArray[np.bool_]

MISS = 0
FOREIGN = -1
"""Tag of an answer that no write of ours has ever carried."""
UNSAID = -2
"""Tag of a delete that did not say whether there was anything."""
NO_TTL = -1
NO_KEY = -1


class Op(enum.IntEnum):
    """What was asked. `tag` is what was written or read, for DELETE 1, 0 or `UNSAID`, for SIZE the answer."""

    GET = 0
    SET = 1
    DELETE = 2
    CLEAR = 3
    SIZE = 4
    GET_OR_LOAD = 5
    LOAD = 6
    """A call of the loader by the cache, for the client that asked: its value is as old as its start."""
    MOVE = 7
    """Of a migration, to another stage; `tag` is its place in the order of stages."""
    PEEK = 8
    """What one side of a composite would answer; `side` says which."""
    SHUTDOWN = 9
    """Recorded only if it raised or hung."""
    BACKGROUND = 10
    """Work of the cache's own, recorded only if it raised."""
    STALL = 11
    """The loop was blocked, for `ttl_ns`."""
    WALL = 12
    """The wall clock was set forward, by `ttl_ns`."""
    SIDE_GET = 13
    """A call that a migration made to one of its sides, for the client whose operation it was."""
    SIDE_SET = 14
    SIDE_DELETE = 15


class Outcome(enum.IntEnum):
    """What is known of an operation."""

    OK = 0
    FAIL = 1
    UNKNOWN = 2
    RAISED = 3
    """An error of the cache's own making; of its effect as little is known as with UNKNOWN."""
    HUNG = 4
    """It never returned, though all that it could wait for had happened."""


class Watched(enum.IntEnum):
    """What was observed besides answers, with the most that it may be."""

    TASKS = 0
    TIMERS = 1
    ENTRIES = 2
    HITS = 3
    MISSES = 4
    SETS = 5
    DELETES = 6
    FIRED = 7
    """Faults that took effect."""


COLUMNS = (
    "schedule", "op", "key", "tag", "ttl_ns", "client", "start_ns", "end_ns", "start", "end", "outcome", "side",
    "stage",
)  # fmt: skip
NO_LIMIT = -1
NO_STAGE = -1
"""Of an operation that is no migration's, or during which the stage changed."""


@dataclass(frozen=True, eq=False)
class History:
    """Operations as rows of int64, one column a name of `COLUMNS`; observations as (schedule, what, value, limit)."""

    rows: Column
    observations: Column = field(default_factory=lambda: np.empty((0, 4), dtype=np.int64))
    default_ttl_ns: int = NO_TTL
    """What a set with no ttl of its own gets; `NO_TTL` if that never expires."""
    names: Sequence[str] = ()
    """Of the keys, by number, for a reader; empty for those of a simulation, which are letters."""

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or self.rows.shape[1] != len(COLUMNS):
            raise ValueError(f"a history has {len(COLUMNS)} columns, not {self.rows.shape}")

    def __len__(self) -> int:
        return len(self.rows)

    def __getattr__(self, name: str) -> Column:
        """A column by its name."""
        try:
            column: Column = self.columns[COLUMNS.index(name)]
        except ValueError:
            raise AttributeError(name) from None
        return column

    @cached_property
    def columns(self) -> Column:
        """The transposed rows, each column in one piece."""
        return np.ascontiguousarray(self.rows.T)

    @cached_property
    def tick(self) -> int:
        """More than any start or end."""
        return int(max(self.end.max(initial=0), self.start.max(initial=0))) + 1

    @cached_property
    def unit(self) -> Column:
        """A number for each (schedule, key), ascending by schedule; `NO_KEY` for operations on no key."""
        keys = int(self.key.max(initial=0)) + 1
        return np.where(self.key == NO_KEY, NO_KEY, self.schedule * keys + self.key)

    def is_op(self, *ops: Op) -> Flags:
        """The rows of these operations."""
        found: Flags = self.op == ops[0]
        for op in ops[1:]:
            found = found | (self.op == op)
        return found

    def of_schedule(self, schedule: int) -> History:
        """One schedule alone."""
        return History(
            self.rows[self.schedule == schedule],
            self.observations[self.observations[:, 0] == schedule],
            self.default_ttl_ns,
            self.names,
        )

    def save(self, path: Path) -> None:
        """Write it as a compressed NumPy archive."""
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                rows=self.rows,
                observations=self.observations,
                default_ttl_ns=np.array(self.default_ttl_ns),
                columns=np.array(COLUMNS),
                names=np.array(self.names, dtype=np.str_),
            )

    @classmethod
    def load(cls, path: Path) -> History:
        """Read what `save` wrote. Raises ValueError for anything else."""
        try:
            with np.load(path, allow_pickle=False) as found:
                columns = tuple(found["columns"])
                names = found["names"].tolist()
                whole = cls(found["rows"], found["observations"], int(found["default_ttl_ns"]), names)
        except (KeyError, EOFError, OSError, ValueError) as error:
            raise ValueError(f"{path} is not a history: {error}") from error
        if columns != COLUMNS:
            raise ValueError(f"{path} has other columns: {', '.join(columns)}")
        return whole


def rank(start_ns: Column, end_ns: Column) -> tuple[Column, Column]:
    """Orders from clocks: of equal times starts come first, so that those who touch overlap."""
    times = np.concatenate([start_ns, end_ns])
    is_end = np.repeat(np.array([0, 1]), len(start_ns))
    places = np.empty(len(times), dtype=np.int64)
    order = np.lexsort((is_end, times))
    ordered, kinds = times[order], is_end[order]
    new = np.ones(len(times), dtype=np.int64)
    new[1:] = (ordered[1:] != ordered[:-1]) | (kinds[1:] != kinds[:-1])
    places[order] = np.cumsum(new)
    return places[: len(start_ns)], places[len(start_ns) :]
