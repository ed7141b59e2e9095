"""Reports of hit ratios: terminal, Markdown and JUnit; a table a workload, a column a capacity."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.hitratio.document import AskedResult, HitRatioDocument, HitRatioRow
from harness.report.junit import OF_VERDICT, Case, suite
from harness.report.markdown import VERDICT_SIGNS
from harness.report.notes import cell, listed, noted, show_footer, show_notes
from harness.report.terminal import VERDICT_COLOURS

_LEGEND = (
    "beside a hit ratio: points against LRU; the best cache is marked; ! not comparable, see the notes",
    "optimal: Belady's MIN, which knows the future and stores every write; limit: with room for everything",
    "objects are counted, not bytes, in a cold cache; values are a few bytes, so that no bound in bytes interferes",
)


def show(document: HitRatioDocument, console: Console) -> None:
    """Print the answer, then a table for each workload, then what qualifies it."""
    colour = VERDICT_COLOURS[document.verdict]
    console.print(f"[bold {colour}]{document.verdict.upper()}[/]  {escape(document.reason)}", soft_wrap=True)
    for asked in document.workloads:
        console.print(f"\n[bold]{escape(asked.name)}[/]  {escape(_about(asked))}", soft_wrap=True)
        console.print(_table(document, asked))
    console.print()
    for found in document.incidents:
        console.print(
            f"[red]{found.kind}[/] of {escape(found.cache)} on {escape(found.workload)} at {found.capacity:,}, "
            f"{found.count:,} times: {escape(found.example)}",
            soft_wrap=True,
        )
    show_notes(console, document.warnings)
    show_footer(console, _footer(document))


def markdown(document: HitRatioDocument) -> str:
    """The document as Markdown, short enough for a comment on a pull request."""
    lines = [f"### {VERDICT_SIGNS[document.verdict]} {document.verdict.upper()}", "", cell(document.reason)]
    for asked in document.workloads:
        lines += ["", f"**{cell(asked.name)}** {cell(_about(asked))}", ""]
        lines.append(f"| hit ratio at | {' | '.join(f'{capacity:,}' for capacity in asked.capacities)} |")
        lines.append(f"|---|{'--:|' * len(asked.capacities)}")
        for name, found in _lines(document, asked):
            told = [f"**{_ratio(row)}**" if row.best else f"{_mark(row)}{_ratio(row)}" for row in found]
            lines.append(f"| {cell(name)} | {' | '.join(told)} |")
    notes = [
        f"**{found.kind}** of {found.cache} on {found.workload} at {found.capacity:,}, {found.count:,} times: "
        f"{found.example}"
        for found in document.incidents
    ]
    lines += listed([*notes, *noted(document.warnings)])
    return "\n".join([*lines, "", f"<sub>{cell('; '.join(_footer(document)))}</sub>"]) + "\n"


def junit(document: HitRatioDocument) -> str:
    """The document as JUnit XML: a test case for each cache, workload and capacity. Not measured is never a pass."""
    broken = {(found.cache, found.workload, found.capacity): found for found in document.incidents}
    cases = []
    for row in document.rows:
        if row.kind == "cache":
            found = broken.get((row.name, row.workload, row.capacity))
            kind = "failure" if found else "skipped" if row.hit_ratio is None else None
            message = f"{found.kind}: {found.example}" if found else row.note or f"hit ratio {_ratio(row)}"
            cases.append(Case(f"hitratio.{row.workload}", f"{row.name} at {row.capacity}", kind, message))
    cases.append(Case("hitratio.run", "verdict", OF_VERDICT[document.verdict], document.reason))
    return suite("cachegate hitratio", cases, document.elapsed_seconds)


def _about(asked: AskedResult) -> str:
    """What was asked, in a line."""
    mix = "all reads"
    if asked.sets or asked.deletes:
        mix = f"{asked.gets:,} reads, {asked.sets:,} writes, {asked.deletes:,} deletes"
    preload = f", {asked.preload:,} of the writes before" if asked.preload else ""
    fills = ", a miss is followed by a write" if asked.look_aside else ""
    cut = "the first " if asked.cut else ""
    return (
        f"{asked.title}: {cut}{asked.requests:,} accesses ({mix}{preload}{fills}) to {asked.distinct_keys:,} keys; "
        f"limit {asked.compulsory_limit:.4f}"
    )


def _lines(document: HitRatioDocument, asked: AskedResult) -> Iterator[tuple[str, list[HitRatioRow]]]:
    """LRU, each cache, the optimal: a name and a row of the document for each capacity."""
    found: dict[str, list[HitRatioRow]] = {}
    for kind in ("lru", "cache", "optimal"):
        for row in document.rows:
            if row.workload == asked.name and row.kind == kind:
                found.setdefault(row.name, []).append(row)
    yield from found.items()


def _table(document: HitRatioDocument, asked: AskedResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("hit ratio at")
    for capacity in asked.capacities:
        table.add_column(f"{capacity:,}", justify="right", no_wrap=True)
    for name, found in _lines(document, asked):
        style = "dim" if found[0].kind != "cache" else ""
        told = [f"[bold green]*{_ratio(row)}[/]" if row.best else f"{_mark(row)}{_ratio(row)}" for row in found]
        table.add_row(f"  {escape(name)}", *told, style=style)
    return table


def _ratio(row: HitRatioRow) -> str:
    """The hit ratio and the points against LRU."""
    if row.hit_ratio is None or row.against_lru is None:
        return "-"
    return f"{row.hit_ratio:.4f} {round(row.against_lru * 100, 2) + 0.0:+6.2f}"  # adding 0.0 turns -0.0 into 0.0


def _mark(row: HitRatioRow) -> str:
    return "" if row.comparable or row.hit_ratio is None else "!"


def _footer(document: HitRatioDocument) -> list[str]:
    adapted = [f"{arm.spec}: {', '.join(arm.adapted)}" for arm in document.arms if arm.adapted]
    return [
        *_LEGEND,
        *adapted,
        f"{document.elapsed_seconds:.1f} s, seed {document.seed}, Python {document.environment.python}",
    ]
