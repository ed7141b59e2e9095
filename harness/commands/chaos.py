"""`cachegate chaos`: break it on purpose, prove that it broke, prove that it recovered."""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.common import (
    Force,
    Json,
    Junit,
    Markdown,
    Seed,
    console,
    drawn,
    interrupted_by_terminate,
    reader_may_leave,
)
from harness.commands.outputs import Outputs
from harness.errors import UsageError
from harness.masking import mask

_LONGEST = 50
"""Characters of a spec in the name of a journal."""


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
    journals: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Keep Chaos Toolkit's journals in this folder.")
    ] = None,
    seed: Seed = None,
    json: Json = None,
    junit: Junit = None,
    markdown: Markdown = None,
    force: Force = False,
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
    files = [plan.find(name) for name in experiments]
    kept = _journals(journals, files, caches)
    outputs = Outputs(
        force=force,
        reads=(*map(str, files), *caches),
        json=json,
        junit=junit,
        markdown=markdown,
        journals=kept.values(),
    )
    _run(tuple(experiments), tuple(caches), len(caches) == 2 and not each, drawn(seed), kept, outputs)


def _run(
    experiments: tuple[str, ...], caches: tuple[str, ...], compared: bool, seed: int,
    journals: dict[tuple[str, str], Path], outputs: Outputs,
) -> None:  # fmt: skip
    from harness.chaos.plan import HOW_TO_INSTALL

    try:
        from harness import session_chaos as session
    except ImportError as error:
        raise UsageError(f"chaos needs the package {error.name}: {HOW_TO_INSTALL}") from error
    from harness.chaos import experiment_file, plan
    from harness.report import chaos as report
    from harness.report.progress import Progress

    def keep(experiment: str, cache: str, journal: str) -> str | None:
        path = journals.get((experiment, cache))
        return str(path) if path is not None and outputs.keep(path, journal) else None

    for name in experiments:
        if experiment_file.code_of_its_own(experiment_file.read(plan.find(name))):
            print(f"{name} names code of its own: run only files of people you trust", file=sys.stderr, flush=True)
    interrupted_by_terminate()
    request = session.ChaosRequest(experiments=experiments, caches=caches, compared=compared, seed=seed, keep=keep)
    with Progress() as progress:
        document = session.chaos(request, progress.say)
    outputs.deliver(document, report.show, report.as_junit, report.as_markdown)


def _journals(folder: str | None, experiments: list[Path], caches: list[str]) -> dict[tuple[str, str], Path]:
    """A file for the journal of each experiment on each cache. Raises UsageError if there is no such folder."""
    if folder is None:
        return {}
    if not folder or not os.path.isdir(folder):  # noqa: PTH112  # takes any text
        raise UsageError(f"--journals needs a folder, and there is no folder {folder!r}")
    return {
        (file.stem, cache): Path(folder, f"{file.stem}-{_in_a_name(mask(cache))}.json")
        for file in experiments
        for cache in caches
    }


def _in_a_name(spec: str) -> str:
    """spec as the name of a file holds it; of a long one the beginning, and a digest in the place of the rest."""
    name = "".join(char if char.isalnum() or char in "-_." else "-" for char in spec)
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}-{sha256(spec.encode()).hexdigest()[:8]}"
