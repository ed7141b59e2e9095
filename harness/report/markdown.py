"""The report as Markdown, short enough for a comment on a pull request."""

from __future__ import annotations

from harness.documents import CompareDocument, GateDocument
from harness.model import Verdict
from harness.report.words import TITLES, change, interval, margin, mark, quantity

_SIGNS = {Verdict.PROCEED: "✅", Verdict.ROLLBACK: "❌", Verdict.INCONCLUSIVE: "❔"}


def render(document: GateDocument | CompareDocument) -> str:
    """The document as Markdown."""
    lines = [f"### {_SIGNS[document.verdict]} {document.verdict.upper()}", "", _cell(document.reason), ""]
    if document.metrics:
        lines += [
            "| workload | metric | baseline | candidate | change (+ is worse) | 99 % interval | allowed | |",
            "|---|---|--:|--:|--:|--:|--:|---|",
        ]
    for result in document.metrics:
        cells = (
            _cell(result.workload),
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
        lines += ["", *(f"- {_cell(note)}" for note in notes)]
    footer = (
        f"<sub>cachegate {document.kind}, seed {document.seed}, {document.elapsed_seconds:.0f} s, "
        f"Python {document.environment.python}</sub>"
    )
    return "\n".join([*lines, "", footer]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
