"""The one table of thresholds. Gate, stored comparisons and reports read it and no other.

Source of margins and rule: GATE.md; of severities and limits: the runbook of the migration that Cachegate
grew out of (20, 10 and 5 % degradation are P0, P1 and P2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.errors import UsageError
from harness.model import Severity
from harness.stats.metric import Better, Metric, Scale
from harness.units import parse_fraction

ALPHA = 0.01
"""Chance at most of a wrong PROCEED, and of a wrong ROLLBACK, of a whole run."""

CONFIDENCE = 0.99
"""Of every interval shown."""

BUDGET_SECONDS = 60.0
STORED_PAIRS = 40
"""Pairs in a stored baseline; `compare` needs at least `MIN_STORED_PAIRS` on both sides."""
MIN_STORED_PAIRS = 20

ERROR_RATE_P0 = 0.01
DISTURBED_SHARE = 0.10
"""CPU of other processes, or stolen by the hypervisor, in cores, above which a run counts as disturbed."""

_SEVERITIES = ((0.20, Severity.P0), (0.10, Severity.P1), (0.0, Severity.P2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """A metric and by how much worse it may be (a fraction; for a POINTS metric a difference)."""

    metric: Metric
    margin: float


OPERATION_TIME = Metric(
    name="operation_time", title="operation time", unit="ns", better=Better.LOWER, scale=Scale.RATIO
)
CPU_TIME = Metric(name="cpu_time", title="cpu time", unit="ns", better=Better.LOWER, scale=Scale.RATIO)
TAIL = Metric(name="tail", title="tail (p99)", unit="ns", better=Better.LOWER, scale=Scale.RATIO)
MEMORY = Metric(name="memory", title="memory an entry", unit="B", better=Better.LOWER, scale=Scale.RATIO)
HIT_RATIO = Metric(name="hit_ratio", title="hit ratio", unit="1", better=Better.HIGHER, scale=Scale.POINTS)

GATED = (
    Gated(metric=OPERATION_TIME, margin=0.05),
    Gated(metric=CPU_TIME, margin=0.05),
    Gated(metric=TAIL, margin=0.15),
    Gated(metric=MEMORY, margin=0.15),
    Gated(metric=HIT_RATIO, margin=0.01),
)

REPORTED = (
    Metric(name="mean_time", title="mean time", unit="ns", better=Better.LOWER, scale=Scale.RATIO),
    Metric(name="best_time", title="p10 of turns", unit="ns", better=Better.LOWER, scale=Scale.RATIO),
    Metric(name="p999", title="p99.9", unit="ns", better=Better.LOWER, scale=Scale.RATIO),
    Metric(name="fill_time", title="look-aside fill", unit="ns", better=Better.LOWER, scale=Scale.RATIO),
)
"""Shown, never judged: too noisy (mean, p10, p99.9), or of another number of operations (fills)."""

CPU_PER_REQUEST = Metric(
    name="cpu_per_request", title="host cpu a request", unit="ns", better=Better.LOWER, scale=Scale.RATIO
)
THROUGHPUT = Metric(name="throughput", title="requests a second", unit="1/s", better=Better.HIGHER, scale=Scale.RATIO)
RESPONSE_P50 = Metric(
    name="response_p50", title="response p50 at half", unit="ns", better=Better.LOWER, scale=Scale.RATIO
)
RESPONSE_P99 = Metric(
    name="response_p99", title="response p99 at half", unit="ns", better=Better.LOWER, scale=Scale.RATIO
)

LOAD_GATED = (Gated(metric=CPU_PER_REQUEST, margin=0.05), Gated(metric=THROUGHPUT, margin=0.05))
"""Over the wire. Throughput counts where the hosts are what a closed loop waits for."""

LOAD_REPORTED = (RESPONSE_P50, RESPONSE_P99)
"""Shown, never judged: between two pairs they differ by a third and more (measured)."""

TUNED = (
    Gated(metric=OPERATION_TIME, margin=0.01),
    Gated(metric=CPU_TIME, margin=0.02),
    Gated(metric=TAIL, margin=0.05),
    Gated(metric=MEMORY, margin=0.02),
    Gated(metric=HIT_RATIO, margin=0.005),
)
"""What settings are chosen by, and the difference that is worth one: less is no reason to leave the default."""
TUNE_BUDGET_SECONDS = 120.0
TUNE_PRECISION = 0.005
"""Half the interval of the winner against the default, at which it is known well enough."""
TUNE_RACE_SHARE = 0.75
"""Of the budget, at most, until the winner is confirmed."""
TUNE_COMPLETE_TRIALS = 150
TUNE_MOST_COMPLETE = 30
"""Blocks of all settings, from which the parameters' effects are told: about that many trials, but never
fewer than their intervals need."""

CHAOS_TIMELY_SECONDS = 0.1
"""Of an answer from when it was due, in an experiment: what a user of a service with a cache would call at once."""
CHAOS_WINDOW_SECONDS = 0.1
CHAOS_GOOD_SHARE = 0.95
"""Of a window's operations, answered in time: users are served."""
CHAOS_STEADY_SHARE = 0.99
"""Of the operations before the first fault, answered; in time `CHAOS_GOOD_SHARE` of them."""
CHAOS_AVAILABILITY_MARGIN = 0.05
"""By which a candidate may be less available than the baseline under the same faults."""
CHAOS_RECOVERY_SECONDS = 1.0
"""By which it may take longer to recover."""

COVERS = {
    "operation_time": "a cost in at least a quarter of the batches",
    "cpu_time": "all CPU of the process: sweeps, collections, fills",
    "tail": "one operation in a hundred",
    "memory": "bytes a stored entry adds to the process",
    "hit_ratio": "the same requests answered from the cache",
    "cpu_per_request": "all processor time of the host, its wire included",
    "throughput": "what the host answers when its users never rest",
}
"""What a PROCEED on each metric says, in words."""


_TIMES = ("operation_time", "cpu_time", "cpu_per_request", "throughput")
"""What a margin without a name is for."""


def severity(change: float) -> Severity:
    """How urgent a failing change (fraction worse) is."""
    return next(level for least, level in _SEVERITIES if change > least or level is Severity.P2)


def incident_severity(kind: str, share: float) -> Severity:
    """How urgent an incident is that hit a share of the operations."""
    if kind in ("wrong answer", "crash") or (kind == "error" and share > ERROR_RATE_P0):
        return Severity.P0
    return Severity.P1


def gated(names: list[str], margins: list[str], rows: tuple[Gated, ...] = GATED) -> tuple[Gated, ...]:
    """The gated metrics of rows, all or those in names, with margins such as `5%` (time) or `memory=20%`.

    Raises UsageError for a name or a margin that is none.
    """
    table: Mapping[str, Gated] = {row.metric.name: row for row in rows}
    chosen = {name: _known(name, table) for name in names} or dict(table)
    for text in margins:
        name, equals, share = text.rpartition("=")
        margin = parse_fraction(share, "margin")
        if equals:
            _known(name, table)
            if name not in chosen:
                raise UsageError(f"margin {text!r}: {name} is not among the chosen metrics")
        for target in [name] if equals else list(_TIMES):
            if target in chosen:
                chosen[target] = replace(chosen[target], margin=margin)
    return tuple(chosen.values())


def _known(name: str, table: Mapping[str, Gated]) -> Gated:
    if name not in table:
        raise UsageError(f"no metric {name!r}; there are {', '.join(table)}")
    return table[name]
