"""A metric tells how much worse, whichever way is better."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.metric import Better, Metric, Scale

POSITIVE = st.floats(1e-3, 1e9)


def metric(better: Better, scale: Scale = Scale.RATIO) -> Metric:
    return Metric(name="m", title="m", unit="ns", better=better, scale=scale)


@given(POSITIVE, POSITIVE)
def test_worse_is_positive_either_way(baseline: float, candidate: float) -> None:
    """For LOWER a larger candidate is worse, for HIGHER a smaller one, by the same amount."""
    lower = metric(Better.LOWER).difference(baseline, candidate)
    assert lower == -metric(Better.HIGHER).difference(baseline, candidate)
    assert (lower > 0) == (math.log(candidate / baseline) > 0)


def test_five_percent_more_time_is_a_change_of_five_percent() -> None:
    """`change` undoes the logarithm, and `threshold` puts the margin on the same scale."""
    time = metric(Better.LOWER)
    difference = time.difference(100, 105)
    assert time.change(difference) == pytest.approx(0.05)
    assert difference == pytest.approx(time.threshold(0.05))


def test_points_are_plain_differences() -> None:
    """A hit ratio that falls from 0.80 to 0.78 is two points worse."""
    hits = metric(Better.HIGHER, Scale.POINTS)
    assert hits.change(hits.difference(0.80, 0.78)) == pytest.approx(0.02)
    assert hits.threshold(0.01) == 0.01


@pytest.mark.parametrize(("baseline", "candidate"), [(0, 1), (1, 0), (-1, 1)])
def test_a_ratio_of_nothing_is_refused(baseline: float, candidate: float) -> None:
    """No logarithm of zero slips through as a number."""
    with pytest.raises(ValueError, match="positive"):
        metric(Better.LOWER).difference(baseline, candidate)
