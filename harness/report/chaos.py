"""Reports of chaos: the terminal, Markdown and JUnit."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.chaos.document import ChaosDocument, ExperimentResult, WindowResult
from harness.chaos.experiment_file import read
from harness.chaos.plan import find, names, plan
from harness.model import CheckVerdict, Verdict
from harness.report.checks import COLOURS, SIGNS
from harness.report.junit import OF_CHECK, OF_VERDICT, Case, suite
from harness.report.markdown import VERDICT_SIGNS
from harness.report.notes import cell, measured, noted, show_notes
from harness.report.terminal import VERDICT_COLOURS

_BARS = " ▁▂▃▄▅▆▇█"
_MOST_BARS = 100
_SKIPPED = "skipped"


def show_list(console: Console) -> None:
    """The experiments and what each asks."""
    for name in names():
        planned = plan(read(find(name)), name)
        console.print(f"[bold]{name:18}[/] {escape(planned.question)}", soft_wrap=True)


def show(document: ChaosDocument, console: Console) -> None:
    """Print the answer, then each experiment, or a table of many."""
    colour = VERDICT_COLOURS[document.verdict]
    console.print(f"[bold {colour}]{document.verdict.upper()}[/]  {escape(document.reason)}", soft_wrap=True)
    if len(document.experiments) > 2:
        console.print()
        console.print(_table(document) if len(document.arms) == 1 else _matrix(document))
        if len(document.arms) > 1:
            console.print("[dim]answered while something was broken, and how long until all was as before[/]")
        for line in _skips(document):
            console.print(f"[dim]{escape(line)}[/]", soft_wrap=True)
        for each in document.experiments:
            if each.verdict not in (Verdict.PROCEED, _SKIPPED):
                _show_one(each, console)
    else:
        for each in document.experiments:
            _show_one(each, console, alone=len(document.experiments) == 1)
    for difference in document.differences:
        console.print()
        colour = "dim" if difference.verdict == _SKIPPED else VERDICT_COLOURS[Verdict(difference.verdict)]
        console.print(
            f"[{colour}]{difference.verdict}[/] {difference.name}: {escape(difference.summary)}", soft_wrap=True
        )
    console.print()
    show_notes(console, document.warnings)
    console.print(
        f"[dim]proxies: {escape(document.proxies or 'none')}; {document.elapsed_seconds:.0f} s, seed {document.seed}, "
        f"Python {document.environment.python}[/]",
        soft_wrap=True,
    )


def _table(document: ChaosDocument) -> Table:
    """One cache: a row an experiment, with all that was measured."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("experiment", "", "while broken", "hits", "noticed", "borne", "recovered", "gone", "errors"):
        table.add_column(heading, justify="left" if heading in ("experiment", "") else "right", no_wrap=True)
    for each in document.experiments:
        if each.verdict == _SKIPPED:
            table.add_row(f"[dim]{each.name}", "[dim]skipped")
            continue
        colour, during = VERDICT_COLOURS[Verdict(each.verdict)], each.during
        table.add_row(
            each.name,
            f"[{colour}]{each.verdict}[/]",
            _share(None if during is None else during.answered),
            _share(None if during is None else during.hit_ratio),
            _seconds(each.detect_seconds, "no"),
            "-" if each.detect_seconds is None else _seconds(each.degrade_seconds, "no"),
            "-" if each.detect_seconds is None else _seconds(each.recover_seconds, "never"),
            "-" if each.operations_lost is None else f"{each.operations_lost:,}",
            f"{sum(each.errors.values()):,}",
        )
    return table


def _matrix(document: ChaosDocument) -> Table:
    """Several caches: a column each, with what was answered while something was broken, and the time to recover."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("experiment", no_wrap=True)
    for arm in document.arms:
        table.add_column(escape(arm), justify="right")
    cells: dict[str, dict[str, str]] = {}
    for each in document.experiments:
        cells.setdefault(each.name, {})[each.arm] = _cell(each)
    for name, by_arm in cells.items():
        table.add_row(name, *(by_arm.get(arm, "") for arm in document.arms))
    return table


def _cell(each: ExperimentResult) -> str:
    if each.verdict == _SKIPPED:
        return "[dim]-[/]"
    if each.verdict is not Verdict.PROCEED:
        verdict = Verdict(each.verdict)
        return f"[bold {VERDICT_COLOURS[verdict]}]{verdict.upper()}[/]"
    answered = _share(None if each.during is None else each.during.answered)
    if each.detect_seconds is None:
        return f"{answered}, [dim]unnoticed[/]"
    return f"{answered}, {_seconds(each.recover_seconds, 'never')}"


def _skips(document: ChaosDocument) -> list[str]:
    """Why experiments were skipped, each reason once."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for each in document.experiments:
        if each.verdict == _SKIPPED:
            reasons.setdefault(each.reason, {}).setdefault(each.arm, []).append(each.name)
    lines = []
    for reason, by_arm in reasons.items():
        names_ = dict.fromkeys(name for skipped in by_arm.values() for name in skipped)
        lines.append(f"skipped on {', '.join(by_arm)}, {reason}: {', '.join(names_)}")
    return lines


def _show_one(each: ExperimentResult, console: Console, *, alone: bool = False) -> None:
    console.print()
    if each.verdict == _SKIPPED:
        console.print(f"[dim]{each.name} on {escape(each.arm)}: skipped, {escape(each.reason)}[/]", soft_wrap=True)
        return
    colour = VERDICT_COLOURS[Verdict(each.verdict)]
    told = "" if alone else f"  [{colour}]{each.verdict}[/]  {escape(each.reason)}"
    console.print(f"[bold]{each.name}[/] on [bold]{escape(each.arm)}[/]{told}", soft_wrap=True)
    console.print(f"[dim]{escape(each.question)}[/]", soft_wrap=True)
    for fault in each.faults:
        acted = "acted" if fault.fired else "was not seen to act"
        over = "ended" if fault.ended else "was not seen to end"
        console.print(
            f"  {fault.began:5.1f} s  {fault.name} ({escape(fault.target)}) for {fault.seconds:.1f} s: {acted}, {over}",
            soft_wrap=True,
        )
        console.print(f"           [dim]{escape(fault.evidence)}[/]", soft_wrap=True)
    if each.series:
        _show_series(each, console)
    if each.before is not None:
        console.print(_parts(each))
    console.print(f"  {escape(_times(each))}", soft_wrap=True)
    if each.loads:
        console.print(f"  {each.loads:,} loads from behind the cache, {each.stampedes:,} made twice", soft_wrap=True)
    if each.fresh_bytes and each.memory_bytes:
        console.print(
            f"  host memory {each.fresh_bytes / 1e6:.0f} MB when fresh, {each.memory_bytes / 1e6:.0f} MB at the end"
        )
    if each.errors:
        told = ", ".join(f"{count:,} {what}" for what, count in sorted(each.errors.items()))
        console.print(f"  {told}", soft_wrap=True)
    for verdict in (CheckVerdict.FAIL, CheckVerdict.UNKNOWN, CheckVerdict.PASS, CheckVerdict.SKIPPED):
        checks = [check for check in each.checks if check.verdict is verdict]
        if not checks:
            continue
        said = "held" if verdict is CheckVerdict.PASS else verdict.value
        if verdict in (CheckVerdict.PASS, CheckVerdict.SKIPPED):
            console.print(f"  [{COLOURS[verdict]}]{said}[/] {' '.join(check.id for check in checks)}", soft_wrap=True)
            continue
        for check in checks:
            console.print(f"  [{COLOURS[verdict]}]{said}[/] {check.id}: {escape(check.summary)}", soft_wrap=True)
            for line in check.evidence:
                console.print(f"      {escape(line)}", soft_wrap=True)


def _times(each: ExperimentResult) -> str:
    """How long things took, and what was lost, in a line."""
    parts = ["users did not notice"]
    if each.detect_seconds is not None:
        parts = [f"noticed after {_seconds(each.detect_seconds, '')}"]
        parts.append(_after("borne", each.degrade_seconds, "not borne before it ended"))
        parts.append(_after("as before", each.recover_seconds, "never as before", " it ended"))
    lost, stale = each.operations_lost or 0, each.stale_reads or 0
    parts.append(f"{_count(lost, 'acknowledged write')} gone or evicted" if lost else "no write gone")
    if stale:
        parts.append(f"{_count(stale, 'finding')} against the laws of freshness")
    return "; ".join(parts)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _after(what: str, seconds: float | None, never: str, since: str = "") -> str:
    return never if seconds is None else f"{what} {_seconds(seconds, '')} after{since}"


def _parts(each: ExperimentResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("  ", "operations", "answered", "in 0.1 s", "p50", "p99", "hits"):
        table.add_column(heading, justify="left" if heading == "  " else "right", no_wrap=True)
    for name, part in (("  before", each.before), ("  during", each.during), ("  after", each.after)):
        if part is not None:
            shares = [_share(part.answered), _share(part.timely)]
            times = [_seconds(part.p50, "-"), _seconds(part.p99, "-")]
            table.add_row(name, f"{part.operations:,}", *shares, *times, _share(part.hit_ratio))
    return table


def _show_series(each: ExperimentResult, console: Console) -> None:
    """The share that was answered in time, a sign a window, and where something was broken."""
    width = max(1, -(-len(each.series) // _MOST_BARS))
    groups = [each.series[i : i + width] for i in range(0, len(each.series), width)]
    bars = "".join(_bar(group) for group in groups)
    marks = "".join("▔" if any(_broken(each, window.time) for window in group) else " " for group in groups).rstrip()
    console.print(f"  [dim]in time  {bars}[/]", soft_wrap=True)
    console.print(f"  [red]broken   {marks}[/]", soft_wrap=True)


def _bar(group: tuple[WindowResult, ...]) -> str:
    due = sum(window.operations for window in group)
    if not due:
        return " "
    return _BARS[round(sum(window.timely for window in group) / due * (len(_BARS) - 1))]


def _broken(each: ExperimentResult, time: float) -> bool:
    return any(fault.began <= time + 0.1 and time <= fault.began + fault.seconds for fault in each.faults)


def _share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _seconds(seconds: float | None, never: str) -> str:
    if seconds is None:
        return never
    return f"{1e3 * seconds:.1f} ms" if seconds < 0.1 else f"{seconds:.1f} s"


def as_markdown(document: ChaosDocument) -> str:
    """The document as Markdown, for a comment on a pull request."""
    lines = [f"### {VERDICT_SIGNS[document.verdict]} {document.verdict.upper()}", "", cell(document.reason), ""]
    lines += [
        "| experiment | cache | | answered while broken | noticed | recovered | gone |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for each in document.experiments:
        if each.verdict == _SKIPPED:
            lines.append(f"| {each.name} | {cell(each.arm)} | skipped: {cell(each.reason)} | | | | |")
            continue
        during = None if each.during is None else each.during.answered
        cells = [
            _share(during), _seconds(each.detect_seconds, "no"), _seconds(each.recover_seconds, "never"),
            "-" if each.operations_lost is None else f"{each.operations_lost:,}",
        ]  # fmt: skip
        lines.append(f"| {each.name} | {cell(each.arm)} | {each.verdict} | {' | '.join(cells)} |")
    for each in document.experiments:
        bad = [check for check in each.checks if check.verdict in (CheckVerdict.FAIL, CheckVerdict.UNKNOWN)]
        lines += [
            f"- {SIGNS[check.verdict]} {each.name}, {cell(each.arm)}: {check.id}: {cell(check.summary)}"
            for check in bad
        ]
    lines += [f"- {each.verdict}: {each.name}: {cell(each.summary)}" for each in document.differences]
    lines += [f"- {cell(note)}" for note in noted(document.warnings)]
    return "\n".join([*lines, "", measured("chaos", document)]) + "\n"


def as_junit(document: ChaosDocument) -> str:
    """One test case a check, and one an experiment. Undecided is an error, never a pass; skipped is skipped."""
    cases: list[Case] = []
    for each in document.experiments:
        place = f"chaos.{each.name}.{each.arm}"
        cases += [Case(place, check.id, OF_CHECK[check.verdict], check.summary) for check in each.checks]
        kind = "skipped" if each.verdict == _SKIPPED else OF_VERDICT[Verdict(each.verdict)]
        cases.append(Case(place, "verdict", kind, each.reason))
    cases.append(Case("chaos", "verdict", OF_VERDICT[document.verdict], document.reason))
    return suite("cachegate chaos", cases, document.elapsed_seconds)
