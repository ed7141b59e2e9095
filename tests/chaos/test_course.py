"""What users saw: shares, and how long it took to show, to be borne and to be over."""

from __future__ import annotations

import pytest
from stories import CLEAR, DELETE, FAIL, GET, MS, SECOND, SET, UNKNOWN, at, operation, reads, span, table

from harness.chaos.course import course, episodes
from harness.history import MISS, NO_KEY

FAULT = [span(2.0, 3.0)]


def test_nobody_notices() -> None:
    """All is answered in time: nothing to detect, borne at once, and served in the first window after it."""
    seen = course(table(reads(0, 6)), FAULT)
    assert (seen.detect_seconds, seen.degrade_seconds) == (None, 0.0)
    assert seen.recover_seconds == pytest.approx(0.0)
    assert (seen.before.operations, seen.during.operations) == (400, 200)
    assert seen.whole.answered == 1.0


def test_an_outage_that_ends_with_the_fault() -> None:
    """Seen with the first failure, never borne, over with it."""
    seen = course(table([*reads(0, 2), *reads(2, 3, outcome=UNKNOWN, took=0.05), *reads(3, 6)]), FAULT)
    assert seen.detect_seconds == pytest.approx(0.05)
    assert seen.degrade_seconds is None
    assert seen.recover_seconds == pytest.approx(0.0)
    assert seen.during.answered == 0.0
    assert seen.whole.answered == pytest.approx(1000 / 1200)


def test_an_outage_that_is_borne() -> None:
    """After half of the fault users are served again, though it lasts."""
    rows = [*reads(0, 2), *reads(2, 2.3, outcome=UNKNOWN), *reads(2.3, 6)]
    seen = course(table(rows), FAULT)
    assert seen.degrade_seconds == pytest.approx(0.3)


def test_an_outage_that_outlasts_the_fault() -> None:
    """Recovered only when users are served again, and the part after it begins there."""
    rows = [*reads(0, 2), *reads(2, 3.7, outcome=UNKNOWN), *reads(3.7, 6)]
    seen = course(table(rows), FAULT)
    assert seen.recover_seconds == pytest.approx(0.7)
    assert seen.after.answered == 1.0
    assert seen.after.operations == 460


def test_good_for_a_moment_is_not_recovered() -> None:
    """Two windows of luck in the middle of an outage are no recovery."""
    rows = [*reads(0, 2), *reads(2, 3.4, outcome=UNKNOWN), *reads(3.4, 3.6), *reads(3.6, 4.2, outcome=UNKNOWN)]
    assert course(table([*rows, *reads(4.2, 7)]), FAULT).recover_seconds == pytest.approx(1.2)


def test_one_hiccup_afterwards_is_the_machine() -> None:
    """A window spoilt two seconds later does not undo it."""
    rows = [*reads(0, 4.5), *reads(4.5, 4.6, took=0.3), *reads(4.6, 8)]
    assert course(table(rows), FAULT).recover_seconds == pytest.approx(0.0)


def test_never_as_before() -> None:
    """No recovery is none, not a long one."""
    seen = course(table([*reads(0, 2), *reads(2, 6, outcome=UNKNOWN)]), FAULT)
    assert seen.recover_seconds is None
    assert seen.after.answered == 0.0


def test_an_answer_counts_from_when_it_was_due() -> None:
    """Users that were held up ask later: their answers are fast, and late."""
    rows = [*reads(0, 2), *reads(3, 6)]
    backlog = [operation(GET, 3.0, due_ns=at(2.0 + i * 0.005)) for i in range(200)]
    seen = course(table([*rows, *backlog]), FAULT)
    assert seen.during.operations == 200
    assert seen.during.answered == 1.0
    assert seen.during.timely is not None
    assert seen.during.timely < 0.2


def test_the_last_of_several_faults() -> None:
    """Each is judged until the next begins; the worst is told; what lies between is not part of any."""
    faults = [span(1.0, 1.5), span(4.0, 4.5)]
    rows = [*reads(0, 1), *reads(1, 2.2, outcome=UNKNOWN), *reads(2.2, 4), *reads(4, 4.2, outcome=UNKNOWN)]
    seen = course(table([*rows, *reads(4.2, 8)]), faults)
    assert seen.recover_seconds == pytest.approx(0.7)
    assert seen.degrade_seconds is None
    assert seen.during.operations == 200
    assert seen.before.operations == 200


def test_peace_between_two_faults_is_not_borne() -> None:
    """Users who are served between them were not served while one lasted."""
    faults = [span(1.0, 2.0), span(2.9, 3.4)]
    rows = [*reads(0, 1), *reads(1, 2, outcome=UNKNOWN), *reads(2, 6)]
    assert course(table(rows), faults).degrade_seconds is None


def test_a_recovery_cut_short_is_part_of_the_next() -> None:
    """What is asked to be over in two seconds cannot be judged after one and a half."""
    faults = [span(1.0, 1.5), span(3.0, 3.5)]
    rows = [*reads(0, 1), *reads(1, 2.8, outcome=UNKNOWN), *reads(2.8, 3), *reads(3, 4, outcome=UNKNOWN), *reads(4, 8)]
    assert course(table(rows), faults, apart_seconds=1.0).recover_seconds is None
    assert course(table(rows), faults, apart_seconds=2.5).recover_seconds == pytest.approx(0.5)


def test_faults_that_overlap_are_one_episode() -> None:
    """So are those that follow each other too soon to see a recovery between."""
    found = episodes([span(3.0, 3.5), span(1.0, 2.0), span(1.5, 2.5), span(6.0, 7.0)], 1.0)
    assert found == [(span(1.0, 3.5), at(6.0)), (span(6.0, 7.0), None)]


WRITTEN = operation(SET, 1.0, 1024)
LOST = operation(GET, 3.5, MISS)


@pytest.mark.parametrize(
    ("rows", "lost"),
    [
        ([WRITTEN, LOST], 1),
        ([WRITTEN, LOST, operation(GET, 3.6, MISS)], 1),
        ([WRITTEN, operation(GET, 3.2, 1024), LOST], 0),
        ([operation(SET, 3.1, 1024), LOST], 0),
        ([WRITTEN, operation(DELETE, 1.0, 1, took=0.01), LOST], 0),
        ([operation(DELETE, 0.99, 1, took=0.5), WRITTEN, LOST], 0),
        ([WRITTEN, operation(GET, 3.5, 1024)], 0),
        ([WRITTEN, operation(GET, 1.5, MISS), LOST], 0),
        ([WRITTEN, operation(DELETE, 1.5, 1), LOST], 0),
        ([WRITTEN, operation(DELETE, 1.5, 0, outcome=UNKNOWN), LOST], 0),
        ([WRITTEN, operation(DELETE, 1.5, 0, outcome=FAIL), LOST], 1),
        ([WRITTEN, operation(SET, 1.5, 2048, outcome=UNKNOWN), LOST], 0),
        ([WRITTEN, operation(CLEAR, 2.5, key=NO_KEY, outcome=UNKNOWN), LOST], 1),
        ([WRITTEN | {"ttl_ns": SECOND}, LOST], 0),
        ([WRITTEN | {"end_ns": at(3.6)}, LOST], 0),
        ([WRITTEN | {"outcome": UNKNOWN}, LOST], 0),
    ],
)
def test_acknowledged_writes_that_are_gone(rows: list[dict[str, int]], lost: int) -> None:
    """Missed after the fault, though nobody had removed them and their time was not over."""
    others = [row | {"key": row["key"] + 100 * MS} for row in reads(0, 6)]
    assert course(table([*others, *rows]), FAULT).operations_lost == lost
