"""Slots: evenly apart, none dropped, whoever waits for them. Nothing here depends on how late they are."""

from __future__ import annotations

import itertools
from time import monotonic_ns

import gevent
import pytest

from harness.load.pacer import NO_MORE, Pacer

GAP_NS = 200_000


@pytest.fixture
def pacer() -> Pacer:
    return Pacer()


def take_all(pacer: Pacer, users: int, slots: int) -> list[int]:
    """What users get who take so many slots together, in order."""
    found: list[int] = []

    def user() -> None:
        while len(found) < slots:
            found.append(pacer.take())

    with gevent.Timeout(20):
        gevent.joinall([gevent.spawn(user) for _ in range(users)])
    pacer.end()
    return sorted(found)


@pytest.mark.parametrize("users", [1, 3, 40])
def test_slots_are_evenly_apart(pacer: Pacer, users: int) -> None:
    """With few users or many: each slot is taken once, in its turn."""
    pacer.set_gap(GAP_NS)
    found = take_all(pacer, users, 200)
    assert {after - before for before, after in itertools.pairwise(found)} == {GAP_NS}


def test_a_closed_loop_waits_for_nobody(pacer: Pacer) -> None:
    """Its slots have no time."""
    assert [pacer.take() for _ in range(5)] == [0] * 5


def test_overdue_slots_stay_due(pacer: Pacer) -> None:
    """Whoever comes late begins at once, and its time counts from when it should have begun."""
    pacer.set_gap(GAP_NS)
    pacer._next_ns -= 1_000 * GAP_NS  # as if everybody had been held up
    assert pacer.overdue >= 999
    found = [pacer.take() for _ in range(900)]
    assert {after - before for before, after in itertools.pairwise(found)} == {GAP_NS}
    pacer.end()


def test_a_user_who_is_killed_holds_up_nobody(pacer: Pacer) -> None:
    """The others have their turns."""
    pacer.set_gap(5_000_000)
    waiting = [gevent.spawn(pacer.take) for _ in range(4)]
    gevent.sleep(0)
    waiting[1].kill()
    with gevent.Timeout(20):
        gevent.joinall(waiting)
    times = [each.value for each in waiting if isinstance(each.value, int)]
    assert len(times) == 3
    pacer.end()


def test_another_pace_holds_for_those_who_wait(pacer: Pacer) -> None:
    """They held slots of the old one, of hours."""
    pacer.set_gap(10**13)
    assert pacer.take() > 0  # the first is due at once
    waiting = [gevent.spawn(pacer.take) for _ in range(3)]
    gevent.sleep(0)
    pacer.set_gap(GAP_NS)
    with gevent.Timeout(20):
        gevent.joinall(waiting)
    times = [each.value for each in waiting if each.value is not None]
    assert [after - before for before, after in itertools.pairwise(times)] == [GAP_NS, GAP_NS]
    pacer.end()


def test_the_end_leaves_nobody_waiting(pacer: Pacer) -> None:
    """However far their slots are."""
    pacer.set_gap(10**13)
    waiting = [gevent.spawn(pacer.take) for _ in range(3)]
    gevent.sleep(0)
    pacer.end()
    with gevent.Timeout(20):
        gevent.joinall(waiting)
    assert [each.value for each in waiting][1:] == [NO_MORE, NO_MORE]  # the first slot is due at once
    assert pacer.take() == NO_MORE


def test_a_pace_that_changes_under_a_due_alarm(pacer: Pacer) -> None:
    """Set anew after it has gone off, the alarm has nothing to read: once, that ended all waking."""
    pacer.set_gap(GAP_NS)
    for _ in range(50):
        waiting = [gevent.spawn(pacer.take) for _ in range(3)]
        gevent.sleep(0)
        end_ns = monotonic_ns() + 3 * GAP_NS
        while monotonic_ns() < end_ns:
            pass  # the loop does not turn, and the alarm goes off
        pacer.set_gap(GAP_NS + 1)
        with gevent.Timeout(20):
            gevent.joinall(waiting)
    pacer.end()
