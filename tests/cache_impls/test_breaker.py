"""The breaker as a table of instants: who passes when, and what is made of how it went."""

from __future__ import annotations

import pytest

from cache_impls.breaker import Breaker, State

WELL, BADLY, CUT_OFF = True, False, None


def test_failures_in_a_row_open_it() -> None:
    """The third of three, and not before."""
    breaker = Breaker(3, 2.0)
    states = []
    for now in (0.0, 1.0, 2.0):
        _one(breaker, now, BADLY)
        states.append(breaker.state(now))
    assert states == [State.CLOSED, State.CLOSED, State.OPEN]


def test_a_success_begins_the_count_anew() -> None:
    """Two failures, a success, two failures: closed."""
    breaker = Breaker(3, 2.0)
    for well in (BADLY, BADLY, WELL, BADLY, BADLY):
        _one(breaker, 0.0, well)
    assert breaker.state(0.0) is State.CLOSED


@pytest.mark.parametrize(
    ("now", "passes", "state"),
    [
        (0.0, False, State.OPEN),
        (1.999, False, State.OPEN),
        (2.0, True, State.HALF_OPEN),
        (100.0, True, State.HALF_OPEN),
    ],
)
def test_open_it_lets_nobody_through_until_its_time_is_over(now: float, passes: bool, state: State) -> None:
    """Opened at 0 for 2 s."""
    breaker = _opened()
    assert breaker.state(now) is state
    assert (breaker.enter(now) is not None) is passes


def test_half_open_lets_one_through_at_a_time() -> None:
    """Until the probe is back nobody else tries."""
    breaker = _opened()
    assert breaker.enter(2.0) is not None
    assert [breaker.enter(now) for now in (2.0, 3.0, 50.0)] == [None, None, None]


@pytest.mark.parametrize(
    ("well", "after"),
    [
        (WELL, [State.CLOSED, State.CLOSED]),
        (BADLY, [State.OPEN, State.HALF_OPEN]),
        (CUT_OFF, [State.HALF_OPEN, State.HALF_OPEN]),
    ],
)
def test_the_probe_decides(well: bool | None, after: list[State]) -> None:
    """Back at 3: closed, open for another 2 s, or the next is the probe."""
    breaker = _opened()
    probe = breaker.enter(2.0)
    assert probe is not None
    breaker.leave(probe, 3.0, well=well)
    assert [breaker.state(now) for now in (3.0, 5.0)] == after
    assert (breaker.enter(3.0) is None) is (well is BADLY)


@pytest.mark.parametrize("well", [WELL, BADLY, CUT_OFF])
def test_who_passed_before_a_change_has_nothing_to_say(well: bool | None) -> None:
    """A request of before it opened ends while the probe is under way: the probe decides all the same."""
    breaker = Breaker(1, 2.0)
    early = breaker.enter(0.0)
    assert early is not None
    _one(breaker, 0.0, BADLY)
    probe = breaker.enter(2.0)
    assert probe is not None
    breaker.leave(early, 2.0, well=well)
    assert breaker.enter(2.0) is None
    breaker.leave(probe, 2.0, well=True)
    assert breaker.state(2.0) is State.CLOSED


def test_closed_again_it_counts_from_nothing() -> None:
    """After a probe that went well it takes as many failures as before."""
    breaker = Breaker(2, 2.0)
    for now, well in ((0.0, BADLY), (0.0, BADLY), (2.0, WELL), (2.0, BADLY)):
        _one(breaker, now, well)
    assert breaker.state(2.0) is State.CLOSED
    _one(breaker, 2.0, BADLY)
    assert breaker.state(2.0) is State.OPEN


def test_on_another_clock_it_begins_anew() -> None:
    """Closed, and who passed by the first has nothing to say."""
    breaker = Breaker(1, 2.0)
    early = breaker.enter(1000.0)
    assert early is not None
    _one(breaker, 1000.0, BADLY)
    breaker.reset()
    breaker.leave(early, 0.0, well=BADLY)
    assert breaker.state(0.0) is State.CLOSED


def _one(breaker: Breaker, now: float, well: bool | None) -> None:
    """A request that begins and ends at once."""
    era = breaker.enter(now)
    assert era is not None
    breaker.leave(era, now, well=well)


def _opened() -> Breaker:
    """A breaker that has opened at 0, for 2 s."""
    breaker = Breaker(1, 2.0)
    _one(breaker, 0.0, BADLY)
    return breaker
