"""`serve`."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from harness.commands.common import SPEC_HELP, Capacity
from harness.errors import UsageError

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

    /flags can be changed with the token that CACHEGATE_TOKEN holds.
    """
    from cache_impls.registry import SpecError, parse

    try:
        from harness.serve.resp import Limits
        from harness.serve.serving import Serving
        from harness.serve.serving import serve as run
    except ImportError as error:
        raise UsageError(f"serving needs the package {error.name}: {_NEEDED}") from error
    token = os.environ.get("CACHEGATE_TOKEN") or None
    if bind not in _LOOPBACK:
        typer.echo(
            f"cachegate: {bind} is not the loopback: everybody who reaches it can read and clear this cache", err=True
        )

    def ready(where: dict[str, Any]) -> None:
        typer.echo(f"{where['spec']} is served at {where['address']}:{where['port']} (RESP); ^C ends it")
        if where["ops_port"] is not None:
            pages = f"http://{where['address']}:{where['ops_port']}"
            changes = "with the token" if token else "set CACHEGATE_TOKEN to allow changes"
            typer.echo(f"operators: {pages}/health  {pages}/metrics  {pages}/flags ({changes})")

    try:
        problem = run(
            Serving(
                spec=parse(spec),
                address=bind,
                port=port,
                ops_port=ops_port,
                token=token,
                capacity=capacity,
                limits=Limits(key=max_key, value=max_value),
            ),
            ready,
        )
    except SpecError as error:
        raise UsageError(str(error)) from error
    if problem is not None:
        typer.echo(f"cachegate: {spec}: {problem}", err=True)
        raise typer.Exit(1)
