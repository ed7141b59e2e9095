"""A host as a child: a job on standard input; where it listens, or why it cannot, as a line on standard output.

It serves until SIGTERM, or until its standard input ends: whoever started it is gone then.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from cache_impls.guard import install as guard_servers
from cache_impls.registry import SpecError, parse
from cache_impls.trust import runs_nothing_foreign
from harness.errors import UsageError
from harness.handshake import append_working_directory
from harness.masking import learn, mask
from harness.serve.resp import Limits
from harness.serve.serving import Serving, serve


def main() -> int:
    """The exit code: 0, 1 if the shutdown failed, 4 if it could not begin."""
    job = json.loads(sys.stdin.readline())
    if not runs_nothing_foreign(job["spec"]):
        append_working_directory()
    learn(job["spec"])
    guard_servers()
    ours = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a cache prints is not ours, and nobody reads it as it comes

    def ready(where: dict[str, Any]) -> None:
        print(json.dumps(where), file=ours, flush=True)

    try:
        spec, limits = parse(job.pop("spec")), Limits(**job.pop("limits", {}))
        problem = serve(Serving(spec=spec, limits=limits, lifeline=True, **job), ready)
    except (UsageError, SpecError) as error:
        ready({"error": mask(str(error))})
        return 4
    if problem is not None:
        print(mask(problem), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
