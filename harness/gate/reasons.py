"""The one line that says why: the first thing that every report shows."""

from __future__ import annotations

from collections.abc import Sequence

from harness.documents import IncidentResult, MetricResult
from harness.gate.policy import DISTURBED_SHARE, GATED
from harness.model import Notice, Verdict

_TITLES = {row.metric.name: row.metric.title for row in GATED}


def percent(change: float | None, unit: str = " %") -> str:
    """A change as a signed percentage, or in points."""
    return "?" if change is None else f"{change * 100:+.1f}{unit}"


def _unit(result: MetricResult) -> str:
    return " points" if result.unit == "1" else " %"


def _of(result: MetricResult) -> str:
    return f"{_TITLES.get(result.name, result.name)} on {result.workload}"


def failed(failures: Sequence[MetricResult], baseline: str, candidate: str) -> str:
    """For a ROLLBACK by metrics; the worst first."""
    worst = sorted(failures, key=lambda result: -(result.change or 0))
    parts = [
        f"{_of(result)} is {(result.change or 0) * 100:.1f}{_unit(result)} worse "
        f"({result.severity}, allowed {(result.margin or 0) * 100:g})"
        for result in worst
    ]
    return f"{candidate} against {baseline}: {'; '.join(parts)}"


def incident(found: IncidentResult, spec: str) -> str:
    """For a run that an incident ended."""
    what = {
        "wrong answer": "answered wrong",
        "error": "raised errors",
        "counter": "miscounts",
        "crash": "did not survive",
    }[found.kind]
    count = f" {found.count} times" if found.count > 1 else ""
    return f"{spec} {what}{count} on {found.workload}: {found.example}"


def passed(results: Sequence[MetricResult], baseline: str, candidate: str) -> str:
    """For a PROCEED: the time and CPU of the workload that came off worst."""
    shown = [result for result in results if result.name in ("operation_time", "cpu_time")] or list(results)
    worst: dict[str, MetricResult] = {}
    for result in shown:
        if result.name not in worst or (result.change or 0) > (worst[result.name].change or 0):
            worst[result.name] = result
    parts = [f"{_of(result)} {percent(result.change)}" for result in worst.values()]
    margins = {result.margin for result in worst.values()}
    allowed = f"no more than {max(margin or 0 for margin in margins) * 100:g} % worse"
    return f"{candidate} is {allowed} than {baseline}: {', '.join(parts)}"


def undecided(results: Sequence[MetricResult], what: str, remedy: str) -> str:
    """For an INCONCLUSIVE that more pairs might end."""
    open_ones = [result for result in results if result.verdict is Verdict.INCONCLUSIVE]
    parts = []
    for result in open_ones[:3]:
        unit = _unit(result)
        interval = "" if result.low is None else f" ({percent(result.low, '')} to {percent(result.high, unit)})"
        margin = f"{(result.margin or 0) * 100:g}{unit}"
        parts.append(f"{_of(result)} is {percent(result.change, unit)}{interval} at a margin of {margin}")
    more = f" and {len(open_ones) - 3} more" if len(open_ones) > 3 else ""
    return f"{what}: {'; '.join(parts)}{more}; {remedy}"


def disturbed(other_cpu: float, stolen_cpu: float) -> list[Notice]:
    """What else kept the machine busy, in cores, where it was enough to matter."""
    found = []
    if other_cpu > DISTURBED_SHARE:
        message = f"other processes kept {other_cpu:.1f} cores busy meanwhile"
        found.append(Notice(message=message, remedy="the verdict holds, but a quiet machine gets there sooner"))
    if stolen_cpu > DISTURBED_SHARE:
        message = f"the hypervisor took {stolen_cpu:.1f} cores meanwhile"
        found.append(Notice(message=message, remedy="the verdict holds, but another machine gets there sooner"))
    return found
