"""`check`, `replay` and `explain`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from harness.commands.common import (
    SPEC_HELP,
    Capacity,
    Force,
    Json,
    Junit,
    Markdown,
    Seed,
    console,
    drawn,
    reader_may_leave,
)
from harness.commands.outputs import Outputs
from harness.errors import UsageError
from harness.units import parse_duration


def check(
    spec: Annotated[str | None, typer.Argument(metavar="SPEC", help=f"The cache: {SPEC_HELP}.")] = None,
    budget: Annotated[str, typer.Option(help="Explore for so long.")] = "20s",
    seed: Seed = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="Only this: calm, cancel, stall, clock, room or errors; may be repeated. Default: all."),
    ] = None,
    workload: Annotated[
        list[str] | None,
        typer.Option(
            "--workload", "-w", help="Drive this too, every answer judged: a preset or trace:FILE; may be repeated."
        ),
    ] = None,
    clients: Annotated[int, typer.Option(min=1, max=1000, help="Clients (tasks) of a workload.")] = 4,
    capacity: Capacity = None,
    history: Annotated[
        str | None, typer.Option(metavar="FILE", help="Save the history of the workload here (.npz).")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only the check with this id; may be repeated.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Bad manners fail the check too.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Show all checks and end.")] = False,
    json: Json = None,
    junit: Junit = None,
    markdown: Markdown = None,
    force: Force = False,
) -> None:
    """Find what is wrong with a cache, and prove it with the shortest history."""
    from harness.check.verdicts import CheckRequest
    from harness.report import checks
    from harness.report.progress import Progress
    from harness.session_check import check as run

    if list_:
        with reader_may_leave():
            checks.show_catalogue(console())
        return
    if spec is None:
        raise UsageError("which cache? write cachegate check SPEC, for instance cachegate check improved")
    outputs = Outputs(
        force=force,
        reads=(spec, *(workload or ())),
        json=json,
        junit=junit,
        markdown=markdown,
        history=history,
    )
    with ExitStack() as stack:
        saved = None
        if history is not None:  # the cache's process leaves it there; it writes to no place of the user's
            saved = Path(stack.enter_context(TemporaryDirectory(prefix="cachegate-")), "history.npz")
        request = CheckRequest(
            spec=spec,
            seed=drawn(seed),
            budget_seconds=parse_duration(budget, "budget"),
            faults=tuple(fault or ()),
            workloads=tuple(workload or ()),
            clients=clients,
            capacity=capacity,
            history=saved,
            only=tuple(only or ()),
            strict=strict,
        )
        with Progress() as progress:
            document = run(request, progress.say)
        outputs.deliver(document, checks.show, checks.junit, checks.markdown, saved)


def replay(
    name: Annotated[str, typer.Argument(metavar="ID-OR-FILE", help="As `check` printed it, or the file.")],
    spec: Annotated[
        str | None, typer.Argument(metavar="[SPEC]", help="Another cache, for instance a fixed one.")
    ] = None,
) -> None:
    """Play a recorded schedule again, step by step. Exit code 1 if it still breaks the law, 0 if it does not."""
    from harness.report import checks
    from harness.report.progress import Progress
    from harness.session_check import EXIT_CODES
    from harness.session_check import replay as run

    with Progress() as progress:
        document, verdict, reason = run(name, spec, progress.say)
    outputs = Outputs()
    outputs.show(lambda screen: checks.show_replay(document, verdict, reason, screen))
    outputs.leave(EXIT_CODES[verdict])


def explain(
    identity: Annotated[str, typer.Argument(metavar="CHECK", help="An id, as check --list shows them.")],
) -> None:
    """Say what a check means, with an example."""
    from harness.report import checks

    with reader_may_leave():
        checks.show_explanation(identity, console())
