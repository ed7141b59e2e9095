"""At a command's end, what its caches wrote to servers is removed, even if their processes were killed."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def swept(arguments: Sequence[str]) -> Iterator[None]:
    """For a command with these arguments: name its run to its processes, and sweep the servers that they name.

    It costs nothing where none is named. A command that another one runs leaves the sweep to that one.
    """
    from cache_impls.sweep import may_name_a_server

    if "CACHEGATE_RUN" in os.environ or not any(map(may_name_a_server, arguments)):
        yield
        return
    run = os.environ["CACHEGATE_RUN"] = secrets.token_hex(8)
    ended_well = False
    try:
        yield
        ended_well = True
    finally:
        del os.environ["CACHEGATE_RUN"]
        _sweep(arguments, run, aloud=ended_well)


def _sweep(arguments: Sequence[str], run: str, *, aloud: bool) -> None:
    """A server that cannot be swept is told of, unless the command has failed: then it is known to be away."""
    from cache_impls.sweep import remove_run, servers_in

    for url in servers_in(arguments):
        try:
            remove_run(url, run)
        except (ImportError, ValueError, ConnectionError) as error:
            if aloud:
                why = " ".join(str(error).split())
                print(f"cachegate: keys cachegate:{run}:* may be left on a server ({why})", file=sys.stderr)
