"""What the commands have in common: their options, and where their output goes."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, NoReturn, Self, TypeVar

import typer

from harness.errors import UsageError

if TYPE_CHECKING:  # slow to import: a command imports what it needs
    from rich.console import Console

    from harness.chaos.document import ChaosDocument
    from harness.documents import CheckDocument, CompareDocument, GateDocument
    from harness.hitratio.document import HitRatioDocument
    from harness.load.document import LoadDocument
    from harness.tune.document import TuneDocument

    _Judged = TypeVar(
        "_Judged",
        bound=GateDocument
        | CompareDocument
        | CheckDocument
        | LoadDocument
        | ChaosDocument
        | HitRatioDocument
        | TuneDocument,
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


def drawn(seed: int | None) -> int:
    """seed, or one drawn."""
    return secrets.randbelow(2**32) if seed is None else seed


def console(*, to_stderr: bool = False) -> Console:
    """Where reports are printed."""
    from harness.report.console import console as make

    return make(sys.stderr if to_stderr else sys.stdout)


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Whoever reads our output may go (`| head`): the exit code stays what it is, the rest goes nowhere."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def interrupted_by_terminate() -> None:
    """From now on SIGTERM is as ^C: what was started is ended."""

    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)


class Outputs(NamedTuple):
    """Where a document goes, beside the terminal."""

    json: Path | None
    """`-`: standard output."""
    junit: Path | None
    markdown: Path | None

    @classmethod
    def checked(cls, json: Path | None, junit: Path | None, markdown: Path | None) -> Self:
        """Raise UsageError if one could not be written where it is asked for: before a long run, not after."""
        from harness import store

        if is_stdout(junit) or is_stdout(markdown):
            raise UsageError("only --json can be written to standard output (-)")
        for path in (json, junit, markdown):
            if path is not None and not is_stdout(path):
                store.check_writable(path)
        return cls(json, junit, markdown)

    def deliver(
        self,
        document: _Judged,
        show: Callable[[_Judged, Console], None],
        as_junit: Callable[[_Judged], str],
        as_markdown: Callable[[_Judged], str],
    ) -> NoReturn:
        """Write the document where it is asked for, print it for people, and leave with its exit code."""
        from harness import store

        if self.json is not None and not is_stdout(self.json):
            store.write_text(self.json, store.to_json(document))
        if self.junit is not None:
            store.write_text(self.junit, as_junit(document))
        if self.markdown is not None:
            store.write_text(self.markdown, as_markdown(document))
        with reader_may_leave():
            if is_stdout(self.json):
                print(store.to_json(document), end="", flush=True)
            show(document, console(to_stderr=is_stdout(self.json)))
        raise typer.Exit(document.exit_code)


def is_stdout(path: Path | None) -> bool:
    """Whether path is `-`."""
    return path is not None and str(path) == "-"
