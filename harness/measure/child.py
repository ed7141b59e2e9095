"""The trial process: one run of one arm, then columns back to the parent.

Reads a job (JSON) from standard input and writes a result to the descriptor that the job names: a line of
JSON, then the columns it lists as raw arrays. Imports no more than it needs, and installs the workload
clock before anything of the cache. A limit set with the kernel ends it whatever the cache does.

Kinds of job: `time` (drive the requests, measured) and `memory` (fill, and weigh).
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
    """Run the job on standard input."""
    job = json.loads(sys.stdin.buffer.read())
    # Ends the process even if the cache holds the interpreter in C code; nobody is left to hang.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, job["limit_seconds"])
    clock = WorkloadClock()
    clock.install()
    report, columns = _run(job, clock)
    report["columns"] = [[name, column.typecode, len(column)] for name, column in columns.items()]
    with os.fdopen(job["result_fd"], "wb") as pipe:
        pipe.write(json.dumps(report).encode() + b"\n")
        for column in columns.values():
            pipe.write(column.tobytes())
    # The cache had its shutdown; whatever it left behind (threads, atexit) must not delay or alter the result.
    sys.stdout.flush()
    os._exit(0)


def _run(job: dict[str, Any], clock: WorkloadClock) -> tuple[dict[str, Any], Columns]:
    from cache_impls.registry import Spec, SpecError  # after the clock is installed

    specs = [Spec(text=arm["text"], target=arm["target"], parameters=arm["parameters"]) for arm in job["arms"]]
    try:
        return (_weigh if job["kind"] == "memory" else _drive)(job, specs, clock)
    except SpecError as error:
        return {"status": "spec", "message": str(error)}, {}


def _drive(job: dict[str, Any], specs: list[Any], clock: WorkloadClock) -> tuple[dict[str, Any], Columns]:
    from harness.measure.loop import WorkloadLoop
    from harness.measure.trial_run import TrialRun

    loop = WorkloadLoop(clock)
    run = TrialRun(job, specs, loop, clock)
    return loop.run_until_complete(run.main()), run.columns()


def _weigh(job: dict[str, Any], specs: list[Any], clock: WorkloadClock) -> tuple[dict[str, Any], Columns]:
    """Fill the cache with keys and values that only it keeps, and read this process's own memory."""
    from harness.measure.loop import WorkloadLoop
    from harness.measure.stream import Stream
    from harness.measure.values import fill_up, head_of

    stream = Stream(Path(job["requests"]))
    entries: int = job["entries"]
    rows = min(entries, stream.requests)
    sizes = array("I", stream.column("size", 0, rows))
    ttls_ms = array("I", stream.column("ttl_ms", 0, rows))
    key_format: str = job["key_format"]

    async def fill() -> dict[str, Any]:
        cache = specs[0].build(capacity=job["capacity"])
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

    return WorkloadLoop(clock).run_until_complete(fill()), {}


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
