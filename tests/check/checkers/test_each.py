"""Each checker on the smallest histories: one that breaks its law, and a twin that differs in one thing."""

from __future__ import annotations

import numpy as np
import pytest
from histories import SECOND, history, op

from cache_impls.protocol import Promises
from harness.check.checkers import (
    agreement,
    answers,
    bounds,
    counters,
    early_miss,
    expiry,
    integrity,
    loads,
    register,
    resurrection,
    sessions,
    stages,
)
from harness.check.checkers.validity import Tally
from harness.history import FOREIGN, MISS, NO_LIMIT, History, Op, Outcome, Watched

WEAK, FORGETS = Promises(weak=True), Promises(forgets=True)
TEN = 10 * SECOND


def breaks(checker: object, found: History, promises: Promises = Promises()) -> bool:  # noqa: B008  # it is immutable
    """Whether checker finds anything."""
    return bool(checker.find(found, promises))  # type: ignore[attr-defined]  # a module


# C0


@pytest.mark.parametrize(
    ("outcome", "broken"),
    [
        (Outcome.OK, False),
        (Outcome.FAIL, False),
        (Outcome.UNKNOWN, False),
        (Outcome.RAISED, True),
        (Outcome.HUNG, True),
    ],
)
def test_c0(outcome: Outcome, broken: bool) -> None:
    """An error of the cache's own and a wait that never ends; not a refusal, nor a cancellation."""
    assert breaks(answers, history(op(Op.GET, 1, 2, outcome=outcome))) is broken


# C1


def test_c1_a_value_that_was_replaced() -> None:
    """Read after the overwrite ended: broken. Read while it went on: not."""
    writes = (op(Op.SET, 1, 2, tag=1), op(Op.SET, 3, 6, tag=2))
    assert breaks(register, history(*writes, op(Op.GET, 7, 8, tag=1)))
    assert not breaks(register, history(*writes, op(Op.GET, 5, 8, tag=1)))
    assert not breaks(register, history(*writes, op(Op.GET, 7, 8, tag=2)))
    assert not breaks(register, history(*writes, op(Op.GET, 7, 8, tag=1, key=1)))


def test_c1_back_and_forth() -> None:
    """Two sets at once: whichever a read saw first, the other may follow, but the first may not come back."""
    writes = (op(Op.SET, 1, 10, tag=1), op(Op.SET, 2, 11, tag=2, client=1))
    once = (*writes, op(Op.GET, 12, 13, tag=1))
    assert not breaks(register, history(*once))
    assert breaks(register, history(*once, op(Op.GET, 14, 15, tag=2)))


def test_c1_a_set_of_unknown_effect_may_come_late() -> None:
    """Cancelled, it may take effect at any time, or never; seen and then replaced, it may not come back."""
    rows = (op(Op.SET, 1, 2, tag=1), op(Op.SET, 3, 4, tag=2, outcome=Outcome.UNKNOWN), op(Op.GET, 5, 6, tag=1))
    assert not breaks(register, history(*rows))
    seen = (*rows, op(Op.GET, 7, 8, tag=2))
    assert not breaks(register, history(*seen))
    assert breaks(register, history(*seen, op(Op.GET, 9, 10, tag=1)))


def test_c1_a_read_before_its_write() -> None:
    """Nobody answers what is written only later."""
    assert breaks(register, history(op(Op.GET, 1, 2, tag=1), op(Op.SET, 3, 4, tag=1)))
    assert not breaks(register, history(op(Op.GET, 1, 4, tag=1), op(Op.SET, 3, 5, tag=1)))


def test_c1_a_stale_fill() -> None:
    """A set during a load is newer than what the load brings; a set before it began is not."""
    rows = (op(Op.GET_OR_LOAD, 1, 20, tag=1), op(Op.LOAD, 5, 15, tag=1), op(Op.GET, 21, 22, tag=1, client=1))
    assert breaks(register, history(*rows, op(Op.SET, 6, 7, tag=2, client=1)))
    assert not breaks(register, history(*rows, op(Op.SET, 2, 3, tag=2, client=1)))
    only_the_loader_has_it = rows[:2]
    assert not breaks(register, history(*only_the_loader_has_it, op(Op.SET, 6, 7, tag=2, client=1)))


# C2


def test_c2_at_the_deadline() -> None:
    """A read that starts at set end + ttl is too late; one that started just before is not."""
    write = op(Op.SET, 1, 2, tag=1, ttl_ns=TEN)
    late = op(Op.GET, 3, 4, tag=1, start_ns=12 * SECOND, end_ns=12 * SECOND)
    in_time = late | {"start_ns": 12 * SECOND - 1}
    assert breaks(expiry, history(write, late))
    assert not breaks(expiry, history(write, in_time))
    assert not breaks(expiry, history(write | {"outcome": Outcome.UNKNOWN}, late))


def test_c2_a_cancelled_set_that_was_seen() -> None:
    """Its time began when somebody first read it, at the latest."""
    cut_off = op(Op.SET, 1, 2, tag=1, ttl_ns=TEN, outcome=Outcome.UNKNOWN)
    seen = op(Op.GET, 3, 4, tag=1, start_ns=20 * SECOND, end_ns=20 * SECOND)
    again = op(Op.GET, 5, 6, tag=1, start_ns=30 * SECOND, end_ns=30 * SECOND)
    assert breaks(expiry, history(cut_off, seen, again))
    assert not breaks(expiry, history(cut_off, seen, again | {"start_ns": 30 * SECOND - 1}))


def test_c2_by_what_is_declared() -> None:
    """Jitter and staleness move the deadline, and no further."""
    write = op(Op.SET, 1, 2, tag=1, ttl_ns=TEN)
    late = history(write, op(Op.GET, 3, 4, tag=1, start_ns=12 * SECOND + SECOND // 2))
    later = history(write, op(Op.GET, 3, 4, tag=1, start_ns=13 * SECOND))
    for promises in (Promises(ttl_jitter=0.1), Promises(stale_seconds=1.0)):
        assert not breaks(expiry, late, promises)
        assert breaks(expiry, later, promises)


def test_c2_by_the_default() -> None:
    """A set with no ttl has the cache's default; where that is not known, none."""
    rows = (op(Op.SET, 1, 2, tag=1), op(Op.GET, 3, 4, tag=1, start_ns=12 * SECOND))
    assert breaks(expiry, history(*rows, default_ttl_ns=TEN))
    assert not breaks(expiry, history(*rows))


# C3

LIVE = op(Op.SET, 1, 2, tag=1, ttl_ns=TEN)
MISSED = op(Op.GET, 7, 8)


@pytest.mark.parametrize(
    "explanation",
    [
        op(Op.DELETE, 3, 4),
        op(Op.DELETE, 3, 4, outcome=Outcome.UNKNOWN),
        op(Op.DELETE, 0, 4, outcome=Outcome.UNKNOWN),
        op(Op.CLEAR, 3, 9),
        op(Op.SET, 3, 4, tag=2, ttl_ns=SECOND),
        op(Op.SET, 3, 4, tag=2, outcome=Outcome.UNKNOWN),
        op(Op.SET, 0, 9, tag=2, ttl_ns=SECOND),
    ],
    ids=["delete", "cut-off delete", "late delete", "clear", "expired", "cut-off set", "short set at once"],
)
def test_c3_what_explains_a_miss(explanation: dict[str, int]) -> None:
    """Without it the miss is a lie."""
    assert breaks(early_miss, history(LIVE, MISSED))
    assert not breaks(early_miss, history(LIVE, explanation, MISSED))


@pytest.mark.parametrize(
    "no_explanation",
    [
        op(Op.DELETE, 3, 4, key=1),
        op(Op.DELETE, 3, 4, schedule=1),
        op(Op.DELETE, 3, 4, outcome=Outcome.FAIL),
        op(Op.CLEAR, 3, 4, schedule=1),
        op(Op.DELETE, 9, 10),
        op(Op.SET, 3, 4, tag=2, ttl_ns=TEN),
        op(Op.SET, 9, 10, tag=2, ttl_ns=SECOND),
    ],
    ids=["other key", "other schedule", "refused", "other clear", "after", "lives on", "later"],
)
def test_c3_what_does_not(no_explanation: dict[str, int]) -> None:
    """It looks like an explanation and is none."""
    assert breaks(early_miss, history(LIVE, no_explanation, MISSED))


def test_c3_expiry_and_room() -> None:
    """An entry that may have expired, or that had to make room, explains itself."""
    late = op(Op.GET, 7, 8, end_ns=11 * SECOND)
    assert not breaks(early_miss, history(LIVE, late))
    other = op(Op.SET, 3, 4, tag=2, key=1)
    assert not breaks(early_miss, history(LIVE, other, MISSED, room=1))
    assert breaks(early_miss, history(LIVE, other, MISSED, room=2))


def test_c3_by_what_is_declared() -> None:
    """Jitter may end an entry early, by its share; who may forget is not judged."""
    jitter = Promises(ttl_jitter=0.5)
    assert not breaks(early_miss, history(LIVE, MISSED), jitter)
    assert breaks(early_miss, history(LIVE, MISSED | {"end_ns": 5 * SECOND}), jitter)
    assert early_miss.skip(FORGETS)
    assert early_miss.skip(WEAK)
    assert early_miss.skip(Promises()) is None


# C4


@pytest.mark.parametrize("removal", [Op.DELETE, Op.CLEAR])
def test_c4_what_was_removed_is_back(removal: Op) -> None:
    """A read after the removal ended; not one that it overlaps, nor a set that it does."""
    rows = (op(Op.SET, 1, 2, tag=1), op(removal, 3, 6))
    assert breaks(resurrection, history(*rows, op(Op.GET, 7, 8, tag=1)))
    assert not breaks(resurrection, history(*rows, op(Op.GET, 5, 8, tag=1)))
    assert not breaks(resurrection, history(op(Op.SET, 1, 4, tag=1), op(removal, 3, 6), op(Op.GET, 7, 8, tag=1)))
    assert not breaks(resurrection, history(rows[0], rows[1] | {"outcome": Outcome.UNKNOWN}, op(Op.GET, 7, 8, tag=1)))


def test_c4_a_set_of_unknown_effect_that_was_seen() -> None:
    """It had taken effect when it was read, so a delete after that removes it; unseen, it may still come."""
    rows = (op(Op.SET, 1, 2, tag=1, outcome=Outcome.UNKNOWN), op(Op.DELETE, 5, 6), op(Op.GET, 7, 8, tag=1))
    assert not breaks(resurrection, history(*rows))
    assert breaks(resurrection, history(*rows, op(Op.GET, 3, 4, tag=1)))


def test_c4_a_load_that_was_overtaken() -> None:
    """What a load brings is as old as its start: a delete that came during the load removes it."""
    rows = (op(Op.GET_OR_LOAD, 1, 20, tag=1), op(Op.LOAD, 5, 15, tag=1), op(Op.GET, 21, 22, tag=1))
    assert breaks(resurrection, history(*rows, op(Op.DELETE, 6, 7, client=1)))
    assert not breaks(resurrection, history(*rows, op(Op.DELETE, 2, 3, client=1)))


# C5


def test_c5_whose_value_it_is() -> None:
    """Another key's, another schedule's, nobody's, a refused one; its own is fine, whatever became of the set."""
    write = op(Op.SET, 1, 2, tag=1)
    assert not breaks(integrity, history(write, op(Op.GET, 3, 4, tag=1)))
    assert not breaks(integrity, history(write | {"outcome": Outcome.UNKNOWN}, op(Op.GET, 3, 4, tag=1)))
    assert breaks(integrity, history(write | {"outcome": Outcome.FAIL}, op(Op.GET, 3, 4, tag=1)))
    assert breaks(integrity, history(write, op(Op.GET, 3, 4, tag=1, key=1)))
    assert breaks(integrity, history(write, op(Op.GET, 3, 4, tag=1, schedule=1)))
    assert breaks(integrity, history(write, op(Op.GET, 3, 4, tag=2)))
    assert breaks(integrity, history(write, op(Op.GET, 3, 4, tag=FOREIGN)))


# C6


def test_c6_reads_its_own_writes() -> None:
    """The same client; another one's late news are C1's affair."""
    rows = (op(Op.SET, 1, 2, tag=1, client=1), op(Op.SET, 3, 4, tag=2))
    assert breaks(sessions, history(*rows, op(Op.GET, 5, 6, tag=1)))
    assert not breaks(sessions, history(*rows, op(Op.GET, 5, 6, tag=1, client=2)))
    assert not breaks(sessions, history(*rows, op(Op.GET, 5, 6, tag=2)))
    assert breaks(sessions, history(rows[0], op(Op.DELETE, 3, 4), op(Op.GET, 5, 6, tag=1)))


def test_c6_never_back_in_time() -> None:
    """Who has seen the new value does not see the old one again; who has not may."""
    rows = (op(Op.SET, 1, 2, tag=1), op(Op.SET, 3, 4, tag=2), op(Op.GET, 5, 6, tag=2, client=1))
    assert breaks(sessions, history(*rows, op(Op.GET, 7, 8, tag=1, client=1)))
    assert not breaks(sessions, history(*rows, op(Op.GET, 7, 8, tag=1, client=2)))
    assert register.skip(WEAK)
    assert resurrection.skip(WEAK)
    assert sessions.skip(WEAK) is None


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
        (Watched.HITS, 2, True),
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
    cut_off_may_be_a_hit_too = what is Watched.HITS and value == 2
    assert breaks(counters, watched(rows, (0, what, value, NO_LIMIT))) is (broken and not cut_off_may_be_a_hit_too)


def test_c13_a_run_that_shows_nothing() -> None:
    """No schedule, no success of a kind, no hit: each makes the run unknown."""
    good = history(op(Op.SET, 1, 2, tag=1), op(Op.GET, 3, 4, tag=1))
    tally = Tally()
    assert tally.problems()
    tally.add(history(op(Op.SET, 1, 2, tag=1, outcome=Outcome.RAISED), op(Op.GET, 3, 4)), 1)
    assert len(tally.problems()) == 2
    tally.add(good, 1)
    assert tally.problems() == []
