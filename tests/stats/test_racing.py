"""The race: whom it drops, when it ends, and how often it is wrong. Noise is simulated and seeded; nothing is timed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.stats.racing import DEFAULT, Fate, Race

MARGIN = math.log1p(0.01)
ALPHA = 0.01
SPREAD = 0.007
"""Of a setting's value in a block; a difference has 1.4 times that."""


def held(gains: list[float], rng: np.random.Generator, *, most: int = 200, tails: float | None = 2.0) -> Race:
    """A race of settings that are better than the first by gains, to its end or for so many blocks."""
    race = Race(len(gains), margin=MARGIN, alpha=ALPHA)
    while not race.settled and race.blocks < most:
        noise = rng.normal(size=len(gains)) if tails is None else rng.standard_t(tails, size=len(gains))
        drift = rng.normal() * 0.2  # whole blocks are fast or slow, and that cancels
        race.add({i: drift - gains[i] + SPREAD * noise[i] for i in race.left})
        race.drop_losers()
    return race


def test_the_best_is_hardly_ever_dropped() -> None:
    """Error control: 300 races with heavy tails, the best only a little better, looked at after every block."""
    rng = np.random.default_rng(1)
    gains = [0.0] * 5 + [0.012] + [0.0] * 4
    dropped = sum(5 not in held(gains, rng, most=60).left for _ in range(300))
    assert dropped <= 300 * ALPHA


def test_equal_settings_are_not_told_apart() -> None:
    """Of ten that are the same the default is beaten in at most 1 % of races, whoever leads meanwhile."""
    rng = np.random.default_rng(2)
    races = [held([0.0] * 10, rng, most=60) for _ in range(300)]
    beaten = sum(any(drop.setting == DEFAULT for drop in race.drops) for race in races)
    assert beaten <= 300 * ALPHA


def test_the_rule_without_correction_would_be_wrong() -> None:
    """The mutant: dropping whoever a single other beats at 1/alpha drops the default more often than allowed."""
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(300):
        race = held([0.0] * 10, rng, most=1)
        while race.blocks < 60:
            race.add({i: SPREAD * value for i, value in enumerate(rng.standard_t(2.0, size=10))})
            singles = [
                _wealth(int(race._worse[DEFAULT, j]), int(race._worse[j, DEFAULT])) >= 1 / ALPHA for j in range(1, 10)
            ]
            if any(singles):
                wrong += 1
                break
    assert wrong > 300 * ALPHA


def _wealth(wins: int, losses: int) -> float:
    return float(np.mean([(1 + bet) ** wins * (1 - bet) ** losses for bet in (0.3, 0.5, 0.7, 0.85, 0.95)]))


def test_a_planted_best_is_found() -> None:
    """Eight percent better among fifteen: alone after fewer than twenty blocks, in every race."""
    rng = np.random.default_rng(4)
    for _ in range(30):
        race = held([0.0] * 9 + [math.log(1.08)] + [0.0] * 5, rng, tails=None)
        assert race.winner == 9
        assert race.blocks <= 20


def test_clear_losers_leave_first() -> None:
    """What all others beat needs less evidence than what one beats."""
    rng = np.random.default_rng(5)
    race = held([0.0, -0.2, -0.001, 0.0, 0.001, -0.3], rng, tails=None)
    after = {drop.setting: drop.blocks for drop in race.drops}
    assert after[1] == after[5] == min(after.values())
    assert after[1] < 15


def test_equal_settings_end_by_equivalence() -> None:
    """Nobody is better than the default by what is worth it: it ends, and nobody is called beaten."""
    rng = np.random.default_rng(6)
    for _ in range(20):
        race = held([0.0, 0.001, -0.001, 0.0], rng, tails=None)
        assert race.settled
        assert race.blocks < 100
        assert Fate.BEATEN not in {drop.fate for drop in race.drops}


def test_equal_winners_are_left_together() -> None:
    """Two that beat the default alike are both in when it ends, and the leader is known to be no worse."""
    rng = np.random.default_rng(7)
    race = held([0.0, 0.08, 0.08, 0.0], rng, tails=None)
    assert {1, 2} <= set(race.left)
    assert race.winner in (1, 2)


def test_a_gain_at_the_margin_stays_open() -> None:
    """A setting that is better by just the margin is neither beaten nor called no gain; a budget has to end it."""
    rng = np.random.default_rng(8)
    open_ones = sum(not any(drop.setting == 1 for drop in held([0.0, MARGIN], rng, most=60).drops) for _ in range(100))
    assert open_ones >= 98


def test_ties_decide_nothing_but_that_there_is_nothing_to_gain() -> None:
    """Hit ratios are often the very same: no bet is placed on that, and the race ends all the same."""
    race = Race(3, margin=0.005, alpha=ALPHA)
    while not race.settled:
        race.add(dict.fromkeys(race.left, -0.9))
        race.drop_losers()
    assert race.winner == DEFAULT
    assert Fate.BEATEN not in {drop.fate for drop in race.drops}


def test_losers_may_be_kept_until_it_suits() -> None:
    """Blocks of all settings: nothing is dropped unless it is asked, and then all that has been lost meanwhile."""
    race = Race(3, margin=MARGIN, alpha=ALPHA)
    for _ in range(30):
        race.add({0: 0.0, 1: 0.1, 2: -0.1})
    assert race.left == (0, 1, 2)
    assert {drop.setting for drop in race.drop_losers()} == {0, 1}
    assert race.settled
    assert race.winner == 2


def test_who_failed_is_out_at_once() -> None:
    """Whatever its times were; the rest goes on."""
    race = Race(3, margin=MARGIN, alpha=ALPHA)
    race.add({0: 0.0, 1: -0.5, 2: 0.0})
    race.take_out(1)
    assert race.left == (0, 2)
    assert race.leader != 1
    race.take_out(1)
    assert [drop.fate for drop in race.drops] == [Fate.OUT]
    race.take_out(0)
    assert race.settled


@pytest.mark.parametrize(("count", "margin", "alpha"), [(1, 0.01, 0.01), (2, 0.0, 0.01), (2, 0.01, 0.0)])
def test_what_is_no_race(count: int, margin: float, alpha: float) -> None:
    """One setting, no margin, no error."""
    with pytest.raises(ValueError, match="a race needs"):
        Race(count, margin=margin, alpha=alpha)


def test_a_block_has_all_that_are_in() -> None:
    """A missing value is a bug of the caller's."""
    with pytest.raises(ValueError, match=r"no value of settings \[1\]"):
        Race(2, margin=MARGIN, alpha=ALPHA).add({0: 1.0})
