"""`hitratio`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.commands.common import (
    SPEC_HELP,
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
from harness.units import parse_duration

_WORKLOAD = "scan"
"""Of the presets the one that asks an eviction most; where everything fits all caches are alike."""


def hitratio(
    caches: Annotated[list[str], typer.Argument(metavar="CACHE...", help=f"{SPEC_HELP}; any number of them.")],
    workload: Annotated[
        list[str] | None,
        typer.Option("--workload", "-w", help=f"A preset or trace:FILE; may be repeated. Default: {_WORKLOAD}."),
    ] = None,
    capacity: Annotated[
        str | None, typer.Option(help="Entries, one number or several: 500,1000,2000. Default: the workload's own.")
    ] = None,
    requests: Annotated[
        int | None,
        typer.Option(min=1, help="Ask no more than so many. Default: a trace whole, 200,000 of a preset."),
    ] = None,
    seed: Seed = None,
    trial_limit: TrialLimit = "30s",
    json: Json = None,
    junit: Junit = None,
    markdown: Markdown = None,
    force: Force = False,
) -> None:
    """Show the hit ratio of caches on whole workloads, beside LRU and the optimal, at each capacity."""
    from harness.report import hitratio as report
    from harness.report.progress import Progress
    from harness.session_hitratio import HitRatioRequest
    from harness.session_hitratio import hitratio as run

    request = HitRatioRequest(
        caches=tuple(caches),
        workloads=tuple(workload or [_WORKLOAD]),
        capacities=_capacities(capacity),
        requests=requests,
        seed=drawn(seed),
        limit_seconds=parse_duration(trial_limit, "trial limit"),
    )
    outputs = Outputs(force=force, reads=(*caches, *request.workloads), json=json, junit=junit, markdown=markdown)
    interrupted_by_terminate()
    with Progress() as progress:
        document = run(request, progress.say)
    outputs.deliver(document, report.show, report.junit, report.markdown)


def _capacities(text: str | None) -> tuple[int, ...]:
    """Ascending, each once. Raises UsageError for what is no list of entries."""
    if text is None:
        return ()
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise UsageError(f"capacity {text!r} is not a list of entries; write 500 or 500,1000,2000") from None
    if found[0] < 1:
        raise UsageError(f"capacity {text!r}: a cache needs room for at least 1 entry")
    return tuple(found)
