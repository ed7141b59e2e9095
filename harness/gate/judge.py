"""From pairs to a verdict: one `MetricJudge` a metric and workload, and a `Judge` over all of them.

Rules:
1. PROCEED needs every metric to pass; one failure is enough for ROLLBACK. Failing is therefore corrected for
   the number of metrics judged together, passing is not.
2. An error, a wrong answer, a disagreeing counter or a crash of the candidate is a ROLLBACK at once; of the
   baseline it means that there is nothing to compare with.
3. A baseline that fails against itself (A/A) decides nothing.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from harness.documents import MetricResult
from harness.gate.policy import ALPHA, CONFIDENCE, Gated, severity
from harness.model import Verdict
from harness.stats.location import one_sample
from harness.stats.metric import Metric, Scale
from harness.stats.sequential import SignRule, log_wealth


class MetricJudge:
    """One metric on one workload. judged_together is how many such judges the run has."""

    def __init__(self, gated: Gated, workload: str, judged_together: int) -> None:
        self.metric = gated.metric
        self.margin = gated.margin
        self.workload = workload
        fail_at, pass_at = judged_together / ALPHA, 1 / ALPHA
        threshold = gated.metric.threshold(gated.margin)
        self._rule = SignRule(threshold, fail_at=fail_at, pass_at=pass_at)
        # The baseline against itself, either way worse.
        self._self_rules = [SignRule(threshold, fail_at=2 * fail_at, pass_at=pass_at) for _ in range(2)]
        self._baselines: list[float] = []
        self._candidates: list[float] = []
        self._differences: list[float] = []

    def add(self, baseline: float, candidate: float, difference: float | None = None) -> None:
        """Count one pair; difference is how much worse it was, where the pair knows better than its values."""
        if difference is None:
            difference = self.metric.difference(baseline, candidate)
        self._baselines.append(baseline)
        self._candidates.append(candidate)
        self._differences.append(difference)
        self._rule.add(difference)
        if len(self._baselines) % 2 == 0:
            drift = self.metric.difference(self._baselines[-2], self._baselines[-1])
            for rule, sign in zip(self._self_rules, (1, -1), strict=True):
                rule.add(sign * drift)

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return len(self._differences)

    @property
    def so_far(self) -> float:
        """The change so far, roughly: the median of the differences. `result` estimates it properly."""
        return self.metric.change(float(np.median(self._differences)))

    @property
    def verdict(self) -> Verdict:
        """PROCEED once it has passed, ROLLBACK once it has failed."""
        decided = {True: Verdict.PROCEED, False: Verdict.ROLLBACK, None: Verdict.INCONCLUSIVE}
        return decided[self._rule.decision]

    @property
    def differs_from_itself(self) -> bool:
        """Whether the baseline failed against itself."""
        return any(rule.decision is False for rule in self._self_rules)

    @property
    def fail_wealth(self) -> float:
        """The logarithm of the evidence against the candidate."""
        return log_wealth(self._rule.above, self._rule.below)

    @property
    def leans_to_fail(self) -> bool:
        """Whether it is undecided with the evidence against it that a single metric would need for half a failure."""
        return self.verdict is Verdict.INCONCLUSIVE and self.fail_wealth > math.log(1 / ALPHA) / 2

    def pairs_to_decide(self) -> int | None:
        """How many more pairs would decide, if they fall as those so far."""
        return self._rule.pairs_to_decide()

    def result(self) -> MetricResult:
        """What is known now."""
        verdict = self.verdict
        found = describe(self.metric, self.workload, self._baselines, self._candidates, self._differences)
        urgent = severity(found.change or 0.0) if verdict is Verdict.ROLLBACK else None
        return found.model_copy(update={"margin": self.margin, "verdict": verdict, "severity": urgent})


class Decision(enum.Enum):
    """Where a run stands."""

    OPEN = enum.auto()
    PASSED = enum.auto()
    FAILED = enum.auto()
    BASELINE_UNSTABLE = enum.auto()


class Judge:
    """All metrics of all workloads of a run."""

    def __init__(self, gated: Sequence[Gated], workloads: Iterable[tuple[str, frozenset[str]]]) -> None:
        """Judge gated on each workload, but for those of its metrics in the set beside it: they do not apply."""
        rows = [(row, name) for name, absent in workloads for row in gated if row.metric.name not in absent]
        self.metrics = [MetricJudge(row, name, len(rows)) for row, name in rows]

    def add(self, workload: str, values: Mapping[str, tuple[float, float]], differences: Mapping[str, float]) -> None:
        """Count what a pair on workload showed; metrics that nobody judges are passed over."""
        for judge in self.metrics:
            name = judge.metric.name
            if judge.workload == workload and name in values:
                judge.add(*values[name], differences.get(name))

    def decision(self) -> Decision:
        """Where the run stands."""
        if any(judge.differs_from_itself for judge in self.metrics):
            return Decision.BASELINE_UNSTABLE
        verdicts = [judge.verdict for judge in self.metrics]
        if Verdict.ROLLBACK in verdicts:
            return Decision.FAILED
        if verdicts and all(verdict is Verdict.PROCEED for verdict in verdicts):
            return Decision.PASSED
        return Decision.OPEN

    def suspect(self) -> str | None:
        """The workload on which an undecided metric looks most like failing, if any does.

        One failure decides the run, so pairs are best spent there. The rule stays valid: it holds for each
        metric by itself, whichever is looked at next.
        """
        doubtful = [judge for judge in self.metrics if judge.leans_to_fail]
        return max(doubtful, key=lambda judge: judge.fail_wealth).workload if doubtful else None

    def pairs_to_decide(self) -> int | None:
        """How many more pairs of each workload would decide the run, if they fall as those so far."""
        waiting = [judge for judge in self.metrics if judge.verdict is Verdict.INCONCLUSIVE]
        failing = [judge.pairs_to_decide() for judge in waiting if judge.leans_to_fail]
        known = [pairs for pairs in failing if pairs is not None]
        if known:
            return min(known)  # one failure decides
        passing = [judge.pairs_to_decide() for judge in waiting]
        return None if None in passing else max((pairs for pairs in passing if pairs is not None), default=0)

    def undecided(self, workload: str) -> set[str]:
        """The names of the metrics of workload that need more pairs."""
        return {
            judge.metric.name
            for judge in self.metrics
            if judge.workload == workload and judge.verdict is Verdict.INCONCLUSIVE
        }


def describe(
    metric: Metric,
    workload: str,
    baselines: Sequence[float],
    candidates: Sequence[float],
    differences: Sequence[float],
) -> MetricResult:
    """A metric's values and change as they are shown, not judged. All sequences have a row a pair."""
    result = MetricResult(
        name=metric.name,
        workload=workload,
        unit=metric.unit,
        better=metric.better.value,
        baseline=None,
        candidate=None,
        change=None,
        low=None,
        high=None,
        confidence=CONFIDENCE,
        margin=None,
        verdict=None,
        severity=None,
        pairs=len(differences),
        differences=tuple(differences),
    )
    if not differences:
        return result
    estimate = one_sample(differences, CONFIDENCE)
    bounded = np.isfinite(estimate.low)
    return result.model_copy(
        update={
            "baseline": _middle(metric, baselines),
            "candidate": _middle(metric, candidates),
            "change": metric.change(estimate.value),
            "low": metric.change(estimate.low) if bounded else None,
            "high": metric.change(estimate.high) if bounded else None,
        }
    )


def _middle(metric: Metric, values: Sequence[float]) -> float:
    """The mean of values, geometric where their ratio counts, so that both arms' means fit the change shown.

    Medians would not: on a machine that is now fast, now slow, those of two arms can fall into different whiles.
    """
    mean = float(np.mean(values if metric.scale is Scale.POINTS else np.log(values)))
    return mean if metric.scale is Scale.POINTS else math.exp(mean)
