"""What the users of one process leave: a row for every operation, handed on once a second.

A row is added in the hot path; everything else is done in bulk. What is handed on is small and merges exactly,
whatever process it comes from: counts, and times in HdrHistograms.
"""

from __future__ import annotations

import os
import secrets
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from harness.history import FOREIGN, MISS, Op, Outcome
from harness.load.histogram import Times

Column = NDArray[np.int64]

COLUMNS = ("where", "op", "key", "tag", "ttl_ns", "client", "due_ns", "start_ns", "end_ns", "outcome")
REQUESTS = 100_000
"""Of a workload; users begin at different ones and go round."""
MOST_WORKERS = 1_024
FILL = -1
"""In the place of when it was due: a write that follows a missed read belongs to the same request."""
FILLER = 10**12
"""The number of the client that sets what the workload finds there."""
TARGETS = 2
"""At most; `where` is TARGETS times the phase and the target's place. Phase 0 is what comes before the first."""
NAMES = {int(Op.GET): "get", int(Op.SET): "set", int(Op.DELETE): "delete"}
_SPREAD = 0x9E3779B1
"""Knuth's multiplier: the sampled keys are spread over popular and unpopular ones."""
_EXAMPLES = 3


class Batch(NamedTuple):
    """Rows of one second or so."""

    rows: Column

    def __getattr__(self, name: str) -> Column:
        """A column by its name."""
        column: Column = self.rows[:, COLUMNS.index(name)]
        return column

    @property
    def service_ns(self) -> Column:
        """From when it was sent."""
        return self.end_ns - self.start_ns

    @property
    def response_ns(self) -> Column:
        """From when it should have been sent: the same in a closed loop."""
        return self.end_ns - np.where(self.due_ns > 0, self.due_ns, self.start_ns)


def sampled(keys: Column, one_in: int) -> NDArray[np.bool_]:
    """Whether each key is among those whose history is kept."""
    chosen: NDArray[np.bool_] = ((keys * _SPREAD) & 0xFFFFFFFF) >> 16 & 0xFFFF < 65_536 // one_in
    return chosen


class Samples:
    """Of one process. one_in: the history of one key in so many is kept, 0 for none."""

    def __init__(self, one_in: int) -> None:
        self.rows = array("q")
        self.examples: dict[str, list[str]] = {}
        """Some of the wrong answers and errors, in words."""
        self.failures: Counter[str] = Counter()
        """By `place/what`."""
        self.unreported: Counter[tuple[int, str]] = Counter()
        """Failures by operation, of which locust has not been told."""
        self.loads = 0
        self.stampedes = 0
        """Loads that began while another of the same key was under way in this process."""
        self.answered: Counter[int] = Counter()
        """Requests so far, by `where`."""
        self._one_in = one_in
        self._kept: list[Column] = []
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def failed(self, place: int, op: int, what: str, text: str) -> None:
        """An operation on the target at place failed, or a read answered what nobody wrote."""
        self.failures[f"{place}/{what}"] += 1
        self.unreported[op, what] += 1
        shown = self.examples.setdefault(f"{place}/{what}", [])
        if len(shown) < _EXAMPLES:
            shown.append(text)

    def take(self) -> Batch:
        """The rows since the last time."""
        rows, self.rows = self.rows, array("q")
        batch = Batch(np.frombuffer(rows, dtype=np.int64).reshape(-1, len(COLUMNS)))
        requests = (batch.outcome == Outcome.OK) & (batch.due_ns != FILL)
        places, counts = np.unique(batch.where[requests], return_counts=True)
        self.answered.update(dict(zip(places.tolist(), counts.tolist(), strict=True)))
        if self._one_in and len(batch.rows):
            self._kept.append(batch.rows[sampled(batch.key, self._one_in)])
        return batch

    def digest(self, batch: Batch) -> dict[str, Any]:
        """What is handed on of a batch: `seconds`, `times`, `counts`, and what failed. Plain types, for any wire."""
        failures, self.failures = dict(self.failures), Counter()
        loads, stampedes, self.loads, self.stampedes = self.loads, self.stampedes, 0, 0
        return {
            "seconds": self._by_second(batch),
            "times": _times(batch),
            "counts": _counts(batch),
            "failures": failures,
            "examples": {what: list(some) for what, some in self.examples.items()},
            "loads": loads,
            "stampedes": stampedes,
        }

    def _by_second(self, batch: Batch) -> dict[str, dict[str, Any]]:
        batch = Batch(batch.rows[batch.client != FILLER])
        seconds = (batch.end_ns + self._offset_ns) // 1_000_000_000
        found = {}
        for second in np.unique(seconds).tolist():
            rows = Batch(batch.rows[seconds == second])
            reads = (rows.op == Op.GET) & (rows.outcome == Outcome.OK)
            times = Times()
            times.add(rows.response_ns)
            found[str(second)] = {
                "operations": len(rows.rows),
                "errors": int((rows.outcome != Outcome.OK).sum() + (reads & (rows.tag == FOREIGN)).sum()),
                "hits": int((reads & (rows.tag != MISS)).sum()),
                "misses": int((reads & (rows.tag == MISS)).sum()),
                "response": times.to_plain(),
            }
        return found

    def save(self, path: Path) -> None:
        """Write the history that was kept to a file that its owner alone can read.

        It takes the place of an older one. A link in that place is replaced, never followed. Raises OSError.
        """
        rows = np.concatenate(self._kept) if self._kept else np.empty((0, len(COLUMNS)), dtype=np.int64)
        new = path.with_name(f".{secrets.token_hex(8)}.new")  # nobody can have put something there
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            try:
                np.savez(file, rows=rows, columns=np.array(COLUMNS))
                new.replace(path)
            except BaseException:
                new.unlink(missing_ok=True)
                raise


def load(path: Path) -> Column:
    """What `save` wrote. Raises ValueError for anything else."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            if tuple(found["columns"]) != COLUMNS:
                raise ValueError(f"{path} has other columns")
            rows: Column = found["rows"]
            if rows.dtype != np.int64 or rows.ndim != 2 or rows.shape[1] != len(COLUMNS):
                raise ValueError(f"{path} has other rows")
    except (KeyError, OSError, BadZipFile) as error:
        raise ValueError(f"{path} is no history of users: {error}") from error
    return rows


def _times(batch: Batch) -> dict[str, dict[str, Any]]:
    """Histograms of service and response by `where/operation`, of those that were answered."""
    found = {}
    for where in np.unique(batch.where).tolist():
        for op, name in NAMES.items():
            rows = Batch(batch.rows[(batch.where == where) & (batch.op == op) & (batch.outcome == Outcome.OK)])
            if len(rows.rows):
                service, response = Times(), Times()
                service.add(rows.service_ns)
                response.add(rows.response_ns)
                found[f"{where}/{name}"] = {"service": service.to_plain(), "response": response.to_plain()}
    return found


def _counts(batch: Batch) -> dict[str, dict[str, int]]:
    """By `where`: each operation's outcomes, hits and misses."""
    found = {}
    for where in np.unique(batch.where).tolist():
        rows = Batch(batch.rows[batch.where == where])
        ok = rows.outcome == Outcome.OK
        counts = {}
        for op, name in NAMES.items():
            of_op = rows.op == op
            counts[f"{name}_ok"] = int((of_op & ok).sum())
            counts[f"{name}_error"] = int((of_op & (rows.outcome == Outcome.RAISED)).sum())
            counts[f"{name}_refused"] = int((of_op & (rows.outcome == Outcome.FAIL)).sum())
            counts[f"{name}_unknown"] = int((of_op & (rows.outcome == Outcome.UNKNOWN)).sum())
        reads = (rows.op == Op.GET) & ok
        counts["hits"] = int((reads & (rows.tag != MISS)).sum())
        counts["misses"] = int((reads & (rows.tag == MISS)).sum())
        counts["slots"] = int((rows.due_ns > 0).sum())
        counts["wrong"] = int((reads & (rows.tag == FOREIGN)).sum())
        counts["removed"] = int(((rows.op == Op.DELETE) & ok & (rows.tag == 1)).sum())
        found[str(where)] = counts
    return found
