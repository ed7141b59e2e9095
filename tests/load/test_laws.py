"""Users' histories and the laws: what is found, what is not accused, and when nothing can be said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache_impls.protocol import Promises
from harness.history import FOREIGN, MISS, NO_KEY, NO_TTL, Op, Outcome
from harness.load import laws
from harness.load.samples import COLUMNS
from harness.measure.generate import draw
from harness.measure.workload import parse
from harness.model import CheckVerdict

GET, SET, DELETE, CLEAR = int(Op.GET), int(Op.SET), int(Op.DELETE), int(Op.CLEAR)
OK, FAIL, UNKNOWN = int(Outcome.OK), int(Outcome.FAIL), int(Outcome.UNKNOWN)
SECOND = 1_000_000_000
Row = dict[str, int]


def row(op: int, start: float, tag: int = MISS, *, key: int = 0, client: int = 1, **more: int) -> Row:
    """An operation of a tenth of a second."""
    begin = int(start * SECOND)
    fields = {"where": 2, "op": op, "key": key, "tag": tag, "ttl_ns": NO_TTL, "client": client, "due_ns": 0}
    return fields | {"start_ns": begin, "end_ns": begin + SECOND // 10, "outcome": OK} | more


def judged(
    folder: Path, *parts: list[Row], one_in: int = 1, capacity: int | None = None, forgets: bool = False,
    processes: int | None = None, boots: tuple[str, ...] = ("a",),
) -> dict[str, CheckVerdict]:  # fmt: skip
    """What each law says of the rows that each process left."""
    workers: list[dict[str, Any]] = []
    for number, rows in enumerate(parts):
        path = folder / f"users-{number}.npz"
        table = np.array([[each[name] for name in COLUMNS] for each in rows], dtype=np.int64).reshape(-1, len(COLUMNS))
        with path.open("wb") as file:
            np.savez(file, rows=table, columns=np.array(COLUMNS))
        workers.append({"history": str(path), "boot": boots[number % len(boots)]})
    result = {"workers": workers, "processes": len(parts) if processes is None else processes}
    found = laws.judge(result, 0, Promises(forgets=forgets)._asdict(), capacity, one_in)
    return {check.id: check.verdict for check in found.checks}


def kept(found: dict[str, CheckVerdict]) -> bool:
    """All but those that had no case."""
    return found["C1"] is CheckVerdict.PASS and set(found.values()) <= {CheckVerdict.PASS, CheckVerdict.SKIPPED}


W = 1_024
"""Tags of the first process are multiples of this, those of the second one more."""
STALE = [row(SET, 0, W), row(SET, 1, 2 * W), row(GET, 2, W, client=2)]
LATE = [row(SET, 0, W, ttl_ns=SECOND), row(GET, 2, W)]
FORGOTTEN = [row(SET, 0, W), row(GET, 1, MISS)]
RISEN = [row(SET, 0, W), row(DELETE, 1, 1), row(GET, 2, W)]
MADE_UP = [row(SET, 0, W), row(GET, 1, FOREIGN)]
OTHERS = [row(SET, 0, W), row(SET, 0, 2 * W, key=1), row(GET, 1, 2 * W)]
BACK_IN_TIME = [row(SET, 0, W), row(SET, 1, 2 * W, client=3), row(GET, 2, 2 * W), row(GET, 3, W)]


@pytest.mark.parametrize(
    ("law", "rows"),
    [("C1", STALE), ("C2", LATE), ("C3", FORGOTTEN), ("C4", RISEN), ("C5", MADE_UP), ("C5", OTHERS),
     ("C6", BACK_IN_TIME)],
)  # fmt: skip
def test_what_breaks_a_law_is_found(tmp_path: Path, law: str, rows: list[Row]) -> None:
    """One history each."""
    assert judged(tmp_path, rows)[law] is CheckVerdict.FAIL


@pytest.mark.parametrize(
    "rows",
    [
        [row(SET, 0, W), row(SET, 1, 2 * W), row(GET, 2, 2 * W, client=2)],
        [row(SET, 0, W, ttl_ns=SECOND), row(GET, 0.5, W), row(GET, 2, MISS)],
        [row(SET, 0, W), row(DELETE, 1, 1), row(GET, 2, MISS)],
        [row(SET, 0, W), row(SET, 0.05, 2 * W, client=2), row(GET, 2, W, client=3)],
        [row(SET, 0, W), row(SET, 1, 2 * W, outcome=UNKNOWN), row(GET, 2, W), row(GET, 3, 2 * W)],
        # Expired by less than the coarseness of a host's clock.
        [row(SET, 0, W, ttl_ns=SECOND), row(GET, 1.102, W)],
    ],
)
def test_its_twin_is_not(tmp_path: Path, rows: list[Row]) -> None:
    """Legal histories that look alike."""
    assert kept(judged(tmp_path, rows))


def test_processes_are_judged_together(tmp_path: Path) -> None:
    """What one process wrote, another reads: stale only if both are seen; tags and clients do not collide."""
    theirs = [row(SET, 1, 2 * W + 1, client=10**6)]
    assert judged(tmp_path, [row(SET, 0, W), row(GET, 2, W)], theirs)["C1"] is CheckVerdict.FAIL
    fresh = judged(tmp_path, [row(SET, 0, W), row(GET, 2, 2 * W + 1)], theirs)
    assert kept(fresh)
    # A client number of many digits is not another key's client (it once was: C6 had 600 false alarms).
    filler = [row(SET, 0, W, key=24, client=10**12), row(SET, 0.2, 2 * W, key=25, client=10**12)]
    readers = [row(GET, 1, W, key=24, client=99), row(GET, 2, 2 * W, key=25, client=99)]
    assert kept(judged(tmp_path, filler + readers))


def test_what_cannot_be_known(tmp_path: Path) -> None:
    """A process that left nothing, clocks of two machines, no history: never a pass."""
    right = [row(SET, 0, W), row(GET, 1, W)]
    assert set(judged(tmp_path, right, processes=2).values()) == {CheckVerdict.UNKNOWN}
    assert set(judged(tmp_path, right, right, boots=("a", "b")).values()) == {CheckVerdict.UNKNOWN}
    assert set(judged(tmp_path, []).values()) == {CheckVerdict.UNKNOWN}
    assert set(judged(tmp_path, right, one_in=0).values()) == {CheckVerdict.SKIPPED}


def test_a_bound_explains_what_is_forgotten(tmp_path: Path) -> None:
    """More keys than room: a miss is legal; with sampled keys nobody knows; a cache that may forget is not asked."""
    two = [row(SET, 0, W), row(SET, 1, 2 * W, key=1), row(GET, 2, MISS)]
    assert judged(tmp_path, two)["C3"] is CheckVerdict.FAIL
    assert judged(tmp_path, two, capacity=1)["C3"] is CheckVerdict.PASS
    assert judged(tmp_path, two, capacity=9)["C3"] is CheckVerdict.FAIL
    assert judged(tmp_path, two, capacity=9, one_in=4)["C3"] is CheckVerdict.SKIPPED
    assert judged(tmp_path, two, forgets=True)["C3"] is CheckVerdict.SKIPPED


def test_room_in_bytes_explains_what_is_forgotten(tmp_path: Path) -> None:
    """Values that do not all fit into the bound on memory: a miss is legal; where all fit it is not."""
    requests = draw(parse("llm"), 10_000)
    everything = sum(dict(zip(requests.key.tolist(), requests.size.tolist(), strict=True)).values())
    assert laws.crowded(requests, None) is None
    assert laws.crowded(requests, everything * 2) is None
    full = laws.crowded(requests, everything // 2)
    assert full is not None
    rows = np.array([[each[name] for name in COLUMNS] for each in FORGOTTEN], dtype=np.int64)
    for why, verdict in ((None, CheckVerdict.FAIL), (full, CheckVerdict.SKIPPED)):
        found = laws.judge_rows(rows, 0, Promises()._asdict(), None, 1, full=why)
        assert {check.id: check.verdict for check in found.checks}["C3"] is verdict


def test_the_other_target_is_left_out(tmp_path: Path) -> None:
    """Rows of two hosts are two histories."""
    other = [each | {"where": 3} for each in STALE]
    assert kept(judged(tmp_path, [*other, row(SET, 0, W), row(GET, 1, W)]))


def test_a_law_without_a_case_is_not_kept(tmp_path: Path) -> None:
    """No ttl that ran out, nothing deleted: neither law was tried."""
    found = judged(tmp_path, [row(SET, 0, W, ttl_ns=3_600 * SECOND), row(GET, 1, W)])
    assert (found["C2"], found["C4"]) == (CheckVerdict.SKIPPED, CheckVerdict.SKIPPED)
    found = judged(tmp_path, [row(SET, 0, W, ttl_ns=SECOND), row(DELETE, 1, 1), row(GET, 2, MISS)])
    assert (found["C2"], found["C4"]) == (CheckVerdict.PASS, CheckVerdict.PASS)


def test_what_was_never_sent_has_no_effect(tmp_path: Path) -> None:
    """A write of a user without a connection: the one before it still holds; had it been sent, nobody would know."""
    rows = [row(SET, 0, W), row(SET, 1, 2 * W, outcome=FAIL), row(GET, 2, W)]
    assert kept(judged(tmp_path, rows))
    assert judged(tmp_path, [*rows, row(GET, 3, 2 * W)])["C5"] is CheckVerdict.FAIL


def test_a_clear_ends_what_was_before_it(tmp_path: Path) -> None:
    """What a fault removed may not come back; of a process that began anew nobody knows what it kept."""
    cleared = [row(SET, 0, W), row(CLEAR, 1, key=NO_KEY)]
    assert kept(judged(tmp_path, [*cleared, row(GET, 2, MISS)]))
    assert judged(tmp_path, [*cleared, row(GET, 2, W)])["C4"] is CheckVerdict.FAIL
    restarted = [row(SET, 0, W), row(CLEAR, 1, key=NO_KEY, outcome=UNKNOWN)]
    assert kept(judged(tmp_path, [*restarted, row(GET, 2, MISS)]))
    assert kept(judged(tmp_path, [*restarted, row(GET, 2, W)]))


def test_a_broken_history_is_told(tmp_path: Path) -> None:
    """Half a file, or one with other columns: nothing is judged, and nobody is accused."""
    judged(tmp_path, STALE)
    path = tmp_path / "users-0.npz"
    whole = path.read_bytes()
    result = {"workers": [{"history": str(path), "boot": "a"}], "processes": 1}
    path.write_bytes(whole[: len(whole) // 2])
    torn = laws.judge(result, 0, Promises()._asdict(), None, 1)
    with path.open("wb") as file:
        np.savez(file, rows=np.zeros((3, 2), dtype=np.int64), columns=np.array(COLUMNS))
    narrow = laws.judge(result, 0, Promises()._asdict(), None, 1)
    for found in (torn, narrow):
        assert {check.verdict for check in found.checks} == {CheckVerdict.UNKNOWN}
        assert found.words == "nothing: a history is broken"
