"""What the commands have in common: their options, and the console."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn, TextIO

import typer

from harness.errors import UnwrittenError

if TYPE_CHECKING:  # slow to import: a command imports what it needs
    from rich.console import Console

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
Json = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the document here; - is standard output.")
]
Junit = Annotated[str | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML here.")]
Markdown = Annotated[str | None, typer.Option("--markdown", metavar="FILE", help="Write Markdown here.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that cachegate did not write, too.")]


def drawn(seed: int | None) -> int:
    """seed, or one drawn."""
    return secrets.randbelow(2**32) if seed is None else seed


def console(stream: TextIO | None = None) -> Console:
    """Where reports are printed: stream, or standard output."""
    from harness.report.console import console as make

    return make(stream or sys.stdout)


@contextmanager
def reader_may_leave(stream: TextIO | None = None) -> Iterator[None]:
    """Whoever reads our output may go (`| head`): the exit code stays what it is, the rest goes nowhere.

    stream is what is printed on, standard output by default. Raises UnwrittenError if it cannot be written to.
    """
    stream = stream or sys.stdout
    try:
        yield
        stream.flush()
    except OSError as error:
        _silence(stream)
        if not isinstance(error, BrokenPipeError):
            name = "standard error" if stream is sys.stderr else "standard output"
            raise UnwrittenError(f"cannot write to {name}: {error.strerror}") from error


def complain(message: str) -> None:
    """Print one line on standard error, if that can be written to."""
    try:
        print(f"cachegate: {' '.join(message.split())}", file=sys.stderr, flush=True)
    except OSError:
        _silence(sys.stderr)  # then the exit code alone tells


def _silence(stream: TextIO) -> None:
    """What is still to be printed on stream goes nowhere; else the interpreter would fail on it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def interrupted_by_terminate() -> None:
    """From now on SIGTERM, and the end of the terminal, are as ^C: what was started is ended."""

    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    for name in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(name) is not signal.SIG_IGN:  # nohup
            signal.signal(name, interrupted)
