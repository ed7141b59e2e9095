"""The command `cachegate`: arguments in, a session run, a report and an exit code out.

Exit codes: 0 PROCEED or pass, 1 ROLLBACK or fail, 2 INCONCLUSIVE or unknown, 3 internal error, 4 usage, 5 nothing was
measured, 6 as 0 but an output could not be written, 130 ^C. The commands are in `commands/`, one file a family.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from typing import Annotated, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from harness import masking
from harness.commands import chaos, check, gate, hitratio, load, serve, tune
from harness.commands.common import complain, console, interrupted_by_terminate, reader_may_leave
from harness.commands.swept import swept
from harness.errors import CachegateError, UnwrittenError

_URLS, _CREDENTIALS = ("TOXIPROXY_URL",), ("CACHEGATE_TOKEN", "CACHEGATE_PASSWORD", "CACHEGATE_TOXIPROXY_TOKEN")
"""Environment variables that hold addresses, and credentials."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Prove that a cache change is safe before you ship it.",
    epilog="Exit codes: 0 PROCEED or pass, 1 ROLLBACK or fail, 2 INCONCLUSIVE or unknown, 3 internal error, 4 usage, "
    f"5 nothing was measured, {UnwrittenError.exit_code} as 0 but an output could not be written, 130 interrupted.",
)


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
    """Show the caches, workloads, metrics, scenarios and experiments that there are."""
    from cache_impls.registry import known
    from harness.look import abilities
    from harness.report.listing import show_listing

    found = abilities(sorted(known()))
    with reader_may_leave():
        show_listing(console(), found)


for _command in (
    *(gate.gate, gate.baseline, gate.compare, hitratio.hitratio, tune.tune),
    *(check.check, check.replay, check.explain),
    *(load.stress, load.load, serve.serve),
    chaos.chaos,
):
    app.command()(_command)


def main() -> NoReturn:
    """Run the command line and exit with the code that the outcome has."""
    _open_standard_streams()
    interrupted_by_terminate()
    arguments = sys.argv[1:]
    for given in (*arguments, *(os.environ.get(name, "") for name in _URLS)):
        masking.learn(given)
    for name in _CREDENTIALS:
        masking.hide(os.environ.get(name, ""))
    if masking.active():
        sys.stdout, sys.stderr = masking.MaskingStream(sys.stdout), masking.MaskingStream(sys.stderr)
    sys.exit(_run(arguments))


def _run(arguments: list[str]) -> int:
    try:
        with swept(arguments):
            code = app(arguments, standalone_mode=False)
    except TyperException as error:
        return _complain(error.format_message(), 4)
    except CachegateError as error:
        return _complain(str(error), error.exit_code)
    except (KeyboardInterrupt, Abort):
        code = 130
    except Exception:  # a bug of ours: shown whole, with the exit code that says so
        with suppress(OSError):  # whether or not that can be shown
            traceback.print_exc()
        return _complain("internal error; this is a bug in cachegate", 3)
    if code == 130:  # Typer turns ^C into this code
        return _complain("interrupted; nothing is left running", 130)
    return code if isinstance(code, int) else 0


def _complain(message: str, code: int) -> int:
    complain(message)
    return code


def _open_standard_streams() -> None:
    """A standard stream that is closed becomes /dev/null: else the next file that is opened would be in its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
