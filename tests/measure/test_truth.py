"""The trial's own judge: each lie is caught, its correct twin passes."""

from __future__ import annotations

import pytest

from harness.measure.truth import NEVER, NOTHING, Truth
from harness.measure.values import fill_up, head_of

KEY, NAME = 3, "key:3"


def value(tag: int, name: str = NAME, size: int = 40) -> str:
    return fill_up(head_of(tag, name), size)


def write(tag: int, deadline_ns: int = NEVER, size: int = 40) -> tuple[int, int, int]:
    return (tag, len(value(tag, size=size)), deadline_ns)


@pytest.fixture
def truth() -> Truth:
    """A key that was written twice."""
    found = Truth(10)
    found.wrote(KEY, write(1))
    found.wrote(KEY, write(2, deadline_ns=1000))
    return found


def test_the_last_write_passes(truth: Truth) -> None:
    """The correct twin of all below."""
    truth.check(KEY, NAME, value(2), 999)
    assert truth.wrong == 0


@pytest.mark.parametrize(
    ("answer", "now_ns", "words"),
    [
        (value(1), 0, "but the last write is"),
        (value(2), 1000, "expired"),
        (value(2)[:-1], 0, "but the last write is"),
        (value(2, "key:4"), 0, "another key's value"),
        ((value(2), True), 0, "answered tuple"),
        (value(2).encode(), 0, "answered bytes"),
        ("", 0, "another key's value"),
    ],
)
def test_a_lie_is_told(truth: Truth, answer: object, now_ns: int, words: str) -> None:
    """An older value, an expired one, a cut one, another key's, another type."""
    truth.check(KEY, NAME, answer, now_ns)
    assert truth.wrong == 1
    assert words in truth.examples[0]


def test_nothing_may_be_answered_after_a_delete(truth: Truth) -> None:
    """Nor where nothing was ever written; and a delete of nothing was not of a live key."""
    truth.deleted(KEY)
    truth.check(KEY, NAME, value(2), 0)
    truth.check_delete(KEY, NAME, True)
    truth.check_delete(KEY, NAME, False)
    assert truth.wrong == 2
    assert "nothing was stored" in truth.examples[0]
    assert truth.tags[KEY] == NOTHING


def test_after_an_error_nobody_knows(truth: Truth) -> None:
    """Reads of a key whose write failed are not judged until it is written again."""
    truth.unknown(KEY)
    truth.check(KEY, NAME, value(7), 0)
    truth.check_delete(KEY, NAME, True)
    assert truth.wrong == 0
    truth.wrote(KEY, write(8))
    truth.check(KEY, NAME, value(7), 0)
    assert truth.wrong == 1


def test_overlapping_writes_may_each_be_seen(truth: Truth) -> None:
    """With several clients, every value that was current during the slice is accepted, and no other."""
    truth.may_have_written(KEY, write(3))
    truth.may_have_written(KEY, write(4))
    for tag in (2, 3, 4):
        truth.check(KEY, NAME, value(tag), 0)
    assert truth.wrong == 0
    truth.check(KEY, NAME, value(1), 0)
    assert truth.wrong == 1
    truth.wrote(KEY, write(5))
    truth.check(KEY, NAME, value(4), 0)
    assert truth.wrong == 2


def test_examples_are_few() -> None:
    """A million lies are counted, three are told."""
    truth = Truth(1)
    for _ in range(50):
        truth.check(0, "k", "lie", 0)
    assert (truth.wrong, len(truth.examples)) == (50, 3)


@pytest.mark.parametrize("size", [1, 100, 70_000, 200_000])
def test_values_have_their_size(size: int) -> None:
    """Padding reaches any size; a head longer than the size is the whole value."""
    head = head_of(12, "key")
    made = fill_up(head, size)
    assert made.startswith(head)
    assert len(made) == max(size, len(head))
