"""One difference from two rows of turns that lay side by side in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def paired_log_ratio(baseline: Floats, candidate: Floats) -> float:
    """The interquartile mean of ln(candidate / baseline), turn by turn.

    baseline and candidate have a positive value a turn; turn i of one ran right before or after turn i of the
    other, so a slow while of the machine is in both. Dropping the outer quarters drops the turns that something
    else interrupted. Measured on this project's caches (harness/DECISIONS.md): its spread between pairs is half
    that of the ratio of two 10th percentiles, and under bursts of other load it does not grow.
    Raises ValueError for rows of different or no length.
    """
    if baseline.shape != candidate.shape or baseline.size == 0:
        raise ValueError("paired turns need two rows of one length")
    ratios = np.sort(np.log(candidate / baseline))
    quarter = ratios.size // 4
    return float(ratios[quarter : ratios.size - quarter].mean())


def side_by_side(turns: Floats) -> Floats:
    """For each of some trials how far its times lie above the middle of all, as a logarithm.

    turns has a row a trial and a column a round in which each had a turn. Every two trials have their paired log
    ratio; a trial's number is the mean of its ratios to all (the least-squares fit to them). The difference of two
    such numbers serves as their ratio, and of two trials alone it is their `paired_log_ratio`. Raises ValueError for
    no turns, or times that are not positive.
    """
    if turns.ndim != 2 or turns.size == 0 or not (turns > 0).all():
        raise ValueError("turns need a row a trial, and positive times")
    logs = np.log(turns)
    quarter = turns.shape[1] // 4
    inner = slice(quarter, turns.shape[1] - quarter)
    return np.array([np.sort(row - logs, axis=1)[:, inner].mean() for row in logs])
