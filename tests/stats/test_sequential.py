"""Rule S: its arithmetic, its error rates and its speed, as GATE.md states them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.stats.sequential import BETS, SignRule, log_wealth

THRESHOLD = math.log(1.05)
ALPHA = 0.01


def rule(metrics: int = 1) -> SignRule:
    return SignRule(THRESHOLD, fail_at=metrics / ALPHA, pass_at=1 / ALPHA)


def test_wealth_is_the_mean_over_bets() -> None:
    """The logarithmic form equals the product written out."""
    for wins, losses in [(0, 0), (5, 0), (7, 3), (0, 4)]:
        plain = sum((1 + b) ** wins * (1 - b) ** losses for b in BETS) / len(BETS)
        assert math.exp(log_wealth(wins, losses)) == pytest.approx(plain)


def test_wealth_does_not_overflow() -> None:
    """Ten thousand pairs are no problem."""
    assert math.isfinite(log_wealth(10_000, 0))
    assert math.isfinite(log_wealth(5_000, 5_000))


def test_wealth_is_fair_when_the_coin_is() -> None:
    """Its expected value after n fair flips is exactly 1, which is what Ville's inequality needs."""
    for flips in (1, 5, 20):
        expected = sum(
            math.comb(flips, wins) * 0.5**flips * math.exp(log_wealth(wins, flips - wins)) for wins in range(flips + 1)
        )
        assert expected == pytest.approx(1.0)


@pytest.mark.parametrize(("metrics", "pairs"), [(1, 9), (5, 11)])
def test_a_clear_failure_takes_few_pairs(metrics: int, pairs: int) -> None:
    """Nine pairs for one metric, eleven when five are judged together; one less decides nothing."""
    judge = rule(metrics)
    for _ in range(pairs - 1):
        assert judge.add(THRESHOLD + 0.05) is None
    assert judge.add(THRESHOLD + 0.05) is False


def test_passing_is_not_corrected() -> None:
    """PROCEED needs all metrics, so each may pass at 1/alpha."""
    judge = rule(metrics=50)
    decisions = [judge.add(0.0) for _ in range(9)]
    assert decisions == [None] * 8 + [True]


def test_a_decision_stays() -> None:
    """Ville's inequality is about the first crossing: later pairs do not take it back."""
    judge = rule()
    for _ in range(9):
        judge.add(0.0)
    for _ in range(100):
        assert judge.add(1.0) is True


def test_exactly_at_the_margin_bets_on_nothing() -> None:
    """sign(0) = 0: wealth stays 1."""
    judge = rule()
    for _ in range(50):
        assert judge.add(THRESHOLD) is None
    assert (judge.above, judge.below) == (0, 0)


def simulate(
    true: float, spread: float, runs: int, metrics: int, rng: np.random.Generator
) -> list[tuple[bool | None, int]]:
    found = []
    for _ in range(runs):
        judge = rule(metrics)
        noise = rng.standard_t(4, size=400) / math.sqrt(2)
        count = 0
        for value in true + spread * noise:
            count += 1
            if judge.add(float(value)) is not None:
                break
        found.append((judge.decision, count))
    return found


@pytest.mark.parametrize(("percent", "most_pairs"), [(0, 12), (3, 22), (4, 60), (6, 75), (7, 26), (10, 13)])
def test_simulated_speed_and_no_wrong_verdict(percent: int, most_pairs: int) -> None:
    """With t4 noise of 1.7 % the median count is GATE.md's, and none of 300 runs is wrong."""
    rng = np.random.default_rng(percent)
    runs = simulate(math.log1p(percent / 100), 0.017, 300, metrics=4, rng=rng)
    right = percent < 5
    assert [decision for decision, _ in runs if decision is not None and decision is not right] == []
    assert float(np.median([count for _, count in runs])) <= most_pairs


@pytest.mark.parametrize("side", [1, -1])
def test_errors_stay_below_alpha_at_the_worst_place(side: int) -> None:
    """At exactly the margin, looked at after every one of 400 pairs, a wrong verdict stays at alpha each way."""
    rng = np.random.default_rng(17 + side)
    runs = simulate(THRESHOLD, 0.017, 2000, metrics=1, rng=rng)
    wrong = sum(decision is (side > 0) for decision, _ in runs)
    # 0.01 of 2000 is 20; four standard deviations above is 38.
    assert wrong <= 38


def test_the_mutant_that_forgets_the_losses_is_caught() -> None:
    """A rule that never pays for a lost bet reaches any threshold on a fair coin: the fairness test would tell."""

    def mutant(wins: int, losses: int) -> float:
        return log_wealth(wins, 0)

    expected = sum(math.comb(20, w) * 0.5**20 * math.exp(mutant(w, 20 - w)) for w in range(21))
    assert expected > 2


def test_forecast_is_what_then_happens() -> None:
    """`pairs_to_decide` is the number of further pairs of the same kind that decides."""
    judge = rule()
    for _ in range(4):
        judge.add(0.0)
    forecast = judge.pairs_to_decide()
    assert forecast == 5
    for _ in range(forecast):
        judge.add(0.0)
    assert judge.decision is True
    assert judge.pairs_to_decide() == 0


def test_no_forecast_for_a_coin() -> None:
    """Half above and half below would never decide; no pairs at all say nothing."""
    judge = rule()
    assert judge.pairs_to_decide() is None
    for i in range(40):
        judge.add(1.0 if i % 2 else -1.0)
    assert judge.pairs_to_decide() is None


@pytest.mark.parametrize(("fail_at", "pass_at"), [(1.0, 100.0), (100.0, 0.5)])
def test_a_rule_that_decides_at_once_is_refused(fail_at: float, pass_at: float) -> None:
    """Wealth starts at 1, so a threshold there would decide with no pair."""
    with pytest.raises(ValueError, match="above 1"):
        SignRule(0.0, fail_at=fail_at, pass_at=pass_at)
