"""What there is: caches, workloads, metrics, scenarios, experiments."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cache_impls.registry import known
from harness.chaos.plan import names as experiment_names
from harness.gate.policy import COVERS, GATED, LOAD_GATED, REPORTED
from harness.load.plan import names as scenario_names
from harness.load.plan import scenario
from harness.measure import workload
from harness.measure.traces import FORMATS


def show_listing(console: Console, abilities: Mapping[str, str]) -> None:
    """Print the tables; abilities says of each cache what it can do."""
    caches = _table("caches", "what it is", "what it can do")
    for name, (_target, summary) in sorted(known().items()):
        caches.add_row(name, escape(summary), escape(abilities[name]))
    workloads = _table("workloads", "what it asks", "capacity")
    for name in workload.presets():
        preset = workload.parse(name)
        workloads.add_row(name, escape(preset.title), str(preset.capacity))
    formats = ", ".join(FORMATS)
    workloads.add_row("trace:FILE", f"recorded accesses ({formats}; plain, .gz, .xz or .zst)", "a tenth of its keys")
    metrics = _table("metrics", "a pass covers", "allowed")
    for row in GATED:
        points = " points" if row.metric.unit == "1" else " %"
        metrics.add_row(row.metric.name, COVERS[row.metric.name], f"{row.margin * 100:g}{points}")
    for row in LOAD_GATED:
        metrics.add_row(row.metric.name, f"{COVERS[row.metric.name]} (stress)", f"{row.margin * 100:g} %")
    for metric in REPORTED:
        metrics.add_row(metric.name, "shown, not judged", "-")
    loads = _table("scenarios", "what it asks", "users")
    for name in scenario_names():
        found = scenario(name)
        loads.add_row(name, escape(found.question), f"{found.users:,}")
    for table in (caches, workloads, metrics, loads):
        console.print(table)
        console.print()
    console.print(f"[bold]experiments[/] (cachegate chaos --list says what each asks): {', '.join(experiment_names())}")
    console.print()
    console.print("Any other cache: mypkg.mod:factory or file.py:factory; see README.md.", style="dim")


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading)
    return table
