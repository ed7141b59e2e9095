"""`serve`."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from subprocess import PIPE
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands.common import SPEC_HELP, Capacity
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.children import Warded

_DRAIN_SECONDS = 15
"""For clients to finish and the cache to shut down; the host itself takes at most ten."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_NEEDED = "pip install 'cachegate[load]'"


def serve(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help=f"The cache: {SPEC_HELP}.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="For Redis clients; 0 takes a free one.")] = 6380,
    ops_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="For /health, /metrics and /flags over HTTP. Default: none.")
    ] = None,
    bind: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    capacity: Capacity = None,
    max_value: Annotated[int, typer.Option(min=1, help="Bytes of the largest value that is taken.")] = 16 * 1024 * 1024,
    max_key: Annotated[int, typer.Option(min=1, help="Bytes of the longest key that is taken.")] = 64 * 1024,
) -> None:
    """Serve a cache to any Redis client, until ^C or SIGTERM.

    Clients need the password that CACHEGATE_PASSWORD holds, if it does; /flags the token of CACHEGATE_TOKEN.
    """
    try:
        import harness.serve.serving  # noqa: F401  # what it needs is told now
    except ImportError as error:
        raise UsageError(f"serving needs the package {error.name}: {_NEEDED}") from error
    token = os.environ.get("CACHEGATE_TOKEN") or None
    password = os.environ.get("CACHEGATE_PASSWORD") or None
    if bind not in _LOOPBACK and password is None:
        typer.echo(
            f"cachegate: {bind} is not the loopback: everybody who reaches it can read and clear this cache; "
            "set CACHEGATE_PASSWORD to ask clients for a password",
            err=True,
        )

    def ready(where: dict[str, Any]) -> None:
        typer.echo(f"{where['spec']} is served at {where['address']}:{where['port']} (RESP); ^C ends it")
        if where["ops_port"] is not None:
            pages = f"http://{where['address']}:{where['ops_port']}"
            changes = "with the token" if token else "set CACHEGATE_TOKEN to allow changes"
            typer.echo(f"operators: {pages}/health  {pages}/metrics  {pages}/flags ({changes})")

    job = {
        "spec": spec,
        "address": bind,
        "port": port,
        "ops_port": ops_port,
        "token": token,
        "password": password,
        "capacity": capacity,
        "limits": {"key": max_key, "value": max_value},
    }
    code = _until_it_ends(job, ready)
    if code:
        raise typer.Exit(code)


def _until_it_ends(job: dict[str, Any], ready: Callable[[dict[str, Any]], None]) -> int:
    """Serve in a process of its own until ^C or SIGTERM; its exit code. A second ^C does not wait for clients.

    Raises UsageError with the host's own words for a cache that cannot be served, or a port that is taken.
    """
    from harness.children import Warded, environment, python, start_process

    host = start_process(
        python("harness.serve.child"), Warded, stdin=PIPE, stdout=PIPE, text=True, env=environment(), seconds=0
    )
    assert host.stdin is not None  # a pipe was asked for
    assert host.stdout is not None  # as above
    try:
        host.stdin.write(json.dumps(job) + "\n")
        host.stdin.flush()
        where = host.stdout.readline()
        told = json.loads(where or "{}")
        if "error" in told:
            raise UsageError(told["error"])
        if told:
            _end_on_signals(host)  # first: whoever reads that it is served may end it at once
            ready(told)
        return int(host.wait())
    finally:
        host.kill()


def _end_on_signals(host: Warded) -> None:
    """The first signal lets clients finish, for a while; the second ends the host."""
    asked: list[int] = []

    def end(number: int, _frame: object) -> None:
        asked.append(number)
        if len(asked) > 1:
            host.send_signal(signal.SIGKILL)
            return
        host.terminate()
        signal.signal(signal.SIGALRM, lambda *_: host.send_signal(signal.SIGKILL))
        signal.alarm(_DRAIN_SECONDS)

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, end)
