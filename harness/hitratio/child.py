"""The process in which one cache answers a whole workload: built as its spec says, unchanged, in workload time.

A process of its own, because the clocks are replaced before the cache is imported, and a cache may hang, exit or
print what it likes. The job comes on standard input; events go to the descriptor that it names.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from typing import Any

from harness.clock import WorkloadClock


def main() -> None:
    """Run the job."""
    job = json.loads(sys.stdin.readline())
    clock = WorkloadClock()
    clock.install()
    if os.getcwd() not in sys.path:  # noqa: PTH109  # pathlib would say the same
        sys.path.append(os.getcwd())  # noqa: PTH109  # as above
    # Ends the process even if the cache holds the interpreter in C code.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    events = os.fdopen(job["events_fd"], "w", encoding="utf-8")

    def emit(event: str, **more: Any) -> None:
        events.write(json.dumps({"event": event} | more) + "\n")
        events.flush()

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
