"""Reports of load: the terminal, Markdown and JUnit."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.documents import CheckedResult, MetricResult
from harness.load.document import LoadArmResult, LoadDocument, LoadPhaseResult, SecondResult, TimesResult
from harness.model import CheckVerdict, Verdict
from harness.report.checks import COLOURS, SIGNS
from harness.report.junit import OF_CHECK, OF_VERDICT, Case, suite
from harness.report.markdown import VERDICT_SIGNS
from harness.report.notes import cell, measured, noted, show_footer, show_notes
from harness.report.terminal import VERDICT_COLOURS
from harness.report.words import TITLES, change, interval, margin, mark, quantity

_BARS = " ▁▂▃▄▅▆▇█"
_MOST_BARS = 60


def show(document: LoadDocument, console: Console) -> None:
    """Print the answer, then the times, the checks and what the run cost."""
    colour = VERDICT_COLOURS[document.verdict]
    console.print(f"[bold {colour}]{document.verdict.upper()}[/]  {escape(document.reason)}", soft_wrap=True)
    console.print(f"[dim]{escape(document.question)}[/]", soft_wrap=True)
    if document.metrics:
        console.print()
        console.print(_metrics(document))
    for arm in document.arms:
        if arm.phases:
            console.print()
            last = ", the last pair" if len(document.arms) > 1 else ""
            console.print(f"[bold]{escape(arm.spec)}[/][dim]{last}[/]", soft_wrap=True)
            console.print(_times(arm))
    if rows := _measured(document):
        console.print()
        _show_series(rows, console)
    console.print()
    for (verdict, summary), checks in _grouped(document.checks).items():
        said = "held" if verdict is CheckVerdict.PASS else verdict.value
        identities = " ".join(dict.fromkeys(check.id for check in checks))
        console.print(f"[{COLOURS[verdict]}]{said}[/] {identities}: {escape(summary)}", soft_wrap=True)
        for line in checks[0].evidence if verdict is CheckVerdict.FAIL else ():
            console.print(f"    {escape(line)}", soft_wrap=True)
    show_notes(console, document.warnings)
    show_footer(console, _footer(document))


def _grouped(checks: tuple[CheckedResult, ...]) -> dict[tuple[CheckVerdict, str], list[CheckedResult]]:
    """What says the same, told once."""
    groups: dict[tuple[CheckVerdict, str], list[CheckedResult]] = {}
    for check in checks:
        groups.setdefault((check.verdict, check.summary), []).append(check)
    return groups


def _metrics(document: LoadDocument) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "baseline", "candidate", "+ is worse", "99 % interval", "allowed", "", "pairs"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for result in (*document.metrics, *document.reported):
        style = "dim" if result.verdict is None else ""
        cells = [TITLES[result.name], *_values(result), change(result), interval(result), margin(result), mark(result)]
        table.add_row(*(f"[{style}]{text_}[/]" if style else text_ for text_ in [*cells, str(result.pairs)]))
    return table


def _values(result: MetricResult) -> list[str]:
    return [quantity(value, result.unit) for value in (result.baseline, result.candidate)]


def _times(arm: LoadArmResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "asked/s", "done/s", "", "p50", "p95", "p99", "p99.9", "max", "hits", "host", "driver"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for phase in arm.phases:
        hits = "-" if phase.hit_ratio is None else f"{100 * phase.hit_ratio:.1f} %"
        asked = "no rest" if phase.target_rate is None else f"{phase.target_rate:,.0f}"
        cells = [f"  {phase.name}", asked, f"{phase.rate:,.0f}"]
        for kind, times in _kinds(phase):
            table.add_row(*cells, kind, *_quantiles(times), hits, _cores(phase.host_cpu), _cores(phase.driver_cpu))
            cells, hits = ["", "", ""], ""
    return table


def _kinds(phase: LoadPhaseResult) -> list[tuple[str, TimesResult]]:
    if phase.latency is None:
        return []
    if phase.target_rate is None:  # in a closed loop both are the same
        return [("service", phase.latency.service)]
    return [("response", phase.latency.response), ("service", phase.latency.service)]


def _quantiles(times: TimesResult) -> list[str]:
    return [duration(value) for value in (times.p50, times.p95, times.p99, times.p999, times.max)]


def _cores(cores: float | None) -> str:
    return "-" if cores is None else f"{100 * cores:.0f} %"


def duration(seconds: float) -> str:
    """A time in a readable unit, three digits."""
    for size, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds * 1e9:.3g} ns"


def _measured(document: LoadDocument) -> tuple[SecondResult, ...]:
    """The seconds of the phases, without what came before and after."""
    phases = document.arms[0].phases
    if not phases:
        return ()
    began, ended = phases[0].began, phases[-1].began + phases[-1].seconds
    return tuple(row for row in document.series if began <= row.time and row.time + 1 <= ended)


def _show_series(series: tuple[SecondResult, ...], console: Console) -> None:
    console.print(f"[dim]a second {_bars([row.operations for row in series])}  at most {_most(series):,}/s[/]")
    worst = max(row.p99 for row in series)
    console.print(f"[dim]p99      {_bars([row.p99 for row in series])}  at most {duration(worst)}[/]")
    memory = [row.host_memory_bytes for row in series if row.host_memory_bytes is not None]
    if memory:
        console.print(f"[dim]memory   {_bars(memory)}  {memory[0] / 1e6:.0f} to {memory[-1] / 1e6:.0f} MB[/]")


def _most(series: tuple[SecondResult, ...]) -> int:
    return max(row.operations for row in series)


def _bars(values: list[int] | list[float]) -> str:
    """A bar for each value, or for the greatest of several."""
    step = -(-len(values) // _MOST_BARS)
    shown = [max(values[i : i + step]) for i in range(0, len(values), step)]
    most = max(shown) or 1
    return "".join(_BARS[round(value / most * (len(_BARS) - 1))] for value in shown)


def _footer(document: LoadDocument) -> list[str]:
    arm = document.arms[0]
    lines = []
    if arm.cpu_per_request is not None:
        inside = (
            "" if arm.cache_seconds is None else f"; inside the cache it takes {duration(arm.cache_seconds)} on average"
        )
        lines.append(f"a request costs the host {duration(arm.cpu_per_request)} of processor time{inside}")
    if document.loads is not None:
        lines.append(f"{document.loads.loads:,} loads from behind the cache, {document.loads.stampedes:,} made twice")
    lines.append(f"laws judged on {document.history}")
    lines.append(
        f"{document.scenario}: {document.users:,} users of {document.workload} in {document.processes} "
        f"process{'es' if document.processes > 1 else ''}, {document.elapsed_seconds:.0f} s, seed {document.seed}, "
        f"Python {document.environment.python}"
    )
    return lines


def as_markdown(document: LoadDocument) -> str:
    """The document as Markdown, for a comment on a pull request."""
    lines = [f"### {VERDICT_SIGNS[document.verdict]} {document.verdict.upper()}", "", cell(document.reason), ""]
    lines += ["| | phase | done/s | p50 | p95 | p99 | p99.9 | max |", "|---|---|--:|--:|--:|--:|--:|--:|"]
    for arm in document.arms:
        for phase in arm.phases:
            if phase.latency is not None:
                quantiles = " | ".join(_quantiles(phase.latency.response))
                lines.append(f"| {cell(arm.spec)} | {phase.name} | {phase.rate:,.0f} | {quantiles} |")
    if document.metrics:
        lines += ["", "| metric | baseline | candidate | change (+ is worse) | 99 % interval | allowed | |"]
        lines += ["|---|--:|--:|--:|--:|--:|---|"]
    for result in (*document.metrics, *document.reported):
        cells = [TITLES[result.name], *_values(result), change(result), interval(result), margin(result), mark(result)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- {SIGNS[check.verdict]} {check.id}: {cell(check.summary)}" for check in document.checks)]
    lines += [f"- {cell(note)}" for note in noted(document.warnings)]
    return "\n".join([*lines, "", measured(f"{document.kind}, {document.users:,} users", document)]) + "\n"


def as_junit(document: LoadDocument) -> str:
    """One test case a check and a metric, and one for the verdict. Undecided is an error, never a pass."""
    place = f"{document.kind}.{document.scenario}"
    cases = [Case(place, check.id, OF_CHECK[check.verdict], check.summary) for check in document.checks]
    cases += [
        Case(
            place,
            result.name,
            OF_VERDICT[result.verdict or Verdict.INCONCLUSIVE],
            f"{change(result)} ({interval(result)})",
        )
        for result in document.metrics
    ]
    cases.append(Case(place, "verdict", OF_VERDICT[document.verdict], document.reason))
    return suite(f"cachegate {document.kind}", cases, document.elapsed_seconds)
