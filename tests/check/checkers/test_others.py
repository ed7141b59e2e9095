"""C7 to C13 on the smallest histories: one that breaks the law, and a twin that differs in one thing."""

from __future__ import annotations

import numpy as np
import pytest
from histories import SECOND, breaks, history, op

from cache_impls.protocol import Promises
from harness.check.checkers import (
    agreement,
    bounds,
    counters,
    loads,
    stages,
)
from harness.check.checkers.validity import Tally
from harness.history import MISS, NO_LIMIT, UNSAID, History, Op, Outcome, Watched

WEAK, FORGETS = Promises(weak=True), Promises(forgets=True)
TEN = 10 * SECOND


# C7


def test_c7_two_loads_at_once() -> None:
    """Of one key, unless something came between that makes the first one old."""
    first, second = op(Op.LOAD, 2, 10, tag=1), op(Op.LOAD, 5, 12, tag=2, client=1)
    assert breaks(loads, history(first, second))
    assert not breaks(loads, history(first, second | {"key": 1}))
    assert not breaks(loads, history(first, second | {"start": 11}))
    assert not breaks(loads, history(first, op(Op.DELETE, 3, 4, client=2), second))
    assert not breaks(loads, history(first, op(Op.CLEAR, 3, 4, client=2), second))
    assert not breaks(loads, history(first | {"outcome": Outcome.FAIL}, second))
    assert breaks(loads, history(first, op(Op.DELETE, 3, 4, client=2, key=1), second))


def test_c7_by_when_a_load_was_asked_for() -> None:
    """A delete between two readers, before either's loader ran; a refresh that nobody waits for."""
    one, other = op(Op.GET_OR_LOAD, 1, 20, tag=1), op(Op.GET_OR_LOAD, 4, 21, tag=2, client=1)
    first, second = op(Op.LOAD, 5, 10, tag=1), op(Op.LOAD, 6, 12, tag=2, client=1)
    assert breaks(loads, history(one, other, first, second))
    assert not breaks(loads, history(one, op(Op.DELETE, 2, 3, client=1), other, first, second))
    assert not breaks(loads, history(one | {"end": 2}, other, first, second))


def test_c7_a_failure_that_is_remembered() -> None:
    """An operation fails with the error of a load that it waited for, not of one before."""
    failed = op(Op.LOAD, 2, 4, tag=1, outcome=Outcome.FAIL)
    waited, later = op(Op.GET_OR_LOAD, 1, 5, outcome=Outcome.FAIL), op(Op.GET_OR_LOAD, 6, 7, outcome=Outcome.FAIL)
    assert not breaks(loads, history(failed, waited))
    assert breaks(loads, history(failed, waited, later))


# C8


def test_c8_sides_that_differ() -> None:
    """Two values; a miss on one side is a right of caches."""
    old, new = op(Op.PEEK, 3, 4, tag=1, side=0), op(Op.PEEK, 5, 6, tag=2, side=1)
    assert breaks(agreement, history(old, new))
    assert not breaks(agreement, history(old, new | {"tag": 1}))
    assert not breaks(agreement, history(old, new | {"tag": MISS}))
    assert not breaks(agreement, history(old, new | {"key": 1}))


def test_c8_how_long_the_sides_were_apart() -> None:
    """By the ends of a write's two calls; one call alone, a call of a read and another client's are no pair."""
    found = agreement.staleness(
        history(
            op(Op.SET, 1, 20, tag=1, client=1, end_ns=SECOND),
            op(Op.SIDE_SET, 2, 3, client=1, side=0, end_ns=SECOND // 2),
            op(Op.SET, 4, 30, tag=2, client=2),
            op(Op.SIDE_SET, 5, 6, client=2, side=0, end_ns=7),
            op(Op.SIDE_SET, 7, 8, client=1, side=1, end_ns=SECOND),
            op(Op.SIDE_SET, 9, 10, client=2, side=1, end_ns=7),
            op(Op.DELETE, 40, 44, client=1),
            op(Op.SIDE_DELETE, 41, 42, client=1, side=0),
            op(Op.GET, 50, 54, client=1),
            op(Op.SIDE_SET, 51, 52, client=1, side=1),
        )
    )
    assert found.tolist() == [1, 0, 0, 0, 1, 0, 0]
    assert agreement.staleness(history(op(Op.SET, 1, 2, tag=1))).sum() == 0


# C9

CALLS = {"off": (0,), "dualwrite": (0, 1), "shadow": (0, 1), "live": (1, 0), "rampdown": (1, 0), "complete": (1,)}


@pytest.mark.parametrize("kind", [Op.SET, Op.DELETE])
@pytest.mark.parametrize("place", range(6))
def test_c9_writes(kind: Op, place: int) -> None:
    """Each stage's sides in its order; one more, one less and the other way round are wrong."""
    of_side = Op.SIDE_SET if kind is Op.SET else Op.SIDE_DELETE
    wanted = list(CALLS.values())[place]

    def written(sides: tuple[int, ...]) -> History:
        calls = [op(of_side, 2 + 2 * i, 3 + 2 * i, side=side) for i, side in enumerate(sides)]
        return history(op(kind, 1, 20, tag=1, stage=place), *calls)

    for sides in ((), (0,), (1,), (0, 1), (1, 0), (1, 1)):
        assert breaks(stages, written(sides)) is (sides != wanted and bool(sides))
    other_client = history(op(kind, 1, 20, tag=1, stage=place), op(of_side, 2, 3, side=0, client=1))
    assert breaks(stages, other_client)
    assert not breaks(stages, history(op(kind, 1, 20, tag=1), op(of_side, 2, 3, side=0)))


@pytest.mark.parametrize(("place", "wanted"), [(0, [(0,)]), (2, [(0, 1)]), (3, [(1,), (1, 0)]), (5, [(1,)])])
def test_c9_reads(place: int, wanted: list[tuple[int, ...]]) -> None:
    """Live may fall back to the old side; nobody else may choose."""
    for sides in ((0,), (1,), (0, 1), (1, 0)):
        calls = [op(Op.SIDE_GET, 2 + 2 * i, 3 + 2 * i, side=side) for i, side in enumerate(sides)]
        assert breaks(stages, history(op(Op.GET, 1, 20, stage=place), *calls)) is (sides not in wanted)


def test_c9_while_it_moves() -> None:
    """An operation that a move overlaps may start anew, on other sides; one after it may not."""
    get, calls = op(Op.GET, 1, 20, stage=0), [op(Op.SIDE_GET, 2 + 2 * i, 3 + 2 * i, side=0) for i in range(2)]
    assert breaks(stages, history(get, *calls))
    assert not breaks(stages, history(get, *calls, op(Op.MOVE, 15, 30, client=1)))
    assert breaks(stages, history(get, *calls, op(Op.MOVE, 21, 30, client=1)))


def test_c9_copies() -> None:
    """A read in live may copy to the new side; not to the old one, and not in another stage."""
    reads = (op(Op.SIDE_GET, 2, 3, side=1), op(Op.SIDE_GET, 4, 5, side=0))
    get = op(Op.GET, 1, 20, stage=3)
    assert not breaks(stages, history(get, *reads, op(Op.SIDE_SET, 6, 7, side=1)))
    assert breaks(stages, history(get, *reads, op(Op.SIDE_SET, 6, 7, side=0)))
    assert breaks(stages, history(get | {"stage": 5}, reads[0], op(Op.SIDE_SET, 6, 7, side=1)))


# C10, C11, C13


def watched(found: History, *rows: tuple[int, int, int, int]) -> History:
    """found, with these observations."""
    return History(found.rows, np.array(rows, dtype=np.int64))


@pytest.mark.parametrize("what", [Watched.TASKS, Watched.TIMERS])
def test_c10_what_is_left(what: Watched) -> None:
    """More than the limit; without a limit anything goes."""
    nothing = history(op(Op.GET, 1, 2))
    assert breaks(bounds, watched(nothing, (0, what, 1, 0)))
    assert not breaks(bounds, watched(nothing, (0, what, 0, 0)))
    assert not breaks(bounds, watched(nothing, (0, what, 5, NO_LIMIT)))


def test_c10_more_entries_than_room() -> None:
    """When nothing else is under way."""
    assert breaks(bounds, history(op(Op.SIZE, 3, 4, tag=3), room=2))
    assert not breaks(bounds, history(op(Op.SIZE, 3, 4, tag=2), room=2))
    assert not breaks(bounds, history(op(Op.SIZE, 3, 4, tag=3), op(Op.SET, 1, 5, tag=1, client=1), room=2))


@pytest.mark.parametrize(
    ("what", "value", "broken"),
    [
        (Watched.HITS, 1, False),
        (Watched.HITS, 2, False),
        (Watched.HITS, 3, True),
        (Watched.MISSES, 1, False),
        (Watched.MISSES, 2, False),
        (Watched.MISSES, 3, True),
        (Watched.SETS, 1, False),
        (Watched.SETS, 0, True),
        (Watched.DELETES, 1, False),
        (Watched.DELETES, 2, True),
    ],
)
def test_c11(what: Watched, value: int, broken: bool) -> None:
    """One set, one hit, one miss, one get cut off, which may count, one delete of a live key and one of none."""
    rows = history(
        op(Op.SET, 1, 2, tag=1),
        op(Op.GET, 3, 4, tag=1),
        op(Op.DELETE, 5, 6, tag=1),
        op(Op.DELETE, 7, 8, tag=0),
        op(Op.GET, 9, 10),
        op(Op.GET, 11, 12, outcome=Outcome.UNKNOWN),
        op(Op.SET, 13, 14, tag=2, outcome=Outcome.FAIL),
    )
    assert breaks(counters, watched(rows, (0, what, value, NO_LIMIT))) is broken


@pytest.mark.parametrize(("value", "broken"), [(0, False), (1, False), (2, True)])
def test_c11_a_delete_that_does_not_say(value: int, broken: bool) -> None:
    """It may count or not."""
    rows = history(op(Op.SET, 1, 2, tag=1), op(Op.DELETE, 3, 4, tag=UNSAID))
    assert breaks(counters, watched(rows, (0, Watched.DELETES, value, NO_LIMIT))) is broken


def test_c13_a_run_that_shows_nothing() -> None:
    """No schedule, no success of a kind, no hit: each makes the run unknown."""
    good = history(op(Op.SET, 1, 2, tag=1), op(Op.GET, 3, 4, tag=1))
    tally = Tally()
    assert tally.problems()
    tally.add(history(op(Op.SET, 1, 2, tag=1, outcome=Outcome.RAISED), op(Op.GET, 3, 4)), 1)
    assert len(tally.problems()) == 2
    tally.add(good, 1)
    assert tally.problems() == []
