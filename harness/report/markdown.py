"""The report as Markdown, short enough for a comment on a pull request."""

from __future__ import annotations

from harness.documents import CompareDocument, GateDocument
from harness.model import Verdict
from harness.report.words import TITLES, change, interval, margin, mark, quantity

VERDICT_SIGNS = {Verdict.PROCEED: "✅", Verdict.ROLLBACK: "❌", Verdict.INCONCLUSIVE: "❔"}


def render(document: GateDocument | CompareDocument) -> str:
    """The document as Markdown."""
    lines = [f"### {VERDICT_SIGNS[document.verdict]} {document.verdict.upper()}", "", cell(document.reason), ""]
    if document.metrics:
        lines += [
            "| workload | metric | baseline | candidate | change (+ is worse) | 99 % interval | allowed | |",
            "|---|---|--:|--:|--:|--:|--:|---|",
        ]
    for result in document.metrics:
        cells = (
            cell(result.workload),
            TITLES[result.name],
            quantity(result.baseline, result.unit),
            quantity(result.candidate, result.unit),
            change(result),
            interval(result),
            margin(result),
            mark(result),
        )
        lines.append(f"| {' | '.join(cells)} |")
    notes = [
        f"**{found.severity} {found.kind}** of the {found.role} on {found.workload}, {found.count} times: "
        f"{found.example}"
        for found in document.incidents
    ]
    notes += [f"skipped {found.workload}: {found.reason}" for found in document.skipped]
    notes += [f"{found.message}; {found.remedy}" for found in document.warnings]
    if notes:
        lines += ["", *(f"- {cell(note)}" for note in notes)]
    footer = (
        f"<sub>cachegate {document.kind}, seed {document.seed}, {document.elapsed_seconds:.0f} s, "
        f"Python {document.environment.python}</sub>"
    )
    return "\n".join([*lines, "", footer]) + "\n"


def cell(text: str) -> str:
    """text as the cell of a table holds it."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
