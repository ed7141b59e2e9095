"""Small histories for the tests of checkers, an operation a line."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np

from cache_impls.protocol import Promises
from harness.history import COLUMNS, MISS, NO_KEY, NO_TTL, History, Op, Outcome, Watched

SECOND = 1_000_000_000


def op(
    kind: Op,
    start: int,
    end: int,
    tag: int = MISS,
    key: int = 0,
    client: int = 0,
    **more: Any,
) -> dict[str, int]:
    """A row: operation, start and end (an order, and seconds unless given), tag, key and client."""
    row = {
        "schedule": 0,
        "op": int(kind),
        "key": NO_KEY if kind in (Op.CLEAR, Op.MOVE, Op.SIZE) else key,
        "tag": tag,
        "ttl_ns": NO_TTL,
        "client": client,
        "start": start,
        "end": end,
        "start_ns": start * SECOND,
        "end_ns": end * SECOND,
        "outcome": Outcome.OK,
        "side": -1,
        "stage": -1,
    }
    return row | more


def history(*rows: dict[str, int], room: int | None = None, default_ttl_ns: int = NO_TTL) -> History:
    """A history of these rows; room is the most entries that the cache may hold."""
    found = np.array([[row[name] for name in COLUMNS] for row in rows], dtype=np.int64).reshape(-1, len(COLUMNS))
    watched = [] if room is None else [[0, Watched.ENTRIES, 0, room]]
    return History(found, np.array(watched, dtype=np.int64).reshape(-1, 4), default_ttl_ns)


def random_register(rng: random.Random, schedule: int, size: int) -> list[dict[str, int]]:
    """A random history of one key: often atomic, often not."""
    times = rng.sample(range(1, 2 * size + 1), 2 * size)
    tags: list[int] = []
    rows = []
    for i in range(size):
        start, end = sorted(times[2 * i : 2 * i + 2])
        if rng.random() < 0.5:
            end = min([t for t in times if t > start], default=end)
            times[times.index(end)], times[2 * i + 1] = times[2 * i + 1], end
        kind = rng.choice([Op.SET, Op.SET, Op.GET, Op.GET, Op.GET, Op.DELETE, Op.CLEAR])
        outcome = Outcome.UNKNOWN if kind is not Op.GET and rng.random() < 0.2 else Outcome.OK
        if kind is Op.SET:
            tags.append(len(tags) + 1)
        tag = tags[-1] if kind is Op.SET else 0
        rows.append(op(kind, start, end, tag, client=i, schedule=schedule, outcome=outcome))
    for row in rows:
        if row["op"] == Op.GET and tags:
            row["tag"] = rng.choice([MISS, *tags])
    return rows


def is_atomic(rows: list[dict[str, int]]) -> bool:
    """Whether some order explains every hit: a search of all, for a handful of operations of one key."""
    must = [row for row in rows if row["outcome"] == Outcome.OK and not (row["op"] == Op.GET and row["tag"] == MISS)]
    maybe = [row for row in rows if row["outcome"] == Outcome.UNKNOWN]
    for count in range(len(maybe) + 1):
        for chosen in itertools.combinations(maybe, count):
            if _explains(must + list(chosen), None):
                return True
    return False


def _explains(left: list[dict[str, int]], value: int | None) -> bool:
    if not left:
        return True
    soonest_end = (
        min(row["end"] for row in left if row["outcome"] == Outcome.OK)
        if any(row["outcome"] == Outcome.OK for row in left)
        else max(row["start"] for row in left) + 1
    )
    for row in left:
        if row["start"] > soonest_end:
            continue
        if row["op"] == Op.GET and row["tag"] != value:
            continue
        after = value if row["op"] == Op.GET else (row["tag"] if row["op"] == Op.SET else None)
        rest = [other for other in left if other is not row]
        if _explains(rest, after):
            return True
    return False


def breaks(checker: object, found: History, promises: Promises = Promises()) -> bool:  # noqa: B008  # it is immutable
    """Whether checker finds anything."""
    return bool(checker.find(found, promises))  # type: ignore[attr-defined]  # a module
