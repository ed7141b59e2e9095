"""The report as Markdown, short enough for a comment on a pull request."""

from __future__ import annotations

from harness.documents import CompareDocument, GateDocument
from harness.model import Verdict
from harness.report.notes import cell, listed, measured, noted
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
    lines += listed([*notes, *noted(document.warnings, document.skipped)])
    return "\n".join([*lines, "", measured(document.kind, document)]) + "\n"
