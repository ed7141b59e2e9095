"""The trial process: one run of one arm, then columns back to the parent.

Reads its jobs (JSON) and the descriptors they need from a socket. A result is a line of JSON, then the
columns it lists as raw arrays, on the descriptor of its job. Kinds of job: `time` (drive the requests, measured)
and `memory` (fill, and weigh).

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
from time import perf_counter_ns
from typing import Any

from harness.clock import WorkloadClock
from harness.handshake import append_working_directory

MAX_FDS = 252
"""Descriptors that a request can carry, four a trial: the kernel lets one message hold 253."""

Columns = dict[str, "array[int]"]


def main() -> None:
    """Import what trials share, run the jobs that come, each in a fork, and tell how each fork ended."""
    clock = WorkloadClock()
    clock.install()
    import socket  # after the clock is installed, as all below

    import harness.measure.trial_run  # noqa: F401  # for the forks, that all may share it
    from cache_impls.guard import install as guard_servers

    guard_servers()

    control = socket.socket(fileno=0)
    ready_ns = perf_counter_ns()
    header, fds, _flags, _address = socket.recv_fds(control, 8, MAX_FDS)
    if len(header) < 8:
        return  # the parent has gone, or needs no more trials
    length = int.from_bytes(header, "big")
    text = b""
    while len(text) < length:
        text += control.recv(length - len(text))
    request = json.loads(text)
    jobs = request["jobs"]
    if request["here"]:
        append_working_directory()
    members = {}
    for number, job in enumerate(jobs):
        process = os.fork()
        if process == 0:
            # A pipe ends when its last writer closes it, so nobody may hold another's.
            for other in jobs:
                if other is not job:
                    os.close(fds[other["result_fd"]])
            control.close()
            os.setsid()  # of too many processes the session tells whose they are
            _trial(job, fds, clock, ready_ns - request["began_ns"])
        members[process] = number
        control.send(f"{number} began {process}\n".encode())
    for job in jobs:
        os.close(fds[job["result_fd"]])
    for _ in jobs:
        process, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        control.send(f"{members[process]} ended {code}\n".encode())


def _trial(job: dict[str, Any], fds: list[int], clock: WorkloadClock, imports_ns: int) -> None:
    """One trial; does not return. imports_ns is what its interpreter took to be ready."""
    forked_ns = perf_counter_ns()
    from harness.measure.trial_run import CacheFailedError

    try:
        for name in ("result_fd", "error_fd", "token_fd"):
            job[name] = fds[job[name]]
        job["token_fds"] = [fds[place] for place in job["token_fds"]]
        os.dup2(job["error_fd"], 1)
        os.dup2(job["error_fd"], 2)
        # Ends the process even if the cache holds the interpreter in C code; nobody is left to hang.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, job["limit_seconds"])
        try:
            report, columns = _run(job, clock)
        except CacheFailedError as error:
            print(error, flush=True)
            os._exit(1)
        except Exception as error:  # of the cache all are caught, so this is ours; the parent ends with code 3
            import traceback

            traceback.print_exc()
            report, columns = {"status": "bug", "message": f"{type(error).__name__}: {error}"}, {}
        if "first_operation_ns" in report:
            report["start_ns"] = imports_ns + report.pop("first_operation_ns") - forked_ns
        report["columns"] = [[name, column.typecode, len(column)] for name, column in columns.items()]
        with os.fdopen(job["result_fd"], "wb") as pipe:
            pipe.write(json.dumps(report).encode() + b"\n")
            for column in columns.values():
                pipe.write(column.tobytes())
    except BaseException as error:  # a cache that calls sys.exit ends its process, as it wants
        print(f"{type(error).__name__}: {error}", flush=True)
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


def _turns(job: dict[str, Any]) -> Any:
    from harness.measure.turns import TurnTaker

    return TurnTaker(job["me"], job["turns"], job["token_fd"], job["token_fds"], job["limit_seconds"])


async def _weigh(job: dict[str, Any], spec: Any) -> dict[str, Any]:
    """Fill the cache with keys and values that only it keeps, and read this process's own memory."""
    from cache_impls.protocol import Capability
    from harness.measure.stream import Stream
    from harness.measure.trial_run import CacheFailedError, initialize
    from harness.measure.values import fill_up, head_of

    stream = Stream(Path(job["requests"]))
    entries: int = job["entries"]
    rows = min(entries, stream.requests)
    sizes = array("I", stream.column("size", 0, rows))
    ttls_ms = array("I", stream.column("ttl_ms", 0, rows))
    key_format: str = job["key_format"]
    cache = spec.build(capacity=job["capacity"])
    await initialize(cache)
    gc.collect()
    empty_bytes = unique_bytes()
    for i in range(entries):
        key = key_format.format(i)
        ttl_ms = ttls_ms[i % rows]
        if i % 1000 == 0:
            signal.setitimer(signal.ITIMER_REAL, job["limit_seconds"])
        try:
            await cache.set(key, fill_up(head_of(i, key), sizes[i % rows]), ttl_ms / 1000 if ttl_ms else None)
        except Exception as error:
            raise CacheFailedError(f"set({key!r}) raised {type(error).__name__}: {error}") from error
    gc.collect()
    filled_bytes = unique_bytes()
    # A bound of the spec's own may have evicted some: bytes count for those that are there.
    held = await cache.size() if Capability.SIZE in cache.capabilities else entries
    await cache.shutdown()
    if job["turns"]:
        _turns(job).ready()  # the timed trials wait for this, so that nothing runs beside them
    return {"status": "ok", "empty_bytes": empty_bytes, "filled_bytes": filled_bytes, "held": held}


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
