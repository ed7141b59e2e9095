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
from harness.tune.document import (
    EffectResult,
    ParameterResult,
    SettingResult,
    SettingValue,
    TuneDocument,
    TuneIncident,
)

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


def setting(shards: int, change: float | None, **changes: Any) -> SettingResult:
    """A setting, so much worse than the default."""
    fields: dict[str, Any] = {
        "name": f"num_shards={shards}",
        "spec": f"improved?num_shards={shards}",
        "parameters": {"num_shards": shards},
        "default": False,
        "recommended": False,
        "fate": "beaten",
        "dropped_after": 14,
        "why": "beaten by num_shards=4",
        "front": False,
        "blocks": 14,
        "values": tuple(
            SettingValue(
                name=name,
                unit=unit,
                better="higher" if unit == "1" else "lower",
                value=value,
                change=change,
                low=None if change is None else change - 0.01,
                high=None if change is None else change + 0.01,
                blocks=14,
            )
            for name, unit, value in (
                ("operation_time", "ns", 1500.0),
                ("cpu_time", "ns", 2100.0),
                ("tail", "ns", 4000.0),
                ("memory", "B", 560.0),
                ("hit_ratio", "1", 0.0977),
            )
        ),
    }
    return SettingResult(**(fields | changes))


def effect(metric: str = "operation_time", **changes: Any) -> EffectResult:
    """An effect of a parameter."""
    fields: dict[str, Any] = {
        "metric": metric,
        "answer": "effect",
        "best": 4,
        "worst": 64,
        "change": 0.031,
        "low": 0.022,
        "high": 0.04,
        "bound": 0.04,
        "confidence": 0.99,
        "margin": 0.01,
        "blocks": 14,
        "summary": "effect: 64 is 3.1 % slower than 4 (2.2 to 4.0)",
    }
    return EffectResult(**(fields | changes))


def tune_document(**changes: Any) -> TuneDocument:
    """A ROLLBACK, because one setting lied, with a setting recommended all the same."""
    quiet: dict[str, Any] = {"answer": "none", "change": 0.001, "low": -0.002, "high": 0.004, "bound": 0.008}
    none = effect(best=15, worst=60, summary="no measurable effect between 15 and 60 (at most 0.8 %)", **quiet)
    fields: dict[str, Any] = {
        "verdict": Verdict.ROLLBACK,
        "reason": "num_shards=8 answered wrong: get('a') answered 'b'; of the others: num_shards=4 is 8.0 % better",
        "exit_code": 1,
        "seed": 7,
        "elapsed_seconds": 61.5,
        "budget_seconds": 120.0,
        "environment": ENVIRONMENT,
        "disturbance": DISTURBANCE,
        "recommended": "improved?num_shards=4",
        "objectives": ("operation_time",),
        "margin": 0.01,
        "mode": "race",
        "complete_blocks": 14,
        "race_blocks": 25,
        "confirming_blocks": 40,
        "trials": 368,
        "arms": (arm("baseline", "improved"), arm("candidate", "improved?num_shards=4")),
        "workloads": (WORKLOAD,),
        "metrics": (
            metric(margin=None, verdict=None, severity=None, candidate=920.0, change=-0.08, low=-0.09, high=-0.07),
        ),
        "settings": (
            setting(
                4, -0.08, recommended=True, fate="in", dropped_after=None, why="recommended", front=True, blocks=25
            ),
            setting(16, 0.0, default=True, spec="improved"),
            setting(64, 0.031, fate="no gain", why="no more than 1 % better than the default"),
            setting(8, None, fate="out", why="answered wrong: get('a') answered 'b'", blocks=0),
        ),
        "parameters": (
            ParameterResult(name="num_shards", values=(4, 8, 16, 64), effects=(effect(), effect("cpu_time"))),
            ParameterResult(name="cleanup_interval", values=(15, 60), effects=(none,)),
        ),
        "incidents": (
            TuneIncident(
                setting="num_shards=8",
                kind="wrong answer",
                workload="ycsb-b",
                count=3,
                example="get('a') answered 'b'",
                severity=Severity.P0,
            ),
        ),
        "skipped": (),
        "warnings": (WarningResult(message="other processes kept 0.8 cores busy", remedy="use a quiet machine"),),
        "harness_ns": 120.0,
    }
    return TuneDocument(**(fields | changes))
