"""Two stored baselines side by side, by their ratios to the yardstick.

The yardstick cancels how fast the machine was on the day. What it cannot cancel must agree, else the two are
not compared at all: `mismatches` names the fields.
"""

from __future__ import annotations

import math
from pathlib import Path

from harness.documents import BaselineDocument, MetricResult, StoredMetric
from harness.errors import UsageError
from harness.gate.policy import CONFIDENCE, MIN_STORED_PAIRS, Gated, severity
from harness.model import Verdict
from harness.stats.location import Estimate, shift

MOST_PAIRS, MOST_DIFFERENCE = 4_000, 300.0
"""Of a metric; a log ratio beyond it is no ratio of two times, and e to the power of twice it can still be computed."""


def check(document: BaselineDocument, path: Path) -> None:
    """Raise UsageError for what no run has stored, and what would fill the machine or leave the range of numbers."""
    names = [(metric.name, metric.workload) for metric in document.metrics]
    if len(set(names)) < len(names):
        raise UsageError(f"{path} is damaged: a metric stands there twice")
    for metric in document.metrics:
        if len(metric.differences) > MOST_PAIRS:
            raise UsageError(f"{path} is damaged: {metric.name[:60]} has more than {MOST_PAIRS:,} pairs")
        if any(abs(difference) > MOST_DIFFERENCE for difference in metric.differences):
            raise UsageError(f"{path} is damaged: {metric.name[:60]} has a difference beyond {MOST_DIFFERENCE:g}")


def mismatches(first: BaselineDocument, second: BaselineDocument) -> list[str]:
    """What keeps the two from being compared, in words; empty if nothing does."""
    found = []
    pairs: list[tuple[str, object, object]] = [
        (name, getattr(first.environment, name), getattr(second.environment, name))
        for name in ("cpu_model", "machine", "implementation")
    ]
    pairs.append(("python", _minor(first.environment.python), _minor(second.environment.python)))
    pairs.append(("yardstick_version", first.yardstick_version, second.yardstick_version))
    asked = [
        {workload.name: (workload.digest, workload.capacity, workload.concurrency) for workload in side.workloads}
        for side in (first, second)
    ]
    pairs.append(("workloads", sorted(asked[0]), sorted(asked[1])))
    both = sorted(asked[0].keys() & asked[1].keys())
    pairs.extend((f"what {name} asks", asked[0][name], asked[1][name]) for name in both)
    found += [f"{name} differs ({one} and {other})" for name, one, other in pairs if one != other]
    for label, side in (("first", first), ("second", second)):
        fewest = min((len(metric.differences) for metric in side.metrics), default=0)
        if fewest < MIN_STORED_PAIRS:
            found.append(f"the {label} has {fewest} pairs, {MIN_STORED_PAIRS} are needed")
    return found


def compare(first: BaselineDocument, second: BaselineDocument, gated: tuple[Gated, ...]) -> list[MetricResult]:
    """A judged result for each gated metric that both hold."""
    after = {(metric.name, metric.workload): metric for metric in second.metrics}
    return [
        _judge(row, metric, after[metric.name, metric.workload])
        for metric in first.metrics
        for row in gated
        if row.metric.name == metric.name and (metric.name, metric.workload) in after
    ]


def _judge(row: Gated, before: StoredMetric, after: StoredMetric) -> MetricResult:
    estimate = shift(before.differences, after.differences, CONFIDENCE)
    verdict = _verdict(estimate, row.metric.threshold(row.margin))
    change = row.metric.change(estimate.value)
    finite = math.isfinite(estimate.low)
    return MetricResult(
        name=row.metric.name,
        workload=before.workload,
        unit=before.unit,
        better=before.better,
        baseline=before.value,
        candidate=after.value,
        change=change,
        low=row.metric.change(estimate.low) if finite else None,
        high=row.metric.change(estimate.high) if finite else None,
        confidence=CONFIDENCE,
        margin=row.margin,
        verdict=verdict,
        severity=severity(change) if verdict is Verdict.ROLLBACK else None,
        pairs=min(len(before.differences), len(after.differences)),
        differences=after.differences,
    )


def _verdict(estimate: Estimate, threshold: float) -> Verdict:
    if estimate.high < threshold:
        return Verdict.PROCEED
    if estimate.low > threshold:
        return Verdict.ROLLBACK
    return Verdict.INCONCLUSIVE


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
