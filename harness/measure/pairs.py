"""A pair: one trial of each arm, side by side, as the metrics' values. Pure: `bench` makes the trials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.measure.trial import ArmSample
from harness.model import Role

FLOOR = 1.0
"""Least value of a time (ns) or size (B): a ratio needs a positive number, and less is below what shows."""

IncidentKind = Literal["wrong answer", "error", "counter", "crash"]
Values = dict[str, tuple[float, float]]
"""By metric: the baseline's value and the candidate's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An error, a wrong answer, a disagreeing counter or a crash of one arm."""

    role: Role
    kind: IncidentKind
    count: int
    operations: int
    """Out of how many."""
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What one pair of trials showed; values only where both arms gave one."""

    values: Values = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    """Where the pair shows more than its two values: how much worse the candidate was, turn by turn."""
    incidents: tuple[Incident, ...] = ()
    harness_ns: float | None = None
    start_seconds: tuple[float, ...] = ()
    samples: tuple[ArmSample, ...] = ()
    """One of the baseline, one of the candidate."""


ROLES = (Role.BASELINE, Role.CANDIDATE)


def turn_times(sample: ArmSample, concurrency: int, harness_ns: float = 0.0) -> NDArray[np.float64]:
    """Nanoseconds an operation of each turn, net of harness_ns.

    With one client, look-aside fills are timed apart; several clients' fills overlap with operations and stay in.
    """
    batch_ns = sample.batch_ns - sample.fill_ns if concurrency == 1 else sample.batch_ns
    turns = batch_ns / sample.batch - harness_ns
    return np.asarray(np.maximum(turns, FLOOR), dtype=np.float64)


def measurements(sample: ArmSample, concurrency: int, harness: dict[str, float] | None = None) -> dict[str, float]:
    """The metrics of one trial: nanoseconds an operation net of harness, and ratios.

    A metric that the trial cannot show (no gets, no fills) is left out.
    """
    costs = harness or {}
    turns = turn_times(sample, concurrency, costs.get("operation_time", 0.0))
    operations = 2 * sample.batch * len(sample.turn_cpu_ns) + len(sample.operation_ns)
    found = {
        "operation_time": float(np.median(turns)),
        "cpu_time": float(sample.turn_cpu_ns.sum()) / operations - costs.get("cpu_time", 0.0),
        "tail": float(np.quantile(sample.operation_ns, 0.99)),
        "mean_time": float(turns.mean()),
        "best_time": float(np.quantile(turns, 0.1)),
        "p999": float(np.quantile(sample.operation_ns, 0.999)),
    }
    found = {name: max(FLOOR, value) for name, value in found.items()}
    if sample.measured_fills and concurrency == 1:
        found["fill_time"] = float(sample.fill_ns.sum()) / sample.measured_fills
    if sample.measured_gets:
        found["hit_ratio"] = sample.measured_hits / sample.measured_gets
    return found


def middle(name: str, values: list[float]) -> float:
    """The mean of several processes of one pair: geometric, as their ratio is what counts."""
    if len(values) == 1 or name == "hit_ratio":
        return float(np.mean(values))
    return float(np.exp(np.mean(np.log(values))))


def incidents_of(role: Role, sample: ArmSample) -> list[Incident]:
    """What went wrong in one trial of one arm."""
    counts = sample.counts
    operations = counts["gets"] + counts["sets"] + counts["fills"] + counts["errors"]
    kinds: tuple[tuple[IncidentKind, int, tuple[str, ...]], ...] = (
        ("wrong answer", sample.wrong, sample.wrong_examples),
        ("error", counts["errors"], sample.errors),
        ("counter", len(sample.disagreements), sample.disagreements),
    )
    return [
        Incident(role=role, kind=kind, count=count, operations=operations, example=examples[0])
        for kind, count, examples in kinds
        if count
    ]
