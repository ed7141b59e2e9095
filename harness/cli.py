"""The command `cachegate`: arguments in, a session run, a report and an exit code out.

Exit codes: 0 PROCEED, 1 ROLLBACK, 2 INCONCLUSIVE, 3 internal error, 4 usage, 5 nothing was measured, 130 ^C.
"""

from __future__ import annotations

import os
import secrets
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from harness.errors import CachegateError, UsageError
from harness.units import parse_duration

if TYPE_CHECKING:  # slow to import: a command imports what it needs
    from rich.console import Console

    from harness.documents import CompareDocument, GateDocument

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Prove that a cache change is safe before you ship it.",
    epilog="Exit codes: 0 PROCEED, 1 ROLLBACK, 2 INCONCLUSIVE, 3 internal error, 4 usage, "
    "5 nothing was measured, 130 interrupted.",
)

DEFAULT_WORKLOAD = "ycsb-b"

SPEC_HELP = "improved, 'improved?num_shards=64', mypkg.mod:factory or 'file.py:factory?x=1'"
BaselineSpec = Annotated[str, typer.Argument(metavar="BASELINE", help=f"The cache of today: {SPEC_HELP}.")]
CandidateSpec = Annotated[str, typer.Argument(metavar="CANDIDATE", help="The cache that may replace it.")]
Workloads = Annotated[
    list[str] | None,
    typer.Option("--workload", "-w", help="A preset or trace:FILE; may be repeated. Default: ycsb-b."),
]
Capacity = Annotated[int | None, typer.Option(min=1, help="Entries, in place of each workload's own.")]
Concurrency = Annotated[int, typer.Option(min=1, max=1000, help="Clients (tasks) on the event loop.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Order of trials and hash seeds. Default: drawn.")]
TrialLimit = Annotated[str, typer.Option(help="A cache that takes longer for a turn counts as hung.")]
Metrics = Annotated[list[str] | None, typer.Option("--metric", help="Judge only this; may be repeated.")]
Margins = Annotated[
    list[str] | None,
    typer.Option("--margin", help="5% (of both times) or memory=20%; may be repeated."),
]
Json = Annotated[Path | None, typer.Option("--json", help="Write the document here; - is standard output.")]
Junit = Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here.")]
Markdown = Annotated[Path | None, typer.Option("--markdown", help="Write Markdown here.")]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from harness import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(4)


@app.command("list")
def list_() -> None:
    """Show the caches, workloads and metrics that there are."""
    from harness.report.listing import show_listing

    with _reader_may_leave():
        show_listing(_console())


@app.command()
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
        seed=_seed(seed),
        capacity=capacity,
        concurrency=concurrency,
        mode="precise" if precise else "pairs",
        limit_seconds=parse_duration(trial_limit, "trial limit"),
    )
    _check_outputs(json, junit, markdown)
    request = GateRequest(
        baseline=baseline, candidate=candidate, options=options, gated=rows, budget_seconds=budget_seconds
    )
    with Progress() as progress:
        document = run(request, progress.say)
    _report(document, json, junit, markdown)
    raise typer.Exit(document.exit_code)


@app.command()
def baseline(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help=f"The cache to store: {SPEC_HELP}.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    workload: Workloads = None,
    pairs: Annotated[int | None, typer.Option(min=20, help="Pairs on each workload. Default: 40.")] = None,
    capacity: Capacity = None,
    concurrency: Concurrency = 1,
    seed: Seed = None,
    trial_limit: TrialLimit = "30s",
) -> None:
    """Measure one cache against the yardstick and store the result, for `compare`."""
    from harness import store
    from harness.gate.policy import STORED_PAIRS
    from harness.measure.contest import Options
    from harness.report.progress import Progress
    from harness.report.terminal import show_baseline
    from harness.session import baseline as run

    options = Options(
        workloads=tuple(workload or [DEFAULT_WORKLOAD]),
        seed=_seed(seed),
        capacity=capacity,
        concurrency=concurrency,
        limit_seconds=parse_duration(trial_limit, "trial limit"),
    )
    store.check_writable(output)
    with Progress() as progress:
        document = run(spec, options, pairs or STORED_PAIRS, progress.say)
    store.write_text(output, store.to_json(document))
    with _reader_may_leave():
        show_baseline(document, str(output), _console())


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A file written by cachegate baseline.")],
    after: Annotated[Path, typer.Argument(help="Another, later.")],
    metric: Metrics = None,
    margin: Margins = None,
    json: Json = None,
    junit: Junit = None,
    markdown: Markdown = None,
) -> None:
    """Compare two stored baselines. The live gate is always the better answer."""
    from harness.gate.policy import gated
    from harness.session import compare as run

    rows = gated(metric or [], margin or [])
    _check_outputs(json, junit, markdown)
    document = run(before, after, rows)
    _report(document, json, junit, markdown)
    raise typer.Exit(document.exit_code)


def main() -> NoReturn:
    """Run the command line and exit with the code that the outcome has."""
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    try:
        code = app(arguments, standalone_mode=False)
    except TyperException as error:
        return _complain(error.format_message(), 4)
    except CachegateError as error:
        return _complain(str(error), error.exit_code)
    except (KeyboardInterrupt, Abort):
        code = 130
    except Exception:  # a bug of ours: shown whole, with the exit code that says so
        traceback.print_exc()
        return _complain("internal error; this is a bug in cachegate", 3)
    if code == 130:  # Typer turns ^C into this code
        return _complain("interrupted; nothing is left running", 130)
    return code if isinstance(code, int) else 0


def _complain(message: str, code: int) -> int:
    print(f"cachegate: {' '.join(message.split())}", file=sys.stderr)
    return code


def _seed(seed: int | None) -> int:
    return secrets.randbelow(2**32) if seed is None else seed


def _console(*, to_stderr: bool = False) -> Console:
    from harness.report.console import console

    return console(sys.stderr if to_stderr else sys.stdout)


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Whoever reads our output may go (`| head`): the exit code stays what it is, the rest goes nowhere."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _check_outputs(json: Path | None, junit: Path | None, markdown: Path | None) -> None:
    from harness import store

    if _is_stdout(junit) or _is_stdout(markdown):
        raise UsageError("only --json can be written to standard output (-)")
    for path in (json, junit, markdown):
        if path is not None and not _is_stdout(path):
            store.check_writable(path)


def _is_stdout(path: Path | None) -> bool:
    return path is not None and str(path) == "-"


def _report(
    document: GateDocument | CompareDocument, json: Path | None, junit: Path | None, markdown: Path | None
) -> None:
    from harness import store
    from harness.report import junit as as_junit
    from harness.report import markdown as as_markdown
    from harness.report import terminal

    if json is not None and not _is_stdout(json):
        store.write_text(json, store.to_json(document))
    if junit is not None:
        store.write_text(junit, as_junit.render(document))
    if markdown is not None:
        store.write_text(markdown, as_markdown.render(document))
    with _reader_may_leave():
        if _is_stdout(json):
            print(store.to_json(document), end="", flush=True)
        terminal.show(document, _console(to_stderr=_is_stdout(json)))
