"""Hodges-Lehmann estimates and their intervals, against the definitions and SciPy's exact tests."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, wilcoxon

from harness.stats.location import EXACT_UP_TO, one_sample, shift

SAMPLES = st.lists(st.floats(-100, 100), min_size=1, max_size=30)


def distinct(count: int, seed: int, offset: float = 0.0) -> list[float]:
    return [float(x) for x in np.random.default_rng(seed).normal(offset, 1.0, count)]


@given(SAMPLES)
def test_the_centre_is_the_median_of_pairwise_means(values: list[float]) -> None:
    """By the definition, written out."""
    means = [(a + b) / 2 for i, a in enumerate(values) for b in values[i:]]
    assert one_sample(values, 0.95).value == pytest.approx(float(np.median(means)))


@given(SAMPLES, SAMPLES)
def test_the_shift_is_the_median_of_differences(before: list[float], after: list[float]) -> None:
    """By the definition, written out."""
    differences = [b - a for a, b in product(before, after)]
    assert shift(before, after, 0.95).value == pytest.approx(float(np.median(differences)))


@pytest.mark.parametrize("count", [8, 12, 25, 50])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_the_interval_is_the_signed_rank_test_turned_round(count: int, confidence: float) -> None:
    """Just inside a bound SciPy's exact Wilcoxon test accepts, just outside it rejects."""
    values = np.array(distinct(count, seed=count))
    estimate = one_sample(values, confidence)
    if not math.isfinite(estimate.low):
        assert 2 * 0.5**count > 1 - confidence
        return
    for bound, outwards in ((estimate.low, -1), (estimate.high, 1)):
        inside = wilcoxon(values - (bound - outwards * 1e-9), method="exact").pvalue
        outside = wilcoxon(values - (bound + outwards * 1e-9), method="exact").pvalue
        assert inside > 1 - confidence - 1e-12
        assert outside <= 1 - confidence + 1e-12


@pytest.mark.parametrize(("first", "second"), [(8, 9), (20, 24)])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_the_interval_is_the_rank_sum_test_turned_round(first: int, second: int, confidence: float) -> None:
    """The same for two samples, against SciPy's exact Mann-Whitney test."""
    before, after = np.array(distinct(first, seed=1)), np.array(distinct(second, seed=2, offset=0.5))
    estimate = shift(before, after, confidence)
    for bound, outwards in ((estimate.low, -1), (estimate.high, 1)):
        inside = mannwhitneyu(after - (bound - outwards * 1e-9), before, method="exact").pvalue
        outside = mannwhitneyu(after - (bound + outwards * 1e-9), before, method="exact").pvalue
        assert inside > 1 - confidence - 1e-12
        assert outside <= 1 - confidence + 1e-12


def test_too_few_values_have_an_infinite_interval() -> None:
    """Seven pairs cannot give 99 %: the interval says so, and does not pretend."""
    assert not math.isfinite(one_sample(distinct(7, seed=3), 0.99).low)
    assert math.isfinite(one_sample(distinct(8, seed=3), 0.99).low)


def test_exact_and_approximate_meet() -> None:
    """Where the exact table ends the normal approximation goes on without a jump."""
    values = distinct(EXACT_UP_TO + 1, seed=4)
    exact, approximate = one_sample(values[:-1], 0.99), one_sample(values, 0.99)
    assert approximate.half_width == pytest.approx(exact.half_width, rel=0.15)
    before, after = values, distinct(EXACT_UP_TO + 1, seed=5)
    assert shift(before, after, 0.99).half_width == pytest.approx(
        shift(before[:-1], after[:-1], 0.99).half_width, rel=0.15
    )


@pytest.mark.parametrize("noise", ["normal", "t2", "skewed-pairs"])
def test_intervals_hold_the_truth_as_often_as_they_say(noise: str) -> None:
    """At least 94 % of 95 % intervals over symmetric noise."""
    rng = np.random.default_rng(9)
    held = 0
    for _ in range(1000):
        if noise == "t2":
            values = rng.standard_t(2, size=15)
        elif noise == "skewed-pairs":
            values = rng.exponential(1, 15) - rng.exponential(1, 15)
        else:
            values = rng.normal(size=15)
        estimate = one_sample(values, 0.95)
        held += estimate.low <= 0 <= estimate.high
    assert held >= 940


def test_nothing_has_no_estimate() -> None:
    """An empty sample is an error, not a zero."""
    with pytest.raises(ValueError, match="at least one"):
        one_sample([], 0.95)
    with pytest.raises(ValueError, match="both sides"):
        shift([1.0], [], 0.95)
