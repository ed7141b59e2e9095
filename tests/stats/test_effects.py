"""What a parameter does: an effect is found, none is called none, and blocks enough do not make one of nothing."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.effects import Answer, blocks_needed, effect
from harness.stats.location import one_sample

FIVE_BY_THREE = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11), (12, 13, 14)]
THREE_BY_FIVE = [tuple(range(i, 15, 3)) for i in range(3)]
SPREAD = 0.005


def blocks(worse: list[float], count: int, seed: int, spread: float = SPREAD) -> np.ndarray:
    """count blocks of settings that are worse by so much, with heavy tails, each block fast or slow as a whole."""
    rng = np.random.default_rng(seed)
    noise = spread * rng.standard_t(4, size=(count, len(worse))) / np.sqrt(2)
    return np.asarray(np.array(worse) + noise + rng.normal(size=(count, 1)))


def test_a_parameter_without_effect_is_called_none() -> None:
    """In each of fifty runs of the fewest blocks, beside one that has an effect."""
    worse = [0.08 * (i // 3 != 3) for i in range(15)]
    for seed in range(50):
        rows = blocks(worse, blocks_needed(5, 3, 0.99), seed)
        assert effect(rows, THREE_BY_FIVE, margin=0.01, confidence=0.99).answer is Answer.NONE
        shards = effect(rows, FIVE_BY_THREE, margin=0.01, confidence=0.99)
        assert (shards.answer, shards.best) == (Answer.EFFECT, 3)
        assert shards.difference.low <= 0.08 <= shards.difference.high


def test_a_rule_without_margin_would_cry_effect() -> None:
    """The mutant: half a percent is there for sure after two hundred blocks, and is still no effect."""
    rows = blocks([0.005 * (i % 3 == 1) for i in range(15)], 200, 1)
    found = effect(rows, THREE_BY_FIVE, margin=0.01, confidence=0.99)
    assert found.answer is Answer.NONE
    means = [rows[:, list(group)].mean(axis=1) for group in THREE_BY_FIVE]
    assert one_sample(means[1] - means[0], 0.99).low > 0


def test_near_the_margin_it_is_open() -> None:
    """Neither within nor beyond: told with how far it may reach."""
    found = effect(
        blocks([0.01 * (i % 3) for i in range(15)][:3], 20, 2), [(0,), (1,), (2,)], margin=0.02, confidence=0.99
    )
    assert found.answer is Answer.OPEN
    assert found.bound > 0.02


def test_too_few_blocks_are_open() -> None:
    """An interval without ends is no answer, whatever the values say."""
    found = effect(blocks([0.0, 0.5], 3, 3), [(0,), (1,)], margin=0.01, confidence=0.99)
    assert found.answer is Answer.OPEN
    assert found.bound == np.inf


def test_effects_that_cancel_on_average_are_found() -> None:
    """Better with one value of the other parameter and worse with another: its means are equal, and it matters."""
    rows = blocks([0.0, 0.0, 0.06, -0.06], 40, 4)
    found = effect(rows, [(0, 1), (2, 3)], margin=0.01, confidence=0.99)
    assert found.answer is Answer.EFFECT
    assert found.stratum is not None
    assert found.difference.low > 0.01


def test_false_effects_are_as_rare_as_promised() -> None:
    """At an effect of just the margin, an effect is claimed in at most 1 % of 400 runs."""
    claims = sum(
        effect(
            blocks([0.01 * (i % 3 == 1) for i in range(15)], 14, seed), THREE_BY_FIVE, margin=0.01, confidence=0.99
        ).answer
        is Answer.EFFECT
        for seed in range(400)
    )
    assert claims <= 4


@pytest.mark.parametrize(("values", "strata"), [(2, 1), (3, 5), (5, 3), (15, 1), (15, 2)])
def test_the_blocks_needed_give_intervals(values: int, strata: int) -> None:
    """For all differences of values, and in every stratum."""
    count = blocks_needed(values, strata, 0.99)
    groups = [tuple(range(v * strata, (v + 1) * strata)) for v in range(values)]
    worse = [0.5 * (v == 0) for v in range(values) for _ in range(strata)]
    rows = blocks(worse, count, 5, spread=0.001)
    found = effect(rows, groups, margin=0.01, confidence=0.99)
    assert np.isfinite(found.bound)
    assert found.answer is Answer.EFFECT
    assert count <= 20


@pytest.mark.parametrize("groups", [[(0,)], [(0,), ()], [(0,), (1, 2)], [(), ()]])
def test_what_is_no_comparison(groups: list[tuple[int, ...]]) -> None:
    """One value, or settings that are not matched."""
    with pytest.raises(ValueError, match="an effect needs"):
        effect(blocks([0.0] * 3, 10, 6), groups, margin=0.01, confidence=0.99)
