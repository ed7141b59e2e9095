"""Reports of checks: terminal, Markdown and JUnit; and what there is to check, with examples."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.check.checkers import catalogue
from harness.check.rules import RULES
from harness.documents import CheckDocument, CheckedResult, ReplayDocument, StalenessResult
from harness.errors import UsageError
from harness.model import CheckVerdict
from harness.report.junit import OF_CHECK, Case, suite
from harness.report.notes import show_footer, show_notes

COLOURS = {
    CheckVerdict.PASS: "green",
    CheckVerdict.FAIL: "red",
    CheckVerdict.UNKNOWN: "yellow",
    CheckVerdict.SKIPPED: "dim",
}
SIGNS = {CheckVerdict.PASS: "✅", CheckVerdict.FAIL: "❌", CheckVerdict.UNKNOWN: "❔", CheckVerdict.SKIPPED: "⏭"}

_MOST_LINES = 40
"""Of a history in the terminal: what breaks the law is at its end, as a rule."""


def show(document: CheckDocument, console: Console) -> None:
    """Print what was found: the answer, each failure with its proof, then what was judged."""
    colour = COLOURS[document.verdict]
    console.print(f"[bold {colour}]{document.verdict.upper()}[/]  {escape(document.reason)}", soft_wrap=True)
    advice = [result for result in document.checks if _is_advice(document, result)]
    for result in document.checks:
        if result.verdict is CheckVerdict.FAIL and result not in advice:
            _show_failure(result, console)
    if advice:
        console.print("\n[bold]manners[/] (advice; --strict makes failures of them)")
        for result in advice:
            console.print(f"  {result.id}: {escape(result.summary)}", soft_wrap=True)
    console.print()
    for verdict, summary, identities in _grouped(document):
        said = "held" if verdict is CheckVerdict.PASS else verdict.value
        why = "" if verdict is CheckVerdict.PASS else f": {escape(summary)}"
        console.print(f"[{COLOURS[verdict]}]{said}[/] {' '.join(identities)}{why}", soft_wrap=True)
    show_notes(console, document.warnings)
    show_footer(console, _footer(document))


def show_replay(document: ReplayDocument, verdict: CheckVerdict, reason: str, console: Console) -> None:
    """Print a schedule as it went this time."""
    console.print(f"[bold {COLOURS[verdict]}]{verdict.upper()}[/]  {document.check}: {escape(reason)}", soft_wrap=True)
    console.print()
    for line in document.evidence:
        console.print(f"  {escape(line)}", soft_wrap=True)
    console.print(
        f"\n[dim]{escape(document.spec)}, recorded {document.created} with cachegate {document.cachegate}; "
        f"cachegate explain {document.check} says what the check means[/]",
        soft_wrap=True,
    )


def show_catalogue(console: Console) -> None:
    """Print all checks."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("check", "kind", "what it says"):
        table.add_column(heading)
    for identity, checker in catalogue().items():
        kind = "manners" if identity == "C12" else "law"
        table.add_row(identity, kind, escape(checker.LAW))
    for rule in RULES:
        table.add_row(rule.id, rule.kind.value, escape(rule.sentence))
    console.print(table)
    console.print("\ncachegate explain CHECK shows an example.", style="dim")


def show_explanation(identity: str, console: Console) -> None:
    """Print what a check means. Raises UsageError for one that there is not."""
    checker = catalogue().get(identity.upper())
    rule = next((rule for rule in RULES if rule.id == identity), None)
    if checker is not None:
        console.print(f"[bold]{checker.ID} {checker.TITLE}[/]  {escape(checker.LAW)}\n", soft_wrap=True)
        console.print(f"{escape(checker.EXAMPLE)}", soft_wrap=True)
    elif rule is not None:
        console.print(f"[bold]{rule.id}[/] ({rule.kind})  {escape(rule.sentence)}\n", soft_wrap=True)
        console.print(f"What is tried: {escape(rule.body.__doc__ or '')}", soft_wrap=True)
    else:
        raise UsageError(f"no check {identity!r}; cachegate check --list shows them all")


def junit(document: CheckDocument) -> str:
    """The document as JUnit XML, one test case a check. Unknown is an error, never a pass."""
    cases = [
        Case(
            f"check.{document.arms[0].spec}",
            result.id,
            None if _is_advice(document, result) else OF_CHECK[result.verdict],
            f"{result.title} {result.summary} {result.replay or ''}",
            "\n".join(result.evidence),
        )
        for result in document.checks
    ]
    return suite("cachegate check", cases, document.elapsed_seconds)


def markdown(document: CheckDocument) -> str:
    """The document as Markdown, short enough for a comment on a pull request."""
    lines = [f"### {SIGNS[document.verdict]} {document.verdict.upper()}", "", _plain(document.reason), ""]
    for result in document.checks:
        if result.verdict is CheckVerdict.FAIL:
            advice = " (manners)" if _is_advice(document, result) else ""
            lines += [f"**{result.id}**{advice} {_plain(result.title)} {_plain(result.summary)}", ""]
            if result.evidence:
                lines += ["```text", *result.evidence, "```", ""]
            if result.replay:
                lines += [f"`{result.replay}`", ""]
    for verdict, summary, identities in _grouped(document):
        why = "" if verdict is CheckVerdict.PASS else f": {_plain(summary)}"
        lines.append(f"- {verdict} {' '.join(identities)}{why}")
    lines += ["", f"<sub>{_plain('; '.join(_footer(document)))}</sub>"]
    return "\n".join(lines) + "\n"


def _show_failure(result: CheckedResult, console: Console) -> None:
    console.print(f"\n[bold red]{result.id}[/] {escape(result.title)}", soft_wrap=True)
    console.print(f"   {escape(result.summary)}", soft_wrap=True)
    if result.evidence:
        console.print()
        heading, *lines = result.evidence
        left_out = max(0, len(lines) - _MOST_LINES)
        console.print(f"   {escape(heading)}", soft_wrap=True)
        if left_out:
            console.print(f"   [dim]({left_out} lines before these: the replay, --json and --markdown have them)[/]")
        for line in lines[left_out:]:
            console.print(f"   {escape(line)}", soft_wrap=True)
        console.print()
    if result.after is not None:
        console.print(
            f"   [dim]seen after {result.after:,} schedule{'s' if result.after > 1 else ''}[/]", soft_wrap=True
        )
    if result.replay:
        console.print(f"   {escape(result.replay)}", soft_wrap=True)


def _footer(document: CheckDocument) -> list[str]:
    lines = []
    arm, explored = document.arms[0], document.explored
    declared = ", ".join(f"{name}={_promised(value)}" for name, value in document.promises.items() if value)
    lines.append(f"{arm.spec}: {'; '.join(arm.adapted) or 'speaks the protocol'}")
    if declared:
        lines.append(f"it declares {declared}, and is judged by that")
    if explored.schedules:
        how = f"; order of callbacks: {', '.join(explored.policies)}" if explored.mode == "simulated" else ""
        clock = "in virtual time" if explored.mode == "simulated" else "in real time, on a real event loop"
        lines.append(
            f"explored {explored.schedules:,} schedules, {explored.operations:,} operations, {clock}: "
            f"{', '.join(explored.profiles)}{how}"
        )
    lines += _staleness(explored.staleness)
    lines += [
        f"drove {driven.name}: {driven.operations:,} operations by {driven.clients} clients, every answer judged"
        for driven in explored.workloads
    ]
    lines.append(
        f"{document.elapsed_seconds:.1f} s, seed {document.seed}, Python {document.environment.python}; "
        "cachegate explain ID says what a check means"
    )
    return lines


def _staleness(rows: tuple[StalenessResult, ...]) -> list[str]:
    apart = [row for row in rows if row.writes]
    if not apart:
        return []
    at_once = rows[0].writes
    longest = apart[-1].up_to_seconds
    bound = f"at most {longest:g} s" if longest is not None else f"some more than {rows[-2].up_to_seconds:g} s"
    total = sum(row.writes for row in apart)
    return [f"its sides agreed at once after {at_once:,} of {total:,} writes; the others left them apart, {bound}"]


def _grouped(document: CheckDocument) -> list[tuple[CheckVerdict, str, list[str]]]:
    """Checks that did not fail, with the same verdict for the same reason together."""
    found: dict[tuple[CheckVerdict, str], list[str]] = {}
    for verdict in (CheckVerdict.PASS, CheckVerdict.UNKNOWN, CheckVerdict.SKIPPED):
        for result in document.checks:
            if result.verdict is verdict:
                summary = "" if verdict is CheckVerdict.PASS else result.summary
                found.setdefault((verdict, summary), []).append(result.id)
    return [(verdict, summary, identities) for (verdict, summary), identities in found.items()]


def _is_advice(document: CheckDocument, result: CheckedResult) -> bool:
    return result.kind == "manners" and result.verdict is CheckVerdict.FAIL and not document.strict


def _plain(words: str) -> str:
    return words.replace("\n", " ").replace("<", "&lt;").replace("|", "\\|")


def _promised(value: Any) -> str:
    """Of a promise: several names with commas between them."""
    return ",".join(value) if isinstance(value, list | tuple) else str(value)
