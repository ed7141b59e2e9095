"""Hodges-Lehmann estimates with their exact intervals, of one sample and of the shift between two.

They assume that the differences are independent and symmetric (one sample), or that two samples differ by a
shift (two samples); no normality, no variance. Exact up to `EXACT_UP_TO` values, then by the normal
approximation of the rank statistic. Source: Hodges and Lehmann 1963; Hollander and Wolfe, chapters 3 and 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

EXACT_UP_TO = 60

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A location and an interval that holds it with at least `confidence`; infinite with too few values."""

    value: float
    low: float
    high: float
    confidence: float

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        return (self.high - self.low) / 2


def one_sample(values: Sequence[float] | Floats, confidence: float) -> Estimate:
    """The centre of values: the median of all pairwise means, with the signed-rank interval.

    Raises ValueError for no values.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0:
        raise ValueError("an estimate needs at least one value")
    first, second = np.triu_indices(sample.size)
    means = np.sort((sample[first] + sample[second]) / 2)
    return _from_ranked(means, _signed_rank_cut(sample.size, 1 - confidence), confidence)


def shift(before: Sequence[float] | Floats, after: Sequence[float] | Floats, confidence: float) -> Estimate:
    """By how much after lies above before: the median of all differences, with the Mann-Whitney interval.

    Raises ValueError for an empty sample.
    """
    first = np.asarray(before, dtype=np.float64)
    second = np.asarray(after, dtype=np.float64)
    if first.size == 0 or second.size == 0:
        raise ValueError("a shift needs values on both sides")
    differences = np.sort(np.subtract.outer(second, first).ravel())
    return _from_ranked(differences, _rank_sum_cut(first.size, second.size, 1 - confidence), confidence)


def _from_ranked(ranked: Floats, cut: int, confidence: float) -> Estimate:
    """The median of ranked, and its cut-th value from either end (1 is the outermost, 0 means none)."""
    low, high = (-math.inf, math.inf) if cut == 0 else (float(ranked[cut - 1]), float(ranked[-cut]))
    return Estimate(value=float(np.median(ranked)), low=low, high=high, confidence=confidence)


@lru_cache(maxsize=256)
def _signed_rank_cut(count: int, alpha: float) -> int:
    """The largest c with P(signed rank < c) <= alpha / 2."""
    if count > EXACT_UP_TO:
        mean = count * (count + 1) / 4
        deviation = math.sqrt(count * (count + 1) * (2 * count + 1) / 24)
        return max(0, math.floor(mean + NormalDist().inv_cdf(alpha / 2) * deviation))
    ways = np.ones(1)
    for rank in range(1, count + 1):
        # With or without this rank: the generating function times (1 + x^rank).
        grown = np.zeros(len(ways) + rank)
        grown[: len(ways)] += ways
        grown[rank:] += ways
        ways = grown / 2
    return _cut(ways, alpha)


@lru_cache(maxsize=256)
def _rank_sum_cut(first: int, second: int, alpha: float) -> int:
    """The largest c with P(Mann-Whitney U < c) <= alpha / 2."""
    if max(first, second) > EXACT_UP_TO:
        mean = first * second / 2
        deviation = math.sqrt(first * second * (first + second + 1) / 12)
        return max(0, math.floor(mean + NormalDist().inv_cdf(alpha / 2) * deviation))
    # ways[i, j, u]: arrangements of i and j values with statistic u, by which sample holds the largest.
    ways = np.zeros((first + 1, second + 1, first * second + 1))
    ways[0, :, 0] = ways[:, 0, 0] = 1
    for i in range(1, first + 1):
        for j in range(1, second + 1):
            ways[i, j] = ways[i, j - 1]
            ways[i, j, j:] += ways[i - 1, j, : first * second + 1 - j]
    counts = ways[first, second]
    return _cut(counts / counts.sum(), alpha)


def _cut(probabilities: Floats, alpha: float) -> int:
    """The largest c such that the first c probabilities add up to at most alpha / 2."""
    return int(np.searchsorted(np.cumsum(probabilities), alpha / 2, side="right"))
