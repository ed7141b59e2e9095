"""`gate`, `baseline` and `compare`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from harness.commands.common import (
    DEFAULT_WORKLOAD,
    SPEC_HELP,
    BaselineSpec,
    CandidateSpec,
    Capacity,
    Concurrency,
    Force,
    Json,
    Junit,
    Margins,
    Markdown,
    Metrics,
    Seed,
    TrialLimit,
    Workloads,
    drawn,
    interrupted_by_terminate,
)
from harness.commands.outputs import Outputs
from harness.units import parse_duration

if TYPE_CHECKING:  # slow to import: a command imports what it needs
    from harness.documents import CompareDocument, GateDocument


def gate(
    baseline: BaselineSpec,
    candidate: CandidateSpec,
    workload: Workloads = None,
    budget: Annotated[str, typer.Option(help="Stop after this long, decided or not.")] = "60s",
    metric: Metrics = None,
    margin: Margins = None,
    precise: Annotated[
        bool, typer.Option("--precise", help="Both caches in one process, in slices: finer, but see the README.")
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
    """Drive two caches through the same load in one run and say PROCEED, ROLLBACK or INCONCLUSIVE."""
    from harness.gate.policy import gated
    from harness.measure.contest import Options
    from harness.report.progress import Progress
    from harness.session import GateRequest
    from harness.session import gate as run

    rows = gated(metric or [], margin or [])
    budget_seconds = parse_duration(budget, "budget")
    options = Options(
        workloads=tuple(workload or [DEFAULT_WORKLOAD]),
        seed=drawn(seed),
        capacity=capacity,
        concurrency=concurrency,
        mode="precise" if precise else "pairs",
        limit_seconds=parse_duration(trial_limit, "trial limit"),
    )
    outputs = Outputs(
        force=force, reads=(baseline, candidate, *options.workloads), json=json, junit=junit, markdown=markdown
    )
    request = GateRequest(
        baseline=baseline, candidate=candidate, options=options, gated=rows, budget_seconds=budget_seconds
    )
    interrupted_by_terminate()
    with Progress() as progress:
        document = run(request, progress.say)
    _report(document, outputs)


def baseline(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help=f"The cache to store: {SPEC_HELP}.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The file to write; - is standard output.")
    ],
    workload: Workloads = None,
    pairs: Annotated[int | None, typer.Option(min=20, help="Pairs on each workload. Default: 40.")] = None,
    capacity: Capacity = None,
    concurrency: Concurrency = 1,
    seed: Seed = None,
    trial_limit: TrialLimit = "30s",
    force: Force = False,
) -> None:
    """Measure one cache against the yardstick and store the result, for `compare`."""
    from harness.gate.policy import STORED_PAIRS
    from harness.measure.contest import Options
    from harness.report.progress import Progress
    from harness.report.terminal import show_baseline
    from harness.session import baseline as run

    options = Options(
        workloads=tuple(workload or [DEFAULT_WORKLOAD]),
        seed=drawn(seed),
        capacity=capacity,
        concurrency=concurrency,
        limit_seconds=parse_duration(trial_limit, "trial limit"),
    )
    outputs = Outputs(force=force, reads=(spec, *options.workloads), json=output)
    interrupted_by_terminate()
    with Progress() as progress:
        document = run(spec, options, pairs or STORED_PAIRS, progress.say)
    outputs.deliver(document, partial(show_baseline, path=output))


def compare(
    before: Annotated[Path, typer.Argument(help="A file written by cachegate baseline.")],
    after: Annotated[Path, typer.Argument(help="Another, later.")],
    metric: Metrics = None,
    margin: Margins = None,
    json: Json = None,
    junit: Junit = None,
    markdown: Markdown = None,
    force: Force = False,
) -> None:
    """Compare two stored baselines. The live gate is always the better answer."""
    from harness.gate.policy import GATED, LOAD_GATED, gated
    from harness.session import compare as run

    rows = gated(metric or [], margin or [], (*GATED, *LOAD_GATED))
    outputs = Outputs(force=force, reads=(str(before), str(after)), json=json, junit=junit, markdown=markdown)
    document = run(before, after, rows)
    _report(document, outputs)


def _report(document: GateDocument | CompareDocument, outputs: Outputs) -> NoReturn:
    from harness.report import junit as as_junit
    from harness.report import markdown as as_markdown
    from harness.report import terminal

    outputs.deliver(document, terminal.show, as_junit.render, as_markdown.render)
