"""What stands below the tables of every report: what was skipped, what to know, and in small how it was measured."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape

from harness.documents import Result, SkippedResult, WarningResult


def show_notes(console: Console, warnings: Iterable[WarningResult], skipped: Iterable[SkippedResult] = ()) -> None:
    """A line each."""
    for each in skipped:
        console.print(f"[yellow]skipped[/] {escape(each.workload)}: {escape(each.reason)}", soft_wrap=True)
    for warning in warnings:
        console.print(f"[yellow]note[/] {escape(warning.message)}; {escape(warning.remedy)}", soft_wrap=True)


def show_footer(console: Console, lines: Iterable[str]) -> None:
    """How it was measured, in small."""
    for line in lines:
        console.print(f"[dim]{escape(line)}[/]", soft_wrap=True)


def noted(warnings: Iterable[WarningResult], skipped: Iterable[SkippedResult] = ()) -> list[str]:
    """The same notes as plain text."""
    return [
        *(f"skipped {each.workload}: {each.reason}" for each in skipped),
        *(f"{warning.message}; {warning.remedy}" for warning in warnings),
    ]


def cell(text: str) -> str:
    """text as the cell of a table in Markdown holds it."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def listed(notes: Iterable[str]) -> list[str]:
    """Notes as the lines of a list in Markdown, an empty one before it; nothing if there are none."""
    lines = [f"- {cell(note)}" for note in notes]
    return ["", *lines] if lines else []


def measured(what: str, document: Result) -> str:
    """The last line of a report in Markdown, in small. what: the command, and what it was asked."""
    return (
        f"<sub>cachegate {cell(what)}, seed {document.seed}, {document.elapsed_seconds:.0f} s, "
        f"Python {document.environment.python}</sub>"
    )
