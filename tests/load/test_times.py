"""Histograms: exact when merged, right to three digits, and what other tools read."""

from __future__ import annotations

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from harness.load.histogram import Times

SHARES = (0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0)


def of(times_ns: list[int]) -> Times:
    found = Times()
    found.add(np.array(times_ns, dtype=np.int64))
    return found


@given(st.lists(st.integers(1, 2**61), min_size=1, max_size=200))
def test_quantiles_are_right_to_three_digits(times_ns: list[int]) -> None:
    """Never below the time itself, and at most a thousandth above; a maximum of an hour and more is not clipped."""
    found = of(times_ns)
    assert found.count == len(times_ns)
    for share in SHARES:
        exact = sorted(times_ns)[max(0, int(np.ceil(share * len(times_ns) - 1e-9)) - 1)] / 1e9
        assert exact * (1 - 1e-12) <= found.seconds(share) <= exact * 1.001


@given(st.lists(st.lists(st.integers(0, 10**11), max_size=50), min_size=1, max_size=5))
def test_merged_is_as_counted_together(parts: list[list[int]]) -> None:
    """Whichever process counted a time, in whatever order it was told."""
    merged = Times.of(*(of(part).to_plain() for part in parts))
    together = of([time for part in parts for time in part])
    assert merged.to_plain() == together.to_plain()
    assert merged.summary() == together.summary()


def test_none_is_none() -> None:
    """Nothing was measured: no time, and no failure."""
    assert Times().count == 0
    assert Times().summary() == {"p50": 0.0, "p95": 0.0, "p99": 0.0, "p999": 0.0, "max": 0.0}
    assert Times.of(Times().to_plain()).count == 0


def test_others_can_read_it() -> None:
    """HdrHistogram's V2 text, with the same counts and quantiles."""
    times_ns = [int(time) for time in np.random.default_rng(1).lognormal(11, 1.5, 5_000)]
    mine = of(times_ns)
    theirs = HdrHistogram.decode(mine.encode().encode())
    assert theirs.get_total_count() == 5_000
    for percent in (50, 95, 99, 99.9):
        assert theirs.get_value_at_percentile(percent) / 1e9 == pytest.approx(mine.seconds(percent / 100), rel=1e-3)
