"""How numbers and verdicts look, the same in every report."""

from __future__ import annotations

from harness.documents import MetricResult
from harness.gate.policy import GATED, LOAD_GATED, LOAD_REPORTED, REPORTED
from harness.model import Verdict

TITLES = {row.metric.name: row.metric.title for row in (*GATED, *LOAD_GATED)}
TITLES |= {metric.name: metric.title for metric in (*REPORTED, *LOAD_REPORTED)}
MARKS = {Verdict.PROCEED: "pass", Verdict.ROLLBACK: "FAIL", Verdict.INCONCLUSIVE: "undecided", None: ""}


def quantity(value: float | None, unit: str) -> str:
    """A value in a readable unit: ns, us, ms; B, KiB; a ratio as it is. Three significant figures."""
    if value is None:
        return "-"
    if unit == "ns":
        for size, name in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
            if value >= size:
                return f"{value / size:.3g} {name}"
        return f"{value:.3g} ns"
    if unit == "B":
        return f"{value / 1024:.3g} KiB" if value >= 10_240 else f"{value:.0f} B"
    return f"{value:,.0f}" if unit == "1/s" else f"{value:.4f}"


def change(result: MetricResult) -> str:
    """The estimated change: percent worse, or points worse of a ratio."""
    if result.change is None:
        return "-"
    return f"{_signed(result.change)}{_suffix(result)}"


def interval(result: MetricResult) -> str:
    """The interval of the change."""
    if result.low is None or result.high is None:
        return "too few pairs"
    return f"{_signed(result.low)} to {_signed(result.high)}"


def margin(result: MetricResult) -> str:
    """What is allowed."""
    return "" if result.margin is None else f"{result.margin * 100:g}{_suffix(result)}"


def mark(result: MetricResult) -> str:
    """The verdict in a word, with its severity."""
    return " ".join(filter(None, (MARKS[result.verdict], result.severity)))


def _signed(fraction: float) -> str:
    return f"{round(fraction * 100, 1) + 0.0:+.1f}"  # adding 0.0 turns -0.0 into 0.0


def _suffix(result: MetricResult) -> str:
    return " pt" if result.unit == "1" else " %"
