"""The check process: conformance, then exploration, of one cache in virtual time; events come out as lines of JSON.

A process of its own, because the clocks are replaced before the cache is imported, and a cache may block, exit or
print what it likes. The job comes on standard input; events go to the descriptor that it names.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from harness.clock import WorkloadClock

Emit = Callable[..., None]


def main() -> None:
    """Run the job."""
    job = json.loads(sys.stdin.readline())
    clock = WorkloadClock()
    real_sleep = time.sleep
    if not job.get("real"):
        clock.install()
    if os.getcwd() not in sys.path:  # noqa: PTH109  # pathlib would say the same
        sys.path.append(os.getcwd())  # noqa: PTH109  # as above
    events = os.fdopen(job["events_fd"], "w", encoding="utf-8")

    def emit(event: str, **more: Any) -> None:
        events.write(json.dumps({"event": event} | more) + "\n")
        events.flush()

    from cache_impls.guard import install as guard_servers  # after the clock is installed, as all below
    from harness.check import work
    from harness.simulate.tape import said

    guard_servers()
    try:
        if job.get("real"):
            work.run_really(job, emit)
        else:
            work.run(job, clock, real_sleep, emit)
    except Exception as error:  # ours: the cache's own are caught where they are raised, and told as findings
        emit("internal", message=said(error), where=traceback.format_exc())
    emit("end")


if __name__ == "__main__":
    main()
