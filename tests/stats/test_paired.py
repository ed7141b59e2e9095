"""Turns that lay side by side give one difference, whatever the machine did meanwhile."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.stats.paired import paired_log_ratio


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
