"""From pairs to a verdict."""

from __future__ import annotations

import random

import pytest

from harness.gate.judge import Decision, Judge, MetricJudge
from harness.gate.policy import CPU_TIME, HIT_RATIO, OPERATION_TIME, Gated
from harness.model import Severity, Verdict

TIME = Gated(metric=OPERATION_TIME, margin=0.05)
CPU = Gated(metric=CPU_TIME, margin=0.05)
HITS = Gated(metric=HIT_RATIO, margin=0.01)


def judge(*rows: Gated, workloads: tuple[str, ...] = ("w",)) -> Judge:
    return Judge(rows, [(name, frozenset()) for name in workloads])


def feed(judge: Judge, workload: str, count: int, **ratios: float) -> None:
    """count pairs on workload in which the candidate's value is the baseline's times the ratio."""
    for _ in range(count):
        judge.add(workload, {name: (100.0, 100.0 * ratio) for name, ratio in ratios.items()}, {})


def test_all_must_pass() -> None:
    """One metric without pairs keeps the run open; with them it passes."""
    run = judge(TIME, CPU)
    feed(run, "w", 9, operation_time=1.0)
    assert run.decision() is Decision.OPEN
    assert run.undecided("w") == {"cpu_time"}
    feed(run, "w", 9, cpu_time=1.02)
    assert run.decision() is Decision.PASSED


def test_one_failure_is_enough() -> None:
    """Nothing else has to be known for a ROLLBACK."""
    run = judge(TIME, CPU)
    feed(run, "w", 12, operation_time=1.0, cpu_time=1.10)
    assert run.decision() is Decision.FAILED


def test_no_metric_at_all_is_no_pass() -> None:
    """Never green by absence."""
    assert judge(workloads=()).decision() is Decision.OPEN
    assert Judge([HITS], [("w", frozenset({"hit_ratio"}))]).decision() is Decision.OPEN


def test_what_does_not_apply_is_not_judged_and_not_counted() -> None:
    """A metric that a workload cannot show takes nothing from the others' error."""
    run = Judge([TIME, HITS], [("w", frozenset({"hit_ratio"}))])
    assert [row.metric.name for row in run.metrics] == ["operation_time"]


def test_more_metrics_need_more_pairs_to_fail() -> None:
    """The chance of a false ROLLBACK is of the whole run, so twenty metrics need more evidence than one."""
    one, many = judge(TIME), judge(TIME, workloads=tuple("abcdefghijklmnopqrst"))
    feed(one, "w", 9, operation_time=1.2)
    feed(many, "a", 9, operation_time=1.2)
    assert one.decision() is Decision.FAILED
    assert many.decision() is Decision.OPEN
    feed(many, "a", 5, operation_time=1.2)
    assert many.decision() is Decision.FAILED


def test_the_pair_may_know_better_than_its_values() -> None:
    """A difference taken turn by turn outranks the ratio of two medians."""
    metric = MetricJudge(TIME, "w", 1)
    for _ in range(9):
        metric.add(100.0, 150.0, 0.0)
    assert metric.verdict is Verdict.PROCEED


@pytest.mark.parametrize(
    ("ratio", "severity"), [(1.07, Severity.P2), (1.15, Severity.P1), (1.3, Severity.P0), (1.0, None)]
)
def test_severity_is_by_the_estimate(ratio: float, severity: Severity | None) -> None:
    """P2 above 5, P1 above 10, P0 above 20 percent; none for a pass."""
    run = judge(TIME)
    feed(run, "w", 12, operation_time=ratio)
    assert run.metrics[0].result().severity == severity


def test_a_higher_hit_ratio_is_better() -> None:
    """Two points fewer hits fail, two points more pass."""
    for candidate, verdict in ((0.78, Verdict.ROLLBACK), (0.82, Verdict.PROCEED), (0.795, Verdict.PROCEED)):
        run = judge(HITS)
        for _ in range(12):
            run.add("w", {"hit_ratio": (0.8, candidate)}, {})
        assert run.metrics[0].verdict is verdict


def test_a_baseline_that_changes_by_itself_decides_nothing() -> None:
    """A/A: a baseline that is 20 percent slower in every other pair fails against itself."""
    run = judge(TIME)
    for i in range(60):
        value = 100.0 if i % 2 else 120.0
        run.add("w", {"operation_time": (value, value)}, {})
    assert run.decision() is Decision.BASELINE_UNSTABLE


def test_a_noisy_baseline_is_not_unstable() -> None:
    """The correct twin: noise of 4 percent either way for 500 pairs."""
    rng = random.Random(3)
    run = judge(TIME)
    for _ in range(500):
        value = 100.0 * rng.lognormvariate(0, 0.04)
        run.add("w", {"operation_time": (value, value * rng.lognormvariate(0, 0.02))}, {})
    assert run.decision() is Decision.PASSED


def test_pairs_go_where_a_failure_is_likely() -> None:
    """The workload that leans to failing is named; none is while nothing leans."""
    run = judge(TIME, workloads=("good", "bad"))
    feed(run, "good", 3, operation_time=1.0)
    feed(run, "bad", 3, operation_time=1.2)
    assert run.suspect() is None
    feed(run, "bad", 4, operation_time=1.2)
    assert run.suspect() == "bad"


def test_forecast_is_the_nearest_failure_or_the_last_pass() -> None:
    """One failure decides; a pass needs the slowest metric; a coin has no forecast."""
    run = judge(TIME, CPU)
    assert run.pairs_to_decide() is None
    feed(run, "w", 7, operation_time=1.0, cpu_time=1.0)
    assert run.pairs_to_decide() == 2
    feed(run, "w", 1, cpu_time=1.0)
    assert run.pairs_to_decide() == 2
    failing = judge(TIME, CPU)
    feed(failing, "w", 7, operation_time=1.2, cpu_time=1.0)
    assert failing.pairs_to_decide() == 3


def test_a_result_carries_its_evidence() -> None:
    """Values, change, interval, pairs and differences; no interval from too few pairs."""
    run = judge(TIME)
    feed(run, "w", 3, operation_time=1.1)
    few = run.metrics[0].result()
    assert (few.low, few.high, few.verdict, few.pairs) == (None, None, Verdict.INCONCLUSIVE, 3)
    feed(run, "w", 6, operation_time=1.1)
    result = run.metrics[0].result()
    assert result.baseline == pytest.approx(100.0)
    assert result.candidate == pytest.approx(110.0)
    assert result.change == pytest.approx(0.10)
    assert result.low == pytest.approx(0.10)
    assert len(result.differences) == result.pairs == 9
    assert MetricJudge(TIME, "w", 1).result().change is None
