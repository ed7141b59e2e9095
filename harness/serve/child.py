"""A host as a child: a job on standard input, where it listens as one line on standard output.

It serves until SIGTERM, or until its standard input ends: whoever started it is gone then.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from cache_impls.registry import SpecError, parse
from harness.errors import UsageError
from harness.passwords import shown
from harness.serve.serving import Serving, serve


def main() -> int:
    """The exit code: 0, 1 if the shutdown failed, 4 if it could not begin."""
    job = json.loads(sys.stdin.readline())
    ours = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a cache prints is not ours, and nobody reads it as it comes

    def ready(where: dict[str, Any]) -> None:
        print(json.dumps(where), file=ours, flush=True)

    try:
        spec = parse(job.pop("spec"))
        problem = serve(Serving(spec=spec, lifeline=True, **job), ready)
    except (UsageError, SpecError) as error:
        print(shown(str(error)), file=sys.stderr)
        return 4
    if problem is not None:
        print(shown(problem), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
