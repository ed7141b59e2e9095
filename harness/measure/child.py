"""The trial process: one run of one arm, then columns back to the parent.

Reads its jobs (JSON) from standard input. A result is a line of JSON, then the columns it lists as raw
arrays, on the descriptor that the job names. Kinds of job: `time` (drive the requests, measured) and `memory`
(fill, and weigh).

One fresh interpreter serves all trials of a pair: it imports what they share, then each trial is a fork of it.
So the arms of a pair share hash seed and memory layout, both drawn anew for the next pair, and neither has
imported the other's cache. The workload clock is installed before anything of a cache is imported.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from array import array
from pathlib import Path
from typing import Any

from harness.clock import WorkloadClock

Columns = dict[str, "array[int]"]


def main() -> None:
    """Run the jobs on standard input, each in a fork, and tell how each fork ended."""
    request = json.loads(sys.stdin.buffer.read())
    clock = WorkloadClock()
    clock.install()
    import harness.measure.trial_run  # noqa: F401  # for the forks, that all may share it

    jobs = request["jobs"]
    members = {}
    for job in jobs:
        process = os.fork()
        if process == 0:
            # A pipe ends when its last writer closes it, so nobody may hold another's.
            for other in jobs:
                if other is not job:
                    os.close(other["result_fd"])
            _trial(job, clock)
        members[process] = job["ring"]["me"]
    for job in jobs:
        os.close(job["result_fd"])
    for _ in jobs:
        process, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        os.write(request["status_fd"], f"{members[process]} {code}\n".encode())


def _trial(job: dict[str, Any], clock: WorkloadClock) -> None:
    """One trial; does not return."""
    try:
        os.dup2(job["error_fd"], 1)
        os.dup2(job["error_fd"], 2)
        # Ends the process even if the cache holds the interpreter in C code; nobody is left to hang.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, job["limit_seconds"])
        report, columns = _run(job, clock)
        report["columns"] = [[name, column.typecode, len(column)] for name, column in columns.items()]
        with os.fdopen(job["result_fd"], "wb") as pipe:
            pipe.write(json.dumps(report).encode() + b"\n")
            for column in columns.values():
                pipe.write(column.tobytes())
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    finally:
        # Whatever the cache left behind (threads, atexit) must not delay or alter the result.
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def _run(job: dict[str, Any], clock: WorkloadClock) -> tuple[dict[str, Any], Columns]:
    from cache_impls.registry import Spec, SpecError
    from harness.measure.loop import WorkloadLoop
    from harness.measure.trial_run import TrialRun

    specs = [Spec(text=arm["text"], target=arm["target"], parameters=arm["parameters"]) for arm in job["arms"]]
    loop = WorkloadLoop(clock)
    try:
        if job["kind"] == "memory":
            return loop.run_until_complete(_weigh(job, specs[0])), {}
        run = TrialRun(job, specs, loop, clock)
        return loop.run_until_complete(run.main()), run.columns()
    except SpecError as error:
        return {"status": "spec", "message": str(error)}, {}


async def _weigh(job: dict[str, Any], spec: Any) -> dict[str, Any]:
    """Fill the cache with keys and values that only it keeps, and read this process's own memory."""
    from harness.measure.stream import Stream
    from harness.measure.values import fill_up, head_of

    stream = Stream(Path(job["requests"]))
    entries: int = job["entries"]
    rows = min(entries, stream.requests)
    sizes = array("I", stream.column("size", 0, rows))
    ttls_ms = array("I", stream.column("ttl_ms", 0, rows))
    key_format: str = job["key_format"]
    cache = spec.build(capacity=job["capacity"])
    if cache.initialize is not None:
        await cache.initialize()
    gc.collect()
    empty_bytes = unique_bytes()
    for i in range(entries):
        key = key_format.format(i)
        ttl_ms = ttls_ms[i % rows]
        await cache.set(key, fill_up(head_of(i, key), sizes[i % rows]), ttl_ms / 1000 if ttl_ms else None)
    gc.collect()
    filled_bytes = unique_bytes()
    await cache.shutdown()
    return {"status": "ok", "empty_bytes": empty_bytes, "filled_bytes": filled_bytes}


def unique_bytes() -> int:
    """USS: bytes of memory that only this process holds."""
    try:
        with Path("/proc/self/smaps_rollup").open("rb") as file:
            return 1024 * sum(int(line.split()[1]) for line in file if line.startswith(b"Private_"))
    except OSError:
        import psutil  # slow to import: only where the kernel has no such file

        return int(psutil.Process().memory_full_info().uss)


if __name__ == "__main__":
    main()
