"""`tune`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.commands.common import (
    DEFAULT_WORKLOAD,
    SPEC_HELP,
    Capacity,
    Concurrency,
    Force,
    Json,
    Junit,
    Markdown,
    Seed,
    TrialLimit,
    drawn,
    interrupted_by_terminate,
)
from harness.commands.outputs import Outputs
from harness.errors import UsageError
from harness.units import parse_duration, parse_fraction

_NAMES = {"time": "operation_time", "cpu": "cpu_time"}
"""Short for a metric's name; the others are short already."""


def tune(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help=f"The cache; its own settings are the default: {SPEC_HELP}.")
    ],
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", help="num_shards=4,8,16: values to try; one -p a parameter."),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(help="time, cpu, tail, memory or hit_ratio; the first decides. May be repeated. Default: time."),
    ] = None,
    workload: Annotated[str, typer.Option("--workload", "-w", help="A preset or trace:FILE.")] = DEFAULT_WORKLOAD,
    budget: Annotated[str, typer.Option(help="Stop after this long, decided or not.")] = "120s",
    precision: Annotated[
        str, typer.Option(help="Confirm the winner until its interval against the default is this, either side.")
    ] = "0.5%",
    full_grid: Annotated[
        bool, typer.Option("--full-grid", help="Drop nothing: all settings to the end, to compare with a race.")
    ] = False,
    capacity: Capacity = None,
    concurrency: Concurrency = 1,
    seed: Seed = None,
    trial_limit: TrialLimit = "30s",
    json: Json = None,
    junit: Junit = None,
    markdown: Markdown = None,
    force: Force = False,
) -> None:
    """Race the settings of a cache: which is best, by how much, and which parameters do anything at all."""
    from harness.gate.policy import TUNED
    from harness.report import tune as report
    from harness.report.progress import Progress
    from harness.session_tune import TuneRequest
    from harness.session_tune import tune as run

    rows = {row.metric.name: row for row in TUNED}
    short = {full: name for name, full in _NAMES.items()}
    wanted = list(dict.fromkeys(_NAMES.get(name, name) for name in objective or ["time"]))
    for name in wanted:
        if name not in rows:
            raise UsageError(f"no objective {name!r}; there are {', '.join(short.get(name, name) for name in rows)}")
    request = TuneRequest(
        spec=spec,
        varied=tuple(parameter or ()),
        workload=workload,
        seed=drawn(seed),
        objectives=tuple(rows[name] for name in wanted),
        budget_seconds=parse_duration(budget, "budget"),
        precision=parse_fraction(precision, "precision"),
        full_grid=full_grid,
        capacity=capacity,
        concurrency=concurrency,
        limit_seconds=parse_duration(trial_limit, "trial limit"),
    )
    outputs = Outputs(force=force, reads=(spec, workload, *request.varied), json=json, junit=junit, markdown=markdown)
    interrupted_by_terminate()
    with Progress() as progress:
        document = run(request, progress.say)
    outputs.deliver(document, report.show, report.as_junit, report.as_markdown)
