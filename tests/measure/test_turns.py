"""Turns: one works at a time, in the order that was drawn."""

from __future__ import annotations

import os
import random
import threading

import pytest

from harness.measure.bench import draw_turns
from harness.measure.turns import TurnTaker


def test_each_round_has_a_turn_of_each() -> None:
    """Whatever the order, both arms meet the same whiles of the machine."""
    drawn = draw_turns(random.Random(5), 3, 40)
    assert all(sorted(drawn[i : i + 3]) == [0, 1, 2] for i in range(0, len(drawn), 3))
    assert drawn == draw_turns(random.Random(5), 3, 40)
    assert len({drawn[i : i + 3] for i in range(0, len(drawn), 3)}) == 6


@pytest.fixture(autouse=True)
def no_alarm(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The limits that would be set; in a test process no alarm must ring."""
    limits: list[float] = []
    monkeypatch.setattr("harness.measure.turns.signal.setitimer", lambda _which, seconds: limits.append(seconds))
    return limits


@pytest.mark.parametrize("members", [1, 2, 4])
def test_turns_follow_the_schedule(members: int) -> None:
    """Each member's turns come where the schedule has them, and never two at once."""
    drawn = draw_turns(random.Random(members), members, 25)
    pipes = [os.pipe() for _ in range(members)]
    order: list[int] = []

    def work(me: int) -> None:
        taker = TurnTaker(me, list(drawn), pipes[me][0], [write for _, write in pipes], 5.0)
        order.extend(me for _ in taker.take())

    threads = [threading.Thread(target=work, args=(me,), daemon=True) for me in range(members)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()
    for ends in pipes:
        for end in ends:
            os.close(end)
    assert order == list(drawn)


def test_a_member_without_turns_only_says_that_it_is_ready() -> None:
    """The first turn waits for it: nothing is timed while something else still runs."""
    pipes = [os.pipe() for _ in range(2)]
    writes = [write for _, write in pipes]
    order: list[str] = []

    def work() -> None:
        order.extend("turn" for _ in TurnTaker(0, [0, 0], pipes[0][0], writes, 5.0).take())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    order.append("weighed")
    TurnTaker(1, [0, 0], pipes[1][0], writes, 5.0).ready()
    thread.join(timeout=20)
    assert order == ["weighed", "turn", "turn"]
    for ends in pipes:
        for end in ends:
            os.close(end)


def test_whoever_waits_is_patient(no_alarm: list[float]) -> None:
    """The limit of a waiting member is longer than of one that works, so a hang ends who hangs."""
    read, write = os.pipe()
    os.write(write, b"..")
    for _ in TurnTaker(0, [1, 0], read, [write, write], 3.0).take():
        break
    assert no_alarm == [9.0, 3.0]
    os.close(read)
    os.close(write)


def test_a_closed_pipe_is_noticed() -> None:
    """If the others are gone, waiting ends with an error and not for ever."""
    read, write = os.pipe()
    other_read, other_write = os.pipe()
    os.close(write)
    with pytest.raises(EOFError):
        next(TurnTaker(0, [1, 0], read, [write, other_write], 1.0).take())
    for end in (read, other_read, other_write):
        os.close(end)
