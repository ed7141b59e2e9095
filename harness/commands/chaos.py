"""`cachegate chaos`: break it on purpose, prove that it broke, prove that it recovered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.common import (
    Json,
    Junit,
    Markdown,
    Outputs,
    Seed,
    console,
    drawn,
    interrupted_by_terminate,
    reader_may_leave,
)
from harness.errors import UsageError


def chaos(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="EXPERIMENT CACHE [CANDIDATE]", help="A name (--list) or a file, then one cache or two."
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every experiment; then there are only caches to name.")] = False,
    each: Annotated[bool, typer.Option("--each", help="Judge each cache by itself; there may be any number.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Show the experiments and their questions.")] = False,
    journals: Annotated[Path | None, typer.Option(help="Keep Chaos Toolkit's journals in this folder.")] = None,
    seed: Seed = None,
    json: Json = None,
    junit: Junit = None,
    markdown: Markdown = None,
) -> None:
    """Break a cache's network, memory, process or second tier while users are at it, and judge every answer.

    `cachegate chaos network_partition improved`; with two caches the second must bear it as well as the first.
    """
    from harness.chaos import plan
    from harness.report import chaos as report

    if list_:
        with reader_may_leave():
            report.show_list(console())
        return
    words = list(what or [])
    experiments = plan.names() if all_ else words[:1]
    caches = words if all_ else words[1:]
    if not experiments or not caches:
        raise UsageError("name an experiment and a cache: cachegate chaos network_partition improved (see --list)")
    if len(caches) > 2 and not each:
        raise UsageError(f"{len(caches)} caches cannot be compared; name two, or judge each by itself with --each")
    if len(set(caches)) < len(caches):
        raise UsageError("the same cache twice; name each once")
    for name in experiments:
        plan.find(name)
    if journals is not None and not journals.is_dir():
        raise UsageError(f"there is no folder {journals}")
    outputs = Outputs.checked(json, junit, markdown)
    _run(tuple(experiments), tuple(caches), len(caches) == 2 and not each, drawn(seed), journals, outputs)


def _run(
    experiments: tuple[str, ...], caches: tuple[str, ...], compared: bool, seed: int, journals: Path | None,
    outputs: Outputs,
) -> None:  # fmt: skip
    from harness.chaos.plan import HOW_TO_INSTALL

    try:
        from harness import session_chaos as session
    except ImportError as error:
        raise UsageError(f"chaos needs the package {error.name}: {HOW_TO_INSTALL}") from error
    from harness.chaos import experiment_file, plan
    from harness.report import chaos as report
    from harness.report.progress import Progress

    for name in experiments:
        if experiment_file.code_of_its_own(experiment_file.read(plan.find(name))):
            print(f"{name} names code of its own: run only files of people you trust", file=sys.stderr, flush=True)
    interrupted_by_terminate()
    request = session.ChaosRequest(
        experiments=experiments, caches=caches, compared=compared, seed=seed, journals=journals
    )
    with Progress() as progress:
        document = session.chaos(request, progress.say)
    outputs.deliver(document, report.show, report.as_junit, report.as_markdown)
