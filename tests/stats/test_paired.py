"""Turns that lay side by side give one difference, whatever the machine did meanwhile."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.stats.paired import paired_log_ratio, side_by_side


def test_slow_whiles_cancel() -> None:
    """A machine that is twice as slow for a while slows both turns, and the ratio does not move."""
    rng = np.random.default_rng(1)
    machine = np.repeat(rng.uniform(1, 2, 10), 8)
    assert paired_log_ratio(100 * machine, 107 * machine) == pytest.approx(math.log(1.07))


def test_interrupted_turns_are_dropped() -> None:
    """A fifth of the turns a hundred times slower on one side changes nothing."""
    baseline, candidate = np.full(40, 100.0), np.full(40, 107.0)
    candidate[::5] *= 100
    assert paired_log_ratio(baseline, candidate) == pytest.approx(math.log(1.07))


def test_a_cost_in_half_of_the_turns_is_seen() -> None:
    """What is not an interruption is not dropped."""
    baseline, candidate = np.full(40, 100.0), np.full(40, 100.0)
    candidate[::2] *= 1.5
    assert paired_log_ratio(baseline, candidate) > math.log(1.1)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 4)])
def test_rows_must_match(first: int, second: int) -> None:
    """No pairing by accident."""
    with pytest.raises(ValueError, match="one length"):
        paired_log_ratio(np.ones(first), np.ones(second))


def test_many_trials_have_one_number_each() -> None:
    """Of two, the paired log ratio; of more, differences as they are, whatever the machine did meanwhile."""
    rng = np.random.default_rng(2)
    machine = np.repeat(rng.uniform(1, 2, 10), 8)
    turns = np.array([100.0, 107.0, 90.0])[:, None] * machine
    numbers = side_by_side(turns)
    assert np.diff(numbers) == pytest.approx(np.log([1.07, 90 / 107]))
    noisy = turns * rng.lognormal(0, 0.02, turns.shape)
    two = side_by_side(noisy[:2])
    assert two[1] - two[0] == pytest.approx(paired_log_ratio(noisy[0], noisy[1]))


def test_one_interrupted_trial_does_not_move_the_others() -> None:
    """A fifth of its turns a hundred times slower, and two neighbours stay as they are; a median would shrink them."""
    turns = np.array([100.0, 103.0, 100.0, 100.0])[:, None] * np.ones((4, 40))
    turns[3, ::5] *= 100
    numbers = side_by_side(turns)
    assert numbers[1] - numbers[0] == pytest.approx(math.log(1.03))
    assert numbers[3] == pytest.approx(numbers[0])


def test_turns_that_are_none() -> None:
    """No turns, or no times."""
    for turns in (np.ones((0, 0)), np.zeros((2, 4))):
        with pytest.raises(ValueError, match="positive times"):
            side_by_side(turns)
