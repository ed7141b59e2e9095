"""What `cachegate tune` leaves. Base units: seconds, nanoseconds, bytes, fractions; a change is positive when worse."""

from __future__ import annotations

from typing import Any, Literal

from harness.documents import (
    ArmResult,
    Disturbance,
    Document,
    MetricResult,
    Result,
    Share,
    SkippedResult,
    WorkloadResult,
)
from harness.model import Severity, Verdict

LEADS = {True: "recommended", False: "leads, not decided"}
"""What is said of the best setting, once it is decided and before."""


class SettingValue(Document):
    """One metric of a setting; change, low and high are against the default, None without a block that had both."""

    name: str
    unit: str
    better: Literal["lower", "higher"]
    value: float | None
    change: Share | None
    low: Share | None
    high: Share | None
    blocks: int


class SettingResult(Document):
    """One combination of values, and what became of it."""

    name: str
    """What the grid varies alone: `num_shards=16&cleanup_interval=60`."""
    spec: str
    parameters: dict[str, Any]
    default: bool
    recommended: bool
    fate: Literal["in", "beaten", "no gain", "out"]
    """`in` to the end; dropped because others beat it, because it is no better than the default by what would be worth
    it, or because it failed."""
    dropped_after: int | None
    """Blocks."""
    why: str
    """One line."""
    front: bool
    """No other is better in one metric, by more than what is worth it, and as good in the rest."""
    blocks: int
    values: tuple[SettingValue, ...]


class EffectResult(Document):
    """What a parameter does to one metric: how much worse the value `worst` is than the value `best`."""

    metric: str
    answer: Literal["effect", "none", "open"]
    best: Any
    worst: Any
    change: Share | None
    low: Share | None
    high: Share | None
    bound: Share | None
    """No two values are further apart; None where there were too few blocks to say."""
    confidence: float
    """Of all differences between the parameter's values together."""
    margin: float
    blocks: int
    summary: str
    """The answer in words."""


class ParameterResult(Document):
    """One parameter of the grid, and whether it does anything."""

    name: str
    values: tuple[Any, ...]
    effects: tuple[EffectResult, ...]
    """On each objective, and on other metrics where there is an effect."""


class TuneIncident(Document):
    """An error, a wrong answer, a counter that disagrees, or a crash of a setting."""

    setting: str
    kind: Literal["wrong answer", "error", "counter", "crash"]
    workload: str
    count: int
    example: str
    severity: Severity


class TuneDocument(Result):
    """What `cachegate tune` found."""

    kind: Literal["tune"] = "tune"
    verdict: Verdict
    """PROCEED: `recommended` is told; ROLLBACK: a setting lied or crashed; INCONCLUSIVE: not told."""
    budget_seconds: float
    disturbance: Disturbance
    recommended: str | None
    """A spec; None where nothing was decided."""
    objectives: tuple[str, ...]
    """Metrics; the first decided."""
    margin: float
    """The difference in the first objective that is worth it."""
    mode: Literal["race", "full grid"]
    complete_blocks: int
    """Blocks of all settings, from which the parameters' effects are told."""
    race_blocks: int
    confirming_blocks: int
    """Fresh ones, of the winner and the default alone."""
    trials: int
    """Of settings, in all blocks together."""
    arms: tuple[ArmResult, ...]
    """The default as baseline, the best of the others as candidate."""
    workloads: tuple[WorkloadResult, ...]
    metrics: tuple[MetricResult, ...]
    """The best of the others against the default: from the confirming blocks where there were some."""
    settings: tuple[SettingResult, ...]
    """The best first."""
    parameters: tuple[ParameterResult, ...]
    incidents: tuple[TuneIncident, ...]
    skipped: tuple[SkippedResult, ...]
    harness_ns: float | None
