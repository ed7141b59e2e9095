"""A metric: one number of a trial, and how two of them are compared. There is no second table of units."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass


class Better(enum.StrEnum):
    """Which way is better."""

    LOWER = "lower"
    HIGHER = "higher"


class Scale(enum.StrEnum):
    """How a change is counted."""

    RATIO = "ratio"
    """Relative: the logarithm of candidate / baseline."""
    POINTS = "points"
    """Absolute: the difference of two ratios in 0..1; 0.01 is one point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number of a trial. unit is a base unit: ns, B, or 1 for a ratio in 0..1."""

    name: str
    title: str
    unit: str
    better: Better
    scale: Scale

    def difference(self, baseline: float, candidate: float) -> float:
        """How much worse candidate is, positive when worse: of a log ratio, or in points.

        Raises ValueError for a RATIO metric that is not positive.
        """
        if self.scale is Scale.POINTS:
            worse = candidate - baseline
        elif baseline <= 0 or candidate <= 0:
            raise ValueError(f"{self.name}: a ratio needs positive values, not {baseline} and {candidate}")
        else:
            worse = math.log(candidate / baseline)
        return worse if self.better is Better.LOWER else -worse

    def threshold(self, margin: float) -> float:
        """margin (a fraction worse, 0.05 = 5 %, or points) on the scale of `difference`."""
        return math.log1p(margin) if self.scale is Scale.RATIO else margin

    def change(self, difference: float) -> float:
        """A difference as the fraction worse (or points) that a reader is shown."""
        return math.expm1(difference) if self.scale is Scale.RATIO else difference
