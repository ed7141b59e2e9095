"""Reports of tune: the terminal, Markdown and JUnit."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.documents import MetricResult
from harness.gate.policy import COVERS, TUNED
from harness.report.junit import OF_VERDICT, Case, suite
from harness.report.markdown import VERDICT_SIGNS
from harness.report.notes import cell, listed, measured, noted, show_footer, show_notes
from harness.report.terminal import VERDICT_COLOURS
from harness.report.words import TITLES, change, interval, quantity
from harness.tune.document import LEADS, EffectResult, SettingResult, SettingValue, TuneDocument

_HEADINGS = {"operation_time": "time", "cpu_time": "cpu", "tail": "p99", "memory": "B/entry", "hit_ratio": "hits"}
_ANSWERS = {"effect": "yellow", "none": "green", "open": "dim"}
_COLUMNS = ("setting", *_HEADINGS.values(), "blocks", "front", "")


def show(document: TuneDocument, console: Console) -> None:
    """Print the answer, the settings, what each parameter does, and what the run cost."""
    colour = VERDICT_COLOURS[document.verdict]
    console.print(f"[bold {colour}]{document.verdict.upper()}[/]  {escape(document.reason)}", soft_wrap=True)
    if any(row.blocks for row in document.settings):
        console.print()
        console.print(_settings(document))
        console.print("[dim]the default as it is, the others against it: + is worse; * on the Pareto front[/]")
    if document.metrics:
        console.print()
        console.print(_metrics(document))
    if document.parameters:
        console.print()
    for name, effect in _effects(document):
        console.print(f"[{_ANSWERS[effect.answer]}]{escape(_said(name, effect))}[/]", soft_wrap=True)
    for found in document.incidents:
        console.print(
            f"[red]{found.severity} {found.kind}[/] of {escape(found.setting)}, {found.count} times: "
            f"{escape(found.example)}",
            soft_wrap=True,
        )
    show_notes(console, document.warnings, document.skipped)
    console.print()
    show_footer(console, _footer(document))


def as_markdown(document: TuneDocument) -> str:
    """The same, short enough for a comment on a pull request."""
    lines = [f"### {VERDICT_SIGNS[document.verdict]} {document.verdict.upper()}", "", cell(document.reason), ""]
    if any(row.blocks for row in document.settings):
        lines += [f"| {' | '.join(_COLUMNS)} |", f"|---{'|--:' * len(_HEADINGS)}|--:|---|---|"]
        lines += [f"| {' | '.join(cell(text) for text in _row(row))} |" for row in document.settings]
        lines += [
            "",
            "The default as it is, the others against it: + is worse; * on the Pareto front.",
        ]
    notes = [_said(name, effect) for name, effect in _effects(document)]
    notes += [
        f"**{found.severity} {found.kind}** of {found.setting}, {found.count} times: {found.example}"
        for found in document.incidents
    ]
    lines += listed([*notes, *noted(document.warnings, document.skipped)])
    return "\n".join([*lines, "", measured(f"tune on {_asked(document)}", document)]) + "\n"


def as_junit(document: TuneDocument) -> str:
    """A case a setting, failed where it lied or crashed; one a parameter, passed or not told; one the verdict."""
    failed = {found.setting: found for found in document.incidents}
    cases = [
        Case(
            "tune.settings",
            row.name,
            "failure" if row.name in failed else None,
            failed[row.name].example if row.name in failed else row.why,
        )
        for row in document.settings
    ]
    cases += [
        Case(f"tune.parameters.{name}", effect.metric, "skipped" if effect.answer == "open" else None, effect.summary)
        for name, effect in _effects(document)
    ]
    cases += [Case("tune.workload", found.workload, "skipped", found.reason) for found in document.skipped]
    cases.append(Case("tune.run", "verdict", OF_VERDICT[document.verdict], document.reason))
    return suite("cachegate tune", cases, document.elapsed_seconds)


def _settings(document: TuneDocument) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in _COLUMNS:
        left = heading in ("setting", "front", "")
        table.add_column(heading, justify="left" if left else "right", no_wrap=heading != "")
    for row in document.settings:
        style = "bold" if row.recommended else "dim" if row.dropped_after is not None and not row.default else ""
        table.add_row(*(escape(text) for text in _row(row)), style=style)
    return table


def _row(row: SettingResult) -> list[str]:
    values = {value.name: value for value in row.values}
    name = f"{row.name} (the default)" if row.default else row.name
    shown = [_value(values[metric], row.default) if metric in values else "-" for metric in _HEADINGS]
    return [name, *shown, str(row.blocks), "*" if row.front else "", _fate(row)]


def _fate(row: SettingResult) -> str:
    if row.recommended or row.why in LEADS.values():
        return row.why
    if row.fate == "out":
        return row.why.partition(":")[0]
    return "" if row.dropped_after is None else row.fate


def _value(value: SettingValue, default: bool) -> str:
    if default or value.change is None:
        return quantity(value.value, value.unit)
    return f"{round(value.change * 100, 1) + 0.0:+.1f}{' pt' if value.unit == '1' else ' %'}"


def _metrics(document: TuneDocument) -> Table:
    """The best of the others against the default."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    candidate = next((arm.spec for arm in document.arms if arm.role == "candidate"), "the best of the others")
    for heading in ("", "default", candidate, "+ is worse", "99 % interval", "blocks"):
        table.add_column(escape(heading), justify="left" if not heading else "right", no_wrap=True)
    for result in document.metrics:
        table.add_row(*_cells(result))
    return table


def _cells(result: MetricResult) -> list[str]:
    return [
        TITLES[result.name],
        quantity(result.baseline, result.unit),
        quantity(result.candidate, result.unit),
        change(result),
        interval(result),
        str(result.pairs),
    ]


def _effects(document: TuneDocument) -> list[tuple[str, EffectResult]]:
    return [(parameter.name, effect) for parameter in document.parameters for effect in parameter.effects]


def _said(name: str, effect: EffectResult) -> str:
    on = "" if effect.metric == "operation_time" else f" on {TITLES[effect.metric]}"
    return f"{name}{on}: {effect.summary}"


def _asked(document: TuneDocument) -> str:
    return ", ".join(workload.name for workload in document.workloads)


def _footer(document: TuneDocument) -> list[str]:
    lines = []
    for arm in document.arms:
        bounds = ", ".join(
            f"{name}: {bound if bound is not None else 'no entry bound'}" for name, bound in arm.capacities.items()
        )
        adapted = f"; {', '.join(arm.adapted)}" if arm.adapted else ""
        who = "the default" if arm.role == "baseline" else "the best of the others"
        lines.append(f"{who} {arm.spec} (entries {bounds}{adapted})")
    worth = ", ".join(
        f"{_HEADINGS[row.metric.name]} {row.margin * 100:g}{' pt' if row.metric.unit == '1' else ' %'}" for row in TUNED
    )
    lines.append(f"a difference counts from: {worth}; time covers {COVERS['operation_time']}")
    lines.append(
        "hits are of the requests that a trial asks, more of them in the confirming blocks and the same in each: they "
        "differ by no chance; cachegate hitratio asks the whole workload"
    )
    cost = "" if document.harness_ns is None else f"; the harness's own {document.harness_ns:.0f} ns are taken off"
    lines.append(
        f"{document.race_blocks} blocks, {document.complete_blocks} of them of all settings for the parameters' "
        f"effects, {document.confirming_blocks} fresh ones to confirm; {document.trials} trials{cost}"
    )
    lines.append(
        f"{document.elapsed_seconds:.1f} of {document.budget_seconds:g} s, seed {document.seed}, {document.mode}, "
        f"{_asked(document)}, Python {document.environment.python}, {document.environment.cpu_model}"
    )
    return lines
