"""What `stress` and `load` leave. Base units: seconds, bytes, fractions."""

from __future__ import annotations

from typing import Literal

from harness.documents import (
    CheckedResult,
    Disturbance,
    Document,
    MetricResult,
    Result,
)
from harness.model import Verdict


class TimesResult(Document):
    """Quantiles of a time, in seconds, at three digits."""

    p50: float
    p95: float
    p99: float
    p999: float
    max: float


class LatencyResult(Document):
    """From when a request was sent, and from when it should have been sent."""

    service: TimesResult
    response: TimesResult
    encoded: str | None = None
    """The response times, as an HdrHistogram in its V2 format."""


class OperationResult(Document):
    """One kind of request in one phase."""

    name: Literal["get", "set", "delete"]
    answered: int
    errors: int
    latency: LatencyResult | None


class LoadPhaseResult(Document):
    """A part of the run with one pace."""

    name: str
    pace: str
    began: float
    """Of the epoch."""
    seconds: float
    """That this cache was asked: of two, its turns."""
    target_rate: float | None
    """Requests a second that were to come; None in a closed loop."""
    begun: int | None
    """Requests that came, of an open phase: a missed read and what fills it are one."""
    operations: int
    rate: float
    """Operations a second that were answered."""
    errors: int
    hit_ratio: float | None
    latency: LatencyResult | None
    by_operation: tuple[OperationResult, ...]
    host_cpu: float | None
    """Cores that the host kept busy."""
    driver_cpu: float | None
    """Of the busiest process of the driver, in cores."""
    driver_late: TimesResult | None
    """How late users were woken who waited for their turn: part of every response time, and not the cache's."""
    other_cpu: float | None
    """Of all else on the machine, in cores."""


class SecondResult(Document):
    """One second of the run."""

    time: int
    """Of the epoch."""
    operations: int
    errors: int
    hit_ratio: float | None
    p50: float
    p99: float
    host_memory_bytes: int | None = None
    host_cpu: float | None = None
    driver_cpu: float | None = None
    connections: int | None = None
    entries: int | None = None


class CountsResult(Document):
    """The same operations, counted thrice. None where nobody counts them."""

    name: str
    clients: int
    host: int | None
    cache: int | None


class LoadArmResult(Document):
    """A cache or a server under load."""

    role: Literal["baseline", "candidate"]
    spec: str
    capacity: int | None
    adapted: tuple[str, ...]
    operations: int
    errors: int
    achieved_rate: float
    """Operations a second in the last phase."""
    latency: LatencyResult | None
    """Of the last phase."""
    phases: tuple[LoadPhaseResult, ...]
    counts: tuple[CountsResult, ...]
    cpu_per_request: float | None
    """Processor time of the host a request, in seconds, over the whole run."""
    cache_seconds: float | None
    """What a request takes inside the cache, on average over the whole run; the rest is wire and scheduling."""


class LoadsResult(Document):
    """What was fetched from behind the cache."""

    loads: int
    stampedes: int
    """Loads begun while another of the same key was under way, in the same process of the driver."""


class LoadDocument(Result):
    """What `cachegate load` found."""

    kind: Literal["load", "stress"] = "load"
    verdict: Verdict
    disturbance: Disturbance
    scenario: str
    question: str
    workload: str
    users: int
    processes: int
    arms: tuple[LoadArmResult, ...]
    operations: int
    errors: int
    achieved_rate: float
    latency: LatencyResult | None
    """Of the first arm's last phase."""
    loads: LoadsResult | None
    metrics: tuple[MetricResult, ...]
    """Of two arms: those that decide."""
    reported: tuple[MetricResult, ...]
    checks: tuple[CheckedResult, ...]
    history: str
    """Which operations the laws were judged on."""
    series: tuple[SecondResult, ...]


class StressDocument(LoadDocument):
    """What `cachegate stress` found, of one cache or of two."""

    kind: Literal["stress"] = "stress"
