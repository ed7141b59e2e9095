"""What a parameter does: its effect over a grid of settings, from blocks in which all of them ran.

The *main* effect of a value is the mean of all settings that have it; of two values it is the difference of their
means, block by block, so that whatever else the settings differ in is in both. Its effect *in a stratum* is the same
with the other parameters held at one combination of their values: effects of opposite sign leave the means equal.
Each difference has its Hodges-Lehmann interval. All of a parameter's means hold together with the confidence asked for,
and so do all of its strata (Bonferroni, two families).

Three answers: EFFECT, an interval of the means, else of a stratum, lies wholly beyond the margin; NONE, those of the
means lie wholly within it and no stratum says otherwise; OPEN, else. An interval that merely leaves out zero is no
effect: with blocks enough anything would be one.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from harness.stats.location import Estimate, one_sample

Floats = NDArray[np.float64]

_SPARE_BLOCKS = 3
"""Beyond the fewest that give an interval at all: with those it is as wide as the outermost blocks. Of one parameter
alone the values are the settings themselves, so which is best is told by the race as well."""


class Answer(enum.StrEnum):
    """Whether a parameter does anything."""

    EFFECT = "effect"
    NONE = "none"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How much worse the value `worst` is than the value `best` (indices), by the difference that tells most."""

    answer: Answer
    best: int
    worst: int
    difference: Estimate
    stratum: int | None
    """Where that is, if the means do not tell it; None for the means."""
    bound: float
    """The means of no two values are further apart; infinite with too few blocks."""


def effect(blocks: Floats, groups: Sequence[Sequence[int]], *, margin: float, confidence: float) -> Effect:
    """The effect of a parameter. blocks has a row a block and a column a setting, worse positive.

    groups holds for each value of the parameter the columns of its settings, a stratum each: matched, so that the
    settings of a stratum differ in this value alone. Raises ValueError for fewer than two groups, an empty one, groups
    of several lengths, or no block.
    """
    if len(groups) < 2 or not groups[0] or len({len(group) for group in groups}) > 1 or len(blocks) == 0:
        raise ValueError("an effect needs two values, matched settings of each, and a block")
    error = 1 - confidence
    of_means = _differences(np.stack([blocks[:, list(group)].mean(axis=1) for group in groups], axis=1), error)
    bound = max(max(abs(estimate.low), abs(estimate.high)) for estimate in of_means.values())
    best, worst = max(of_means, key=lambda pair: of_means[pair].value)
    if found := _sure(of_means, margin):
        (best, worst), stratum, difference, answer = found, None, of_means[found], Answer.EFFECT
    elif len(groups[0]) > 1 and (told := _of_strata(blocks, groups, margin, error)):
        (best, worst), stratum, difference = told
        answer = Answer.EFFECT
    else:
        stratum, difference = None, of_means[best, worst]
        answer = Answer.NONE if bound < margin else Answer.OPEN
    return Effect(answer=answer, best=best, worst=worst, difference=difference, stratum=stratum, bound=bound)


def blocks_needed(values: int, strata: int, confidence: float) -> int:
    """Blocks from which the differences of so many values, in so many strata, have intervals of some use."""
    each = (1 - confidence) / max(1, math.comb(values, 2))
    return _fewest(each) if strata == 1 else max(_fewest(each) + _SPARE_BLOCKS, _fewest(each / strata))


def _fewest(alpha: float) -> int:
    """Values from which `one_sample` has an interval with error alpha."""
    return math.ceil(1 - math.log2(alpha))


_Pair = tuple[int, int]


def _of_strata(
    blocks: Floats, groups: Sequence[Sequence[int]], margin: float, error: float
) -> tuple[_Pair, int, Estimate] | None:
    """The largest effect of any stratum that lies beyond the margin for sure."""
    found = {}
    for stratum, columns in enumerate(zip(*groups, strict=True)):
        differences = _differences(blocks[:, list(columns)], error / len(groups[0]))
        if pair := _sure(differences, margin):
            found[stratum] = (pair, stratum, differences[pair])
    return max(found.values(), key=lambda told: told[2].value) if found else None


def _differences(values: Floats, error: float) -> dict[_Pair, Estimate]:
    """By (better, worse) columns of values, how much worse; all intervals hold together but for error."""
    pairs = list(combinations(range(values.shape[1]), 2))
    found = {}
    for one, other in pairs:
        estimate = one_sample(values[:, other] - values[:, one], 1 - error / len(pairs))
        if estimate.value >= 0:
            found[one, other] = estimate
        else:
            found[other, one] = Estimate(
                value=-estimate.value, low=-estimate.high, high=-estimate.low, confidence=estimate.confidence
            )
    return found


def _sure(differences: dict[_Pair, Estimate], margin: float) -> _Pair | None:
    """The pair that is furthest apart of those that are more than the margin apart."""
    sure = [pair for pair, estimate in differences.items() if estimate.low > margin]
    return max(sure, key=lambda pair: differences[pair].value, default=None)
