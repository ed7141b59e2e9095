"""`python -m harness.chaos.toxiproxy`: the proxy server for people, in the place of toxiproxy-server."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from harness.chaos.toxiproxy.api import VERSION
from harness.chaos.toxiproxy.guard import TOKEN_VARIABLE
from harness.chaos.toxiproxy.serving import Job, serve
from harness.errors import UsageError


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.chaos.toxiproxy", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="where the API listens")
    parser.add_argument("--port", type=int, default=8474, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="of jitter, slices and toxicity")
    parser.add_argument("--anywhere", action="store_true", help="allow addresses that other machines reach")
    parser.add_argument("--version", action="version", version=VERSION)
    given = parser.parse_args()
    token = os.environ.get(TOKEN_VARIABLE) or None

    def ready(where: dict[str, Any]) -> None:
        who = "" if token else f", for whoever reaches it ({TOKEN_VARIABLE} would give it a secret)"
        where_text = f"http://{where['address']}:{where['port']}"
        print(f"Toxiproxy's API is served at {where_text}, seed {given.seed}{who}", flush=True)

    try:
        serve(Job(host=given.host, port=given.port, seed=given.seed, anywhere=given.anywhere, token=token), ready)
    except UsageError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
