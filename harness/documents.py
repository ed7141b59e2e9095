"""The documents that a run leaves: what `--json` writes, `compare` reads, and every report shows.

They are the results themselves: nothing is printed that is not in one. Their JSON Schemas are published in
`harness/schemas`; a test holds that they match. Base units throughout: seconds, nanoseconds, bytes, fractions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.masking import active, masked
from harness.model import CheckVerdict, Severity, Verdict

SCHEMA_VERSION = "1.0"
"""Major.minor. A reader refuses another major."""


class Document(BaseModel):
    """Base of all: frozen, nothing unknown is let in, and no credential of the run's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_credentials(cls, given: Any) -> Any:
        return masked(given) if active() else given

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, which does not look at what is updated: no credential gets in there either."""
        return super().model_copy(update=masked(dict(update)) if update and active() else update, deep=deep)


class WarningResult(Document):
    """Something that qualifies the result, and what to do about it."""

    message: str
    remedy: str


class Environment(Document):
    """Where it ran."""

    cachegate: str
    python: str
    implementation: str
    system: str
    machine: str
    cpu_model: str
    cpu_count: int
    memory_bytes: int
    governor: str | None
    numpy: str


class Disturbance(Document):
    """What else the machine did meanwhile."""

    other_cpu: float
    """Cores kept busy by other processes, on average."""
    stolen_cpu: float
    """Cores taken by the hypervisor, on average."""
    frequency_low_hz: float | None
    frequency_high_hz: float | None
    pinned: bool
    """Whether trials were held to one processor each."""


class ArmResult(Document):
    """One cache in one configuration, as it was measured."""

    role: Literal["baseline", "candidate"]
    spec: str
    target: str
    parameters: dict[str, Any]
    capacities: dict[str, int | None]
    """Entry bound by workload; None where the cache takes none."""
    adapted: tuple[str, ...]
    """What the registry adapted, in words."""
    ttl_exercised: bool


class WorkloadResult(Document):
    """What was asked."""

    name: str
    title: str
    digest: str
    capacity: int
    preload: int
    warmup: int
    requests: int
    """Measured requests a trial."""
    batch: int
    seconds: float
    """Workload time that a trial spans."""
    look_aside: bool
    concurrency: int


Share = Annotated[float, Field(allow_inf_nan=False)]


class MetricResult(Document):
    """One metric on one workload. change, low and high are fractions worse: positive is worse."""

    name: str
    workload: str
    unit: str
    better: Literal["lower", "higher"]
    baseline: float | None
    candidate: float | None
    change: Share | None
    low: Share | None
    high: Share | None
    confidence: float
    margin: float | None
    """None: reported, not judged."""
    verdict: Verdict | None
    severity: Severity | None
    pairs: int
    differences: tuple[float, ...]
    """The evidence: how much worse the candidate of each pair was, on the scale that the rule judges."""


class IncidentResult(Document):
    """An error, a wrong answer, a counter that disagrees, or a crash."""

    role: Literal["baseline", "candidate"]
    kind: Literal["wrong answer", "error", "counter", "crash"]
    workload: str
    count: int
    example: str
    severity: Severity


class SkippedResult(Document):
    """A workload that was not run, and why."""

    workload: str
    reason: str


class Result(Document):
    """What every document that judges has, beside `kind`, `verdict` and `arms` (DESIGN, section 8)."""

    schema_version: str = SCHEMA_VERSION
    reason: str
    """One line."""
    exit_code: int
    seed: int
    elapsed_seconds: float
    environment: Environment
    warnings: tuple[WarningResult, ...]


class _Judged(Result):
    verdict: Verdict
    arms: tuple[ArmResult, ...]
    workloads: tuple[WorkloadResult, ...]
    metrics: tuple[MetricResult, ...]
    reported: tuple[MetricResult, ...]
    incidents: tuple[IncidentResult, ...]
    skipped: tuple[SkippedResult, ...]


class GateDocument(_Judged):
    """What `cachegate gate` decided."""

    kind: Literal["gate"] = "gate"
    mode: Literal["pairs", "precise"]
    budget_seconds: float
    disturbance: Disturbance
    harness_ns: dict[str, float]
    """The harness's own cost an operation, by workload: taken off both arms' times."""
    start_seconds: float | None
    """Median time from the start of a trial process to its first operation."""


class CompareDocument(_Judged):
    """What `cachegate compare` decided of two stored baselines."""

    kind: Literal["compare"] = "compare"
    mismatches: tuple[str, ...]


class StoredMetric(Document):
    """One metric of a stored baseline: its value, and each pair's log ratio (or points) to the yardstick."""

    name: str
    workload: str
    unit: str
    better: Literal["lower", "higher"]
    value: float
    yardstick: float
    differences: tuple[float, ...]


class BaselineDocument(Document):
    """A stored result of one arm, to be compared with another later."""

    kind: Literal["baseline"] = "baseline"
    schema_version: str = SCHEMA_VERSION
    created: str
    seed: int
    elapsed_seconds: float
    environment: Environment
    disturbance: Disturbance
    arm: ArmResult
    yardstick_version: int
    workloads: tuple[WorkloadResult, ...]
    metrics: tuple[StoredMetric, ...]
    skipped: tuple[SkippedResult, ...] = ()
    warnings: tuple[WarningResult, ...]


class CheckedResult(Document):
    """One check: a law or a rule of manners, and what became of it."""

    id: str
    kind: Literal["law", "manners", "condition"]
    title: str
    """The law, in one sentence."""
    verdict: CheckVerdict
    summary: str
    """One line: what was seen, or why it was skipped."""
    evidence: tuple[str, ...] = ()
    """The shortest history that proves a failure, as lines to read."""
    replay: str | None = None
    """The command that shows it again."""
    after: int | None = None
    """Schedules that were played before it was seen."""


class StalenessResult(Document):
    """How many writes left the sides apart for at most so long, and longer than the one before."""

    up_to_seconds: float | None
    """None for all that took longer."""
    writes: int


class DrivenResult(Document):
    """A workload that was driven through a fresh cache, every operation judged."""

    name: str
    operations: int
    clients: int


class ExploredResult(Document):
    """What was tried."""

    mode: Literal["simulated", "real"]
    schedules: int
    operations: int
    profiles: tuple[str, ...]
    """What was made to go wrong."""
    policies: tuple[str, ...]
    workloads: tuple[DrivenResult, ...] = ()
    staleness: tuple[StalenessResult, ...] = ()
    """Of a migration: how long its sides were apart after each write of both, in virtual time with all its troubles."""


class CheckDocument(Result):
    """What `cachegate check` found."""

    kind: Literal["check"] = "check"
    verdict: CheckVerdict
    arms: tuple[ArmResult, ...]
    promises: dict[str, Any]
    """What the cache declares less than the whole contract."""
    explored: ExploredResult
    checks: tuple[CheckedResult, ...]
    strict: bool


class ReplayDocument(Document):
    """A schedule that broke a law, to be played again."""

    kind: Literal["replay"] = "replay"
    schema_version: str = SCHEMA_VERSION
    id: str
    created: str
    spec: str
    check: str
    message: str
    cachegate: str
    python: str
    """Major.minor: schedules are the same for one of these only."""
    hash_seed: int
    default_ttl_ns: int
    schedule: dict[str, Any]
    evidence: tuple[str, ...]
