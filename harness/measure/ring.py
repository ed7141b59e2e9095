"""Start the trial processes of a pair, wait for them, or say how one of them ended.

Runs in the parent. The trials of a pair are forks of one fresh interpreter (see `child`), in a session of
their own, with the hash seed of the pair; whatever happens, all are killed and waited for before `run_ring`
returns or raises. Each also carries a limit set with the kernel, so it ends even when the parent is killed.
"""

from __future__ import annotations

import json
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
    """Trial number `member` ended without a result: it crashed, was killed, or hung."""

    def __init__(self, member: int, what: str, detail: str = "") -> None:
        super().__init__(f"{what} ({detail})" if detail else what)
        self.member = member


def run_ring(jobs: Sequence[Job]) -> list[Trial | None]:
    """Run each job in a process of its own; `time` jobs take turns (see `turns`), `memory` jobs run freely.

    If one gives up because of its cache's errors, the others are stopped and their place holds None.
    Raises UsageError if a spec does not build, LacksCapabilityError if a cache cannot do what is asked, and
    TrialDiedError if a trial crashes or hangs.
    """
    with ExitStack() as stack:
        return _Ring(jobs, stack).run()


class _Member:
    """One trial: where it writes its result and its last words."""

    def __init__(self, job: Job, stack: ExitStack) -> None:
        self.job = job
        self.trial: Trial | None = None
        self.chunks: list[bytes] = []
        self.errors: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # the stack closes it
        self.read_fd, self.write_fd = os.pipe()
        stack.callback(os.close, self.read_fd)

    def last_line(self) -> str:
        """The last thing it said on standard output or error."""
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else ""


class _Ring:
    """The processes of one pair, from start to end."""

    def __init__(self, jobs: Sequence[Job], stack: ExitStack) -> None:
        self._members = [_Member(job, stack) for job in jobs]
        self._status_fd, status_write_fd = os.pipe()
        stack.callback(os.close, self._status_fd)
        tokens = [os.pipe() for _ in jobs]
        passed = [status_write_fd, *(end for ends in tokens for end in ends)]
        passed += [fd for member in self._members for fd in (member.write_fd, member.errors.fileno())]
        requests = []
        for me, member in enumerate(self._members):
            ring = {"me": me, "read_fd": tokens[me][0], "write_fds": [write for _, write in tokens]}
            requests.append(member.job.request(ring, member.write_fd, member.errors.fileno()))
        self._began_ns = time.perf_counter_ns()
        try:
            self._process = _start(jobs[0].hash_seed, passed, {"jobs": requests, "status_fd": status_write_fd})
        finally:
            for fd in (status_write_fd, *(end for ends in tokens for end in ends)):
                os.close(fd)
            for member in self._members:
                os.close(member.write_fd)
        self._finished: list[bool] = []
        stack.callback(_end, self._process, self._finished)

    def run(self) -> list[Trial | None]:
        """Until all have finished or one has given up. Raises as `run_ring`."""
        poll = select.poll()
        reading = {member.read_fd: number for number, member in enumerate(self._members)}
        for fd in reading:
            poll.register(fd, select.POLLIN | select.POLLHUP)
        deadline = time.monotonic() + self._longest_seconds()
        while reading:
            ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                raise self._hung(next(iter(reading.values())))
            for fd, _event in ready:
                chunk = os.read(fd, 1 << 20)
                self._members[reading[fd]].chunks.append(chunk)
                if not chunk:
                    poll.unregister(fd)
                    if not self._finish(reading.pop(fd)):
                        return [member.trial for member in self._members]
        self._finished.append(True)
        return [member.trial for member in self._members]

    def _finish(self, number: int) -> bool:
        """Parse the result of trial number; False if its cache made it give up."""
        member = self._members[number]
        data = b"".join(member.chunks)
        if b"\n" not in data:
            raise self._death(number)
        seconds = (time.perf_counter_ns() - self._began_ns) / 1e9
        member.trial = parse_trial(data, member.job, self._began_ns, seconds)
        return member.trial.gave_up is None

    def _death(self, number: int) -> TrialDiedError:
        """Why trial number ended: its interpreter tells the exit codes of its forks, a line each."""
        deadline = time.monotonic() + _GRACE_SECONDS
        lines = b""
        while (remaining := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([self._status_fd], [], [], remaining)
            chunk = os.read(self._status_fd, 4096) if readable else b""
            lines += chunk
            for line in lines.decode().splitlines():
                who, code = (int(part) for part in line.split())
                if who == number:
                    return self._death_by(number, code)
            if not chunk:
                break
        code = self._process.wait(timeout=_GRACE_SECONDS)
        raise HarnessError(f"the trial process ended with {code}: {self._members[number].last_line() or 'no word'}")

    def _death_by(self, number: int, code: int) -> TrialDiedError:
        if code == -signal.SIGALRM:
            return self._hung(number)
        ended = f"ended its process with exit status {code}"
        what = f"was killed by {signal.Signals(-code).name}" if code < 0 else ended
        return TrialDiedError(number, what, self._members[number].last_line())

    def _hung(self, number: int) -> TrialDiedError:
        limit_seconds = self._members[number].job.limit_seconds
        return TrialDiedError(number, f"hung for {limit_seconds:.0f} s and was stopped")

    def _longest_seconds(self) -> float:
        """The most that the trials can take within their own limits."""
        jobs = [member.job for member in self._members]
        return sum(job.limit_seconds * (2 + len(job.turns)) for job in jobs) + _GRACE_SECONDS


def _start(hash_seed: int, passed: list[int], request: dict[str, Any]) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "PYTHONHASHSEED": str(hash_seed),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(Path.cwd()), *filter(None, sys.path)])),
    }
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", "from harness.measure.child import main; main()"],
            stdin=subprocess.PIPE,
            pass_fds=passed,
            start_new_session=True,  # ^C reaches the parent alone, which then ends the children
            env=environment,
        )
    except OSError as error:
        raise HarnessError(f"a trial process could not be started: {error}") from error
    assert process.stdin is not None  # stdin=PIPE
    try:
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
    except BrokenPipeError:
        pass  # it died at once; its exit status tells why
    return process


def _end(process: subprocess.Popen[bytes], finished: list[bool]) -> None:
    """Wait for the interpreter if its forks have finished; else kill it, them and what they started."""
    if finished:
        try:
            process.wait(timeout=_GRACE_SECONDS)  # it counts its forks' CPU, for the disturbance report
        except subprocess.TimeoutExpired:
            pass  # killed below
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended meanwhile
    process.wait()
