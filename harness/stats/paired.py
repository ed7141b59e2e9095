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
