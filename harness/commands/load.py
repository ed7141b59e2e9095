"""`stress` and `load`."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from harness.commands.common import (
    SPEC_HELP,
    Capacity,
    Force,
    Json,
    Junit,
    Margins,
    Markdown,
    Metrics,
    Seed,
    drawn,
    interrupted_by_terminate,
)
from harness.commands.outputs import Outputs
from harness.errors import UsageError
from harness.units import parse_duration

if TYPE_CHECKING:  # slow to import: a command imports what it needs
    from harness.load.document import LoadDocument
    from harness.load.single import Load

Target = Annotated[
    str, typer.Argument(metavar="TARGET", help=f"A cache ({SPEC_HELP}) or a server (valkey://127.0.0.1:6379/0).")
]
Users = Annotated[int | None, typer.Option("--users", "-u", min=1, max=20_000, help="Default: the scenario's.")]
RunTime = Annotated[str | None, typer.Option("--run-time", "-t", help="300s, 10m. Default: the scenario's.")]
Workload = Annotated[str | None, typer.Option("--workload", "-w", help="Default: the scenario's.")]
Processes = Annotated[int, typer.Option(min=1, max=64, help="Of the driver: each needs a processor.")]
OneIn = Annotated[
    int | None,
    typer.Option("--history-one-in", min=0, help="Judge the laws on one key in so many; 0: not. Default: as fits."),
]
_NEEDED = "pip install 'cachegate[load]'"
_LEAST_SECONDS = 2.0


def stress(
    cache: Target,
    candidate: Annotated[
        str | None, typer.Argument(metavar="[CANDIDATE]", help="Another: both, in fresh pairs, with a verdict.")
    ] = None,
    users: Users = None,
    run_time: RunTime = None,
    workload: Workload = None,
    capacity: Capacity = None,
    processes: Processes = 1,
    history_one_in: OneIn = None,
    metric: Metrics = None,
    margin: Margins = None,
    seed: Seed = None,
    save: Annotated[
        str | None,
        typer.Option("--save", metavar="FILE", help="Store the one cache, against the yardstick, for compare."),
    ] = None,
    json: Json = None,
    junit: Junit = None,
    markdown: Markdown = None,
    force: Force = False,
) -> None:
    """A hundred users as fast as they can, then at half of that; every answer is judged.

    Of two caches the users ask both, turn by turn, for --run-time each.
    """
    stored = save is not None
    if stored and candidate is not None:
        raise UsageError("--save stores one cache; leave the candidate out")
    if stored and (json or junit or markdown):
        raise UsageError("--save writes a document of its own; leave --json, --junit and --markdown out")
    outputs = Outputs(
        force=force,
        reads=(cache, candidate or "", workload or ""),
        json=save if stored else json,
        junit=junit,
        markdown=markdown,
    )
    asked = (users, run_time, workload, None, capacity, processes, history_one_in, seed)
    if candidate is None and save is None:
        if metric or margin:
            raise UsageError("--metric and --margin are for two caches; name a candidate")
        _run("stress", "stress", cache, asked, outputs)
    run = _imported()
    from harness.gate.policy import LOAD_GATED, gated
    from harness.report.progress import Progress

    rows = gated(metric or [], margin or [], LOAD_GATED)
    request = _request("stress", *asked)
    if candidate is None:
        _save(request, cache, save or "", outputs)
    with Progress() as progress:
        document = run.duel(request, (cache, candidate), rows, progress.say)
    _report(document, outputs)


def load(
    cache: Target,
    scenario: Annotated[str, typer.Option("--scenario", "-s", help="load, spike, soak, concurrency, llm.")] = "load",
    users: Users = None,
    run_time: RunTime = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Requests a second. Default: the scenario's.")] = None,
    workload: Workload = None,
    capacity: Capacity = None,
    processes: Processes = 1,
    history_one_in: OneIn = None,
    seed: Seed = None,
    json: Json = None,
    junit: Junit = None,
    markdown: Markdown = None,
    force: Force = False,
) -> None:
    """Requests that come at their rate, answered or not: a growing crowd, a spike, a soak; every answer is judged."""
    outputs = Outputs(force=force, reads=(cache, workload or ""), json=json, junit=junit, markdown=markdown)
    asked = (users, run_time, workload, rate, capacity, processes, history_one_in, seed)
    _run("load", scenario, cache, asked, outputs)


Asked = tuple[int | None, str | None, str | None, float | None, int | None, int, int | None, int | None]
"""Users, run time, workload, rate, capacity, processes, one key in so many, seed."""


def _run(kind: Literal["stress", "load"], name: str, cache: str, asked: Asked, outputs: Outputs) -> NoReturn:
    run = _imported()
    from harness.report.progress import Progress

    request = _request(name, *asked)
    with Progress() as progress:
        document = run.load(request, cache, kind, progress.say)
    _report(document, outputs)


def _save(request: Load, cache: str, path: str, outputs: Outputs) -> NoReturn:
    run = _imported()
    from harness.gate.policy import MIN_STORED_PAIRS
    from harness.load.duel import LEAST_PAIR_SECONDS
    from harness.report.progress import Progress
    from harness.report.terminal import show_baseline

    pairs = max(MIN_STORED_PAIRS, int(request.seconds / LEAST_PAIR_SECONDS))
    with Progress() as progress:
        document = run.save(request, cache, pairs, progress.say)
    outputs.deliver(document, partial(show_baseline, path=path))


def _imported() -> ModuleType:
    """The session, or what to install."""
    interrupted_by_terminate()
    try:
        from harness import session_load
    except ImportError as error:
        raise UsageError(f"load needs the package {error.name}: {_NEEDED}") from error
    return session_load


def _request(
    name: str, users: int | None, run_time: str | None, workload: str | None, rate: float | None,
    capacity: int | None, processes: int, one_in: int | None, seed: int | None,
) -> Load:  # fmt: skip
    from harness.load.plan import scenario
    from harness.load.single import Load
    from harness.measure.workload import parse

    named = scenario(name)
    seconds = named.run_seconds if run_time is None else parse_duration(run_time, "run time")
    if seconds < _LEAST_SECONDS:
        raise UsageError(f"a run time of {seconds:g} s is too short to see anything; give it {_LEAST_SECONDS:g} s")
    parse(workload or named.workload)
    many = named.users if users is None else users
    if processes > many:
        raise UsageError(f"{processes} processes for {many} users; give each at least one")
    return Load(
        scenario=named,
        workload=workload or named.workload,
        users=many,
        seconds=seconds,
        rate=named.rate if rate is None else rate,
        seed=drawn(seed),
        processes=processes,
        capacity=capacity,
        one_in=one_in,
    )


def _report(document: LoadDocument, outputs: Outputs) -> NoReturn:
    from harness.report import loads

    outputs.deliver(document, loads.show, loads.as_junit, loads.as_markdown)
