"""Runs made by hand: users' rows with a fault in the middle, and what was told of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.chaos.course import Span
from harness.chaos.nemesis import Told
from harness.chaos.run import Outcome
from harness.history import MISS, NO_TTL, Op
from harness.history import Outcome as Became
from harness.load.hosts import Server
from harness.load.samples import COLUMNS, Column

SECOND = 1_000_000_000
MS = 1_000_000
ZERO = 1_000 * SECOND
GAP_NS = 5 * MS
GET, SET, DELETE, CLEAR = int(Op.GET), int(Op.SET), int(Op.DELETE), int(Op.CLEAR)
OK, FAIL, UNKNOWN = int(Became.OK), int(Became.FAIL), int(Became.UNKNOWN)


def at(seconds: float) -> int:
    """So many seconds after the first operation, in nanoseconds of the clock."""
    return ZERO + round(seconds * SECOND)


def span(began: float, ended: float) -> Span:
    """A fault."""
    return Span(at(began), at(ended))


def told(
    began: float = 2.0, ended: float = 3.0, *, fired: bool = True, over: bool = True, whole: bool = True,
    name: str = "pause",
) -> Told:  # fmt: skip
    """What became of a fault."""
    return Told(name, "host", fired, over, "seen", span(began, ended), whole)


def operation(op: int, start: float, tag: int = MISS, *, took: float = 0.001, **more: int) -> dict[str, int]:
    """One that was sent when it was due."""
    begin = at(start)
    fields = {"where": 2, "op": op, "key": 0, "tag": tag, "ttl_ns": NO_TTL, "client": 1, "due_ns": begin}
    return fields | {"start_ns": begin, "end_ns": begin + round(took * SECOND), "outcome": OK} | more


def table(rows: list[dict[str, int]]) -> Column:
    """As users leave them."""
    return np.array([[row[name] for name in COLUMNS] for row in rows], dtype=np.int64).reshape(-1, len(COLUMNS))


def reads(
    began: float, ended: float, *, took: float = 0.001, outcome: int = OK, tag: int = MISS
) -> list[dict[str, int]]:
    """One every 5 ms, of keys that nobody writes."""
    count = round((ended - began) * SECOND / GAP_NS)
    return [
        operation(GET, began + i * GAP_NS / SECOND, tag, took=took, outcome=outcome, key=1 + i % 7)
        for i in range(count)
    ]


def outcome(rows: list[dict[str, int]], faults: list[Told], **more: Any) -> Outcome:
    """All that was measured."""
    fields: dict[str, Any] = {
        "result": {"failures": {}, "loads": 0, "stampedes": 0},
        "rows": table(rows),
        "told": faults,
        "host": Server(text="improved", url="", ours=True),
        "promises": {},
        "capacity": None,
        "problem": None,
        "entries": None,
        "fresh_bytes": None,
        "memory_bytes": None,
        "proxies": "embedded",
        "proxies_guarded": True,
        "prefix": "",
        "deviated": False,
        "trouble": None,
        "tier_used": None,
        "other_cpu": 0.0,
    }
    return Outcome(**(fields | more))
