"""The proxy server as a child: a job on standard input, where it listens as one line on standard output.

It serves until SIGTERM, or until its standard input ends: whoever started it is gone then.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from harness.chaos.toxiproxy.serving import Job, serve
from harness.errors import UsageError


def main() -> int:
    """The exit code: 0, or 4 if it could not begin."""
    job = json.loads(sys.stdin.readline())
    ours = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is not ours to say

    def ready(where: dict[str, Any]) -> None:
        print(json.dumps(where), file=ours, flush=True)

    try:
        serve(Job(lifeline=True, **job), ready)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
