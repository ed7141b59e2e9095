"""Start the trial processes of a pair, wait for them, or say how one of them ended.

Runs in the parent. A child is a fresh interpreter in a session of its own, with the hash seed of its pair;
whatever happens, all are killed and waited for before `run_ring` returns or raises. A child also carries a
limit set with the kernel, so it ends even when the parent is killed.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from harness.errors import HarnessError
from harness.measure.trial import Job, Trial, parse_trial

_GRACE_SECONDS = 5.0
"""What the parent waits beyond the children's own limits before it ends them."""


class TrialDiedError(Exception):
    """Child number `member` ended without a result: it crashed, was killed, or hung."""

    def __init__(self, member: int, what: str, detail: str = "") -> None:
        super().__init__(f"{what} ({detail})" if detail else what)
        self.member = member


def run_trial(job: Job) -> Trial:
    """Run job in a child process. Raises as `run_ring`."""
    [trial] = run_ring([job])
    if trial is None:
        raise HarnessError("a trial ended without a result and without a reason")
    return trial


def run_ring(jobs: Sequence[Job]) -> list[Trial | None]:
    """Run each job in a child of its own; `time` jobs take turns (see `turns`), `memory` jobs run freely.

    If one gives up because of its cache's errors, the others are stopped and their place holds None.
    Raises UsageError if a spec does not build, LacksCapabilityError if a cache cannot do what is asked, and
    TrialDiedError if a child crashes or hangs.
    """
    tokens = [os.pipe() for _ in jobs]
    with ExitStack() as stack:
        children: list[_Child] = []
        try:
            for me, job in enumerate(jobs):
                ring = {"me": me, "read_fd": tokens[me][0], "write_fds": [write for _, write in tokens]}
                children.append(_Child(job, me, ring, stack))
        finally:
            for ends in tokens:
                for end in ends:
                    os.close(end)
        _wait(children)
        return [child.trial for child in children]


class _Child:
    """One child process and what it has written; killed and waited for when stack closes."""

    def __init__(self, job: Job, me: int, ring: dict[str, Any], stack: ExitStack) -> None:
        self.trial: Trial | None = None
        self._job = job
        self._me = me
        self._chunks: list[bytes] = []
        self._errors: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # the stack closes it
        self._began_ns = time.perf_counter_ns()
        self._process, self.pipe = _start(job, ring, self._errors)
        stack.callback(os.close, self.pipe)
        stack.callback(_end, self._process)

    def read(self) -> bool:
        """Take what the child has written; False once it has closed its end."""
        chunk = os.read(self.pipe, 1 << 20)
        self._chunks.append(chunk)
        return bool(chunk)

    def finish(self) -> bool:
        """Parse its result; False if the cache made it give up. Raises as `run_ring`."""
        data = b"".join(self._chunks)
        if b"\n" not in data:
            raise self._death()
        seconds = (time.perf_counter_ns() - self._began_ns) / 1e9
        self.trial = parse_trial(data, self._job, self._began_ns, seconds)
        return self.trial.gave_up is None

    def hung(self) -> TrialDiedError:
        """The error for a child that does not end."""
        return TrialDiedError(self._me, f"hung for {self._job.limit_seconds:.0f} s and was stopped")

    def _death(self) -> TrialDiedError:
        status = self._process.wait()
        if status == -signal.SIGALRM:
            return self.hung()
        if status < 0:
            what = f"was killed by {signal.Signals(-status).name}"
        else:
            what = f"ended its process with exit status {status}"
        return TrialDiedError(self._me, what, _last_line(self._errors))


def _wait(children: list[_Child]) -> None:
    """Until all have finished or one has given up. Raises as `run_ring`."""
    poll = select.poll()
    open_pipes = {child.pipe: child for child in children}
    for pipe in open_pipes:
        poll.register(pipe, select.POLLIN | select.POLLHUP)
    longest = max(child._job.limit_seconds * (1 + child._job.rounds) for child in children)  # noqa: SLF001  # same module
    deadline = time.monotonic() + len(children) * longest + _GRACE_SECONDS
    while open_pipes:
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if not ready:
            raise next(iter(open_pipes.values())).hung()
        for pipe, _event in ready:
            child = open_pipes[pipe]
            if child.read():
                continue
            poll.unregister(pipe)
            del open_pipes[pipe]
            if not child.finish():
                return


def _start(job: Job, ring: dict[str, Any], errors: IO[bytes]) -> tuple[subprocess.Popen[bytes], int]:
    read_end, write_end = os.pipe()
    environment = os.environ | {
        "PYTHONHASHSEED": str(job.hash_seed),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(Path.cwd()), *filter(None, sys.path)])),
    }
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.measure.child"],
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            pass_fds=(write_end, ring["read_fd"], *ring["write_fds"]),
            start_new_session=True,  # ^C reaches the parent alone, which then ends the children
            env=environment,
        )
    except OSError as error:
        os.close(read_end)
        raise HarnessError(f"a trial process could not be started: {error}") from error
    finally:
        os.close(write_end)
    assert process.stdin is not None  # stdin=PIPE
    try:
        process.stdin.write(job.request(ring, write_end))
        process.stdin.close()
    except BrokenPipeError:
        pass  # it died at once; its exit status tells why
    return process, read_end


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the child, and what it started, unless it has ended; then wait for it."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended meanwhile
    process.wait()


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = [line.strip() for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
