"""The check process: conformance, then exploration, of one cache in virtual time; events come out as lines of JSON.

A process of its own, because the clocks are replaced before the cache is imported, and a cache may block, exit or
print what it likes. The job comes on standard input; events go to the descriptor that it names.
"""

from __future__ import annotations

import time
import traceback

from harness.clock import WorkloadClock
from harness.handshake import take_job


def main() -> None:
    """Run the job."""
    job, emit = take_job()
    clock = WorkloadClock()
    real_sleep = time.sleep
    if not job.get("real"):
        clock.install()

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
