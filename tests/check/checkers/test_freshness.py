"""C0 to C6 on the smallest histories: one that breaks the law, and a twin that differs in one thing."""

from __future__ import annotations

import pytest
from histories import SECOND, breaks, history, op

from cache_impls.protocol import Promises
from harness.check.checkers import (
    answers,
    early_miss,
    expiry,
    integrity,
    register,
    resurrection,
    sessions,
)
from harness.history import FOREIGN, Op, Outcome

WEAK, FORGETS = Promises(weak=True), Promises(forgets=True)
TEN = 10 * SECOND


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


def test_c2_off_the_grid() -> None:
    """A cache that sleeps for a millisecond adds its times in floats, whose last digit proves nothing."""
    write = op(Op.SET, 1, 2, tag=1, ttl_ns=TEN, end_ns=2 * SECOND + 3_000_000)
    at = op(Op.GET, 3, 4, tag=1, start_ns=12 * SECOND + 3_000_000)
    assert not breaks(expiry, history(write, at))
    assert breaks(expiry, history(write, at | {"start_ns": at["start_ns"] + 1_000}))


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
