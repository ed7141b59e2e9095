"""The process in which one cache answers a whole workload: built as its spec says, unchanged, in workload time.

A process of its own, because the clocks are replaced before the cache is imported, and a cache may hang, exit or
print what it likes. The job comes on standard input; events go to the descriptor that it names.
"""

from __future__ import annotations

import os
import signal
import traceback

from harness.clock import WorkloadClock
from harness.handshake import take_job


def main() -> None:
    """Run the job."""
    job, emit = take_job()
    clock = WorkloadClock()
    clock.install()
    # Ends the process even if the cache holds the interpreter in C code.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)

    from cache_impls.guard import install as guard_servers  # after the clock is installed, as all below
    from cache_impls.registry import SpecError
    from harness.hitratio.work import Answering
    from harness.measure.loop import WorkloadLoop
    from harness.measure.trial_run import CacheFailedError

    guard_servers()
    emit("started")
    loop = WorkloadLoop(clock)
    try:
        loop.run_until_complete(Answering(job, loop, clock, emit).run())
    except SpecError as error:
        emit("bad", message=str(error))
    except CacheFailedError as error:
        emit("failed", message=str(error))
    except Exception:  # ours: of the cache all are caught where they are raised
        emit("internal", where=traceback.format_exc())
    os._exit(0)  # whatever the cache left behind (threads, atexit) must not delay the end


if __name__ == "__main__":
    main()
