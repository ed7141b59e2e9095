"""What a child of `children.child` does first: it takes its job, and learns how to tell what happens.

It imports little, because the clocks of some children are replaced before anything else is imported.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

Emit = Callable[..., None]


def take_job() -> tuple[dict[str, Any], Emit]:
    """The job on standard input, and what writes an event as a line of JSON where the job says.

    `here` in a job is false where no cache can be in the working directory: then nothing there is imported.
    A copy of the process (a cache forked, and went on in both) ends where it would tell something.
    """
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    if job.pop("here", True):
        append_working_directory()
    events, me = os.fdopen(job.pop("events_fd"), "w", encoding="utf-8"), os.getpid()

    def emit(event: str, **more: Any) -> None:
        if os.getpid() != me:
            os._exit(1)
        events.write(json.dumps({"event": event} | more) + "\n")
        events.flush()

    return job, emit


def append_working_directory() -> None:
    """Let a cache be found there, after all that is installed: no module of the user's takes the place of another."""
    here = os.getcwd()  # noqa: PTH109  # pathlib is not imported yet
    if here not in sys.path:
        sys.path.append(here)
