"""The report in a terminal: the answer first, then why, then a table in the manner of benchstat."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.documents import BaselineDocument, CompareDocument, GateDocument, MetricResult
from harness.gate.policy import COVERS
from harness.model import Verdict
from harness.report.notes import show_footer, show_notes
from harness.report.words import TITLES, change, interval, margin, mark, quantity

VERDICT_COLOURS = {Verdict.PROCEED: "green", Verdict.ROLLBACK: "red", Verdict.INCONCLUSIVE: "yellow", None: "dim"}


def show(document: GateDocument | CompareDocument, console: Console) -> None:
    """Print a judged document."""
    colour = VERDICT_COLOURS[document.verdict]
    console.print(f"[bold {colour}]{document.verdict.upper()}[/]  {escape(document.reason)}", soft_wrap=True)
    if any(result.pairs for result in document.metrics):
        console.print()
        console.print(_table(document))
    for incident in document.incidents:
        console.print(
            f"[red]{incident.severity} {incident.kind}[/] of the {incident.role} on {escape(incident.workload)}, "
            f"{incident.count} times: {escape(incident.example)}",
            soft_wrap=True,
        )
    show_notes(console, document.warnings, document.skipped)
    console.print()
    show_footer(console, _footer(document))


def show_baseline(document: BaselineDocument, console: Console, path: str) -> None:
    """Print what was measured, and is to be stored at path."""
    console.print(f"[bold green]MEASURED[/]  {escape(document.arm.spec)} for {escape(path)}", soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for heading in ("", "value", "to the yardstick", "pairs"):
        table.add_column(heading, justify="left" if not heading else "right")
    for metric in document.metrics:
        ratio = f"x {metric.value / metric.yardstick:.3f}" if metric.yardstick and metric.unit != "1" else ""
        title = f"{metric.workload}: {TITLES[metric.name]}"
        table.add_row(escape(title), quantity(metric.value, metric.unit), ratio, str(len(metric.differences)))
    console.print(table)
    show_notes(console, document.warnings, document.skipped)
    console.print(
        f"[dim]{document.elapsed_seconds:.0f} s, seed {document.seed}; compare two of these with: "
        "cachegate compare BEFORE AFTER[/]",
        soft_wrap=True,
    )


def _table(document: GateDocument | CompareDocument) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "baseline", "candidate", "+ is worse", "99 % interval", "allowed", "", "pairs"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for workload in dict.fromkeys(result.workload for result in document.metrics):
        table.add_row(f"[bold]{escape(workload)}[/]")
        for result in (*document.metrics, *document.reported):
            if result.workload == workload:
                table.add_row(*_row(result))
    return table


def _row(result: MetricResult) -> list[str]:
    style = "dim" if result.verdict is None else ""
    title = f"  {TITLES.get(result.name, result.name)}"
    cells = [
        title,
        quantity(result.baseline, result.unit),
        quantity(result.candidate, result.unit),
        change(result),
        interval(result),
        margin(result),
    ]
    if style:
        cells = [f"[{style}]{cell}[/]" for cell in cells]
    return [*cells, f"[{VERDICT_COLOURS[result.verdict]}]{mark(result)}[/]", str(result.pairs)]


def _footer(document: GateDocument | CompareDocument) -> list[str]:
    lines = []
    for arm in document.arms:
        bounds = ", ".join(
            f"{name}: {bound if bound is not None else 'no entry bound'}" for name, bound in arm.capacities.items()
        )
        adapted = f"; {', '.join(arm.adapted)}" if arm.adapted else ""
        lines.append(f"{arm.role} {arm.spec} (entries {bounds}{adapted})")
    if document.metrics:
        covered = [f"{TITLES[name]}: {COVERS[name]}" for name in dict.fromkeys(m.name for m in document.metrics)]
        lines.append("covers " + "; ".join(covered))
    if isinstance(document, GateDocument):
        costs = ", ".join(f"{name} {cost:.0f} ns" for name, cost in document.harness_ns.items())
        if costs:
            lines.append(f"the harness's own cost an operation, taken off both arms: {costs}")
        lines.append(
            f"{document.elapsed_seconds:.1f} s, seed {document.seed}, {document.mode}, "
            f"Python {document.environment.python}, {document.environment.cpu_model}"
        )
    return lines
