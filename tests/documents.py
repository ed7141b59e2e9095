"""Documents made by hand, for the tests of what is written and shown."""

from __future__ import annotations

from typing import Any

from harness.documents import (
    ArmResult,
    BaselineDocument,
    Disturbance,
    Environment,
    GateDocument,
    IncidentResult,
    MetricResult,
    SkippedResult,
    StoredMetric,
    WarningResult,
    WorkloadResult,
)
from harness.model import Severity, Verdict

ENVIRONMENT = Environment(
    cachegate="0.0.0",
    python="3.11.0",
    implementation="CPython",
    system="Linux 6",
    machine="x86_64",
    cpu_model="A CPU",
    cpu_count=2,
    memory_bytes=2**30,
    governor=None,
    numpy="2.0.0",
)
DISTURBANCE = Disturbance(other_cpu=0.02, stolen_cpu=0.0, frequency_low_hz=2.5e9, frequency_high_hz=2.5e9, pinned=True)


def arm(role: Any, spec: str) -> ArmResult:
    return ArmResult(
        role=role,
        spec=spec,
        target="m:f",
        parameters={"num_shards": 4},
        capacities={"ycsb-b": 100},
        adapted=("ttl is its ttl_seconds",),
        ttl_exercised=True,
    )


WORKLOAD = WorkloadResult(
    name="ycsb-b",
    title="read mostly",
    digest="d" * 64,
    capacity=100,
    preload=10,
    warmup=0,
    requests=1000,
    batch=10,
    seconds=10.0,
    look_aside=False,
    concurrency=1,
)


def metric(name: str = "operation_time", **changes: Any) -> MetricResult:
    fields: dict[str, Any] = {
        "name": name,
        "workload": "ycsb-b",
        "unit": {"memory": "B", "hit_ratio": "1"}.get(name, "ns"),
        "better": "higher" if name == "hit_ratio" else "lower",
        "baseline": 1000.0,
        "candidate": 1080.0,
        "change": 0.08,
        "low": 0.071,
        "high": 0.092,
        "confidence": 0.99,
        "margin": 0.05,
        "verdict": Verdict.ROLLBACK,
        "severity": Severity.P2,
        "pairs": 11,
        "differences": (0.077,) * 11,
    }
    return MetricResult(**(fields | changes))


PASSED = {"verdict": Verdict.PROCEED, "severity": None}


def gate_document(**changes: Any) -> GateDocument:
    """A ROLLBACK with one of everything."""
    fields: dict[str, Any] = {
        "verdict": Verdict.ROLLBACK,
        "reason": "improved against legacy: operation time on ycsb-b is 8.0 % worse (P2, allowed 5)",
        "exit_code": 1,
        "seed": 7,
        "elapsed_seconds": 6.25,
        "environment": ENVIRONMENT,
        "arms": (arm("baseline", "legacy"), arm("candidate", "improved?num_shards=4")),
        "workloads": (WORKLOAD,),
        "metrics": (
            metric(),
            metric("memory", baseline=640.0, candidate=20_480.0, change=-0.001, low=None, high=None, **PASSED),
            metric(
                "hit_ratio",
                baseline=0.5,
                candidate=0.49,
                change=0.01,
                low=0.0,
                high=0.02,
                margin=0.01,
                verdict=Verdict.INCONCLUSIVE,
                severity=None,
            ),
        ),
        "reported": (metric("p999", margin=None, verdict=None, severity=None, baseline=2.5e6, candidate=3.1e9),),
        "incidents": (
            IncidentResult(
                role="candidate",
                kind="wrong answer",
                workload="ycsb-b",
                count=3,
                example="get('a|b') answered <x>",
                severity=Severity.P0,
            ),
        ),
        "skipped": (SkippedResult(workload="churn", reason="improved has no delete()"),),
        "warnings": (WarningResult(message="other processes kept 0.8 cores busy", remedy="use a quiet machine"),),
        "mode": "pairs",
        "budget_seconds": 60.0,
        "disturbance": DISTURBANCE,
        "harness_ns": {"ycsb-b": 110.0},
        "start_seconds": 0.1,
    }
    return GateDocument(**(fields | changes))


def baseline_document(offset: float = 0.0, pairs: int = 24, **changes: Any) -> BaselineDocument:
    """A stored result whose operation time is offset (a log ratio) above another's."""
    differences = tuple(0.4 + offset + 0.001 * ((i * 7) % pairs - pairs / 2) for i in range(pairs))
    fields: dict[str, Any] = {
        "created": "2026-11-21T00:00:00+00:00",
        "seed": 1,
        "elapsed_seconds": 15.0,
        "environment": ENVIRONMENT,
        "disturbance": DISTURBANCE,
        "arm": arm("baseline", "improved"),
        "yardstick_version": 1,
        "workloads": (WORKLOAD,),
        "metrics": (
            StoredMetric(
                name="operation_time",
                workload="ycsb-b",
                unit="ns",
                better="lower",
                value=1500.0,
                yardstick=1000.0,
                differences=differences,
            ),
        ),
        "skipped": (),
        "warnings": (),
    }
    return BaselineDocument(**(fields | changes))
