"""Start the trial processes of a pair, wait for them, or say how one of them ended.

Runs in the parent. The trials of a pair are forks of one fresh interpreter (see `child`), in a session of
their own, with the hash seed of the pair. While they run, the interpreter of the next pair starts. Whatever
happens, all are killed and waited for before `Interpreters` closes; each trial also carries a limit set with
the kernel, and an idle interpreter ends when its parent does.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import IO

from cache_impls.trust import runs_nothing_foreign
from harness.children import Warded, environment, last_part, python, remove_folder, start_process
from harness.errors import HarnessError
from harness.measure.trial import Job, Trial, parse_trial

_GRACE_SECONDS = 5.0
"""What the parent waits beyond the children's own limits before it ends them."""

_MOST_SECONDS = 86_400.0
"""Of one run of trials: many of them with long limits make a time that the kernel's timer cannot hold."""


class TrialDiedError(Exception):
    """Trial number `member` ended without a result: it crashed, was killed, or hung."""

    def __init__(self, member: int, what: str, detail: str = "") -> None:
        super().__init__(f"{what} ({detail})" if detail else what)
        self.member = member


class Interpreters:
    """Fresh interpreters, one for each pair, the next one always on its way. A context manager."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._next: _Interpreter | None = None

    def __enter__(self) -> Interpreters:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._next is not None:
            self._next.close()

    def run(self, jobs: Sequence[Job]) -> list[Trial | None]:
        """Run each job in a process of its own; `time` jobs take turns once the `memory` jobs are done.

        If one gives up because of its cache's errors, the others are stopped and their place holds None.
        Raises UsageError if a spec does not build, LacksCapabilityError if a cache cannot do what is asked,
        and TrialDiedError if a trial crashes or hangs.
        """
        current = self._next or self._start()
        self._next = None
        try:
            current.send(jobs)
            self._next = self._start()
            return current.results()
        finally:
            current.close()

    def _start(self) -> _Interpreter:
        return _Interpreter(self._rng.randrange(1, 2**32))


class _Member:
    """One trial: where it writes its result and its last words."""

    def __init__(self, job: Job, stack: ExitStack) -> None:
        self.job = job
        self.trial: Trial | None = None
        self.chunks: list[bytes] = []
        self.errors: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # the stack closes it
        self.read_fd, self.write_fd = os.pipe()
        stack.callback(os.close, self.read_fd)

    def drain(self) -> None:
        """Take what is left in the pipe, whoever still holds its other end."""
        os.set_blocking(self.read_fd, False)
        try:
            while chunk := os.read(self.read_fd, 1 << 20):
                self.chunks.append(chunk)
        except BlockingIOError:
            pass  # empty, but held open by something that the trial started

    def last_line(self) -> str:
        """The last thing it said on standard output or error."""
        lines = [line.strip() for line in last_part(self.errors.fileno()).splitlines() if line.strip()]
        return lines[-1][:300] if lines else ""


class _Interpreter:
    """One interpreter, from its start until it and its forks have ended."""

    def __init__(self, hash_seed: int) -> None:
        self._stack = ExitStack()
        self._members: list[_Member] = []
        self._finished = False
        self._said = b""
        self._exits: dict[int, int] = {}
        self._pids: dict[int, int] = {}
        self._control, theirs = socket.socketpair()
        self._stack.callback(self._control.close)
        folder = tempfile.mkdtemp(prefix="cachegate-")  # what a cache leaves there ends with its process
        self._stack.callback(remove_folder, folder)
        self._began_ns = time.perf_counter_ns()
        try:
            self._process = start_process(
                python("harness.measure.child"),
                Warded,
                stdin=theirs.fileno(),
                env=environment(PYTHONHASHSEED=str(hash_seed), TMPDIR=folder),
            )
        except OSError as error:
            raise HarnessError(f"a trial process could not be started: {error}") from error
        finally:
            theirs.close()
        self._stack.callback(self._end)

    def send(self, jobs: Sequence[Job]) -> None:
        """Give it its jobs: their text, and the descriptors that the text names by their place."""
        self._members = [_Member(job, self._stack) for job in jobs]
        tokens = [os.pipe() for _ in jobs]
        fds: list[int] = []
        requests = []
        for me, member in enumerate(self._members):
            ends = {"me": me, "token_fd": 2 * me, "token_fds": [2 * place + 1 for place in range(len(jobs))]}
            places = {"result_fd": 2 * len(jobs) + 2 * me, "error_fd": 2 * len(jobs) + 2 * me + 1}
            requests.append(member.job.request() | ends | places)
        fds += [end for ends_of_pipe in tokens for end in ends_of_pipe]
        fds += [fd for member in self._members for fd in (member.write_fd, member.errors.fileno())]
        here = any(not runs_nothing_foreign(spec.text) for job in jobs for spec in job.specs)
        text = json.dumps({"jobs": requests, "began_ns": self._began_ns, "here": here}).encode()
        try:
            socket.send_fds(self._control, [len(text).to_bytes(8, "big")], fds)
            self._control.sendall(text)
        except OSError as error:
            raise HarnessError(f"the trial process ended before it had work ({self._process.wait()})") from error
        finally:
            for ends_of_pipe in tokens:
                for end in ends_of_pipe:
                    os.close(end)
            for member in self._members:
                os.close(member.write_fd)

    def results(self) -> list[Trial | None]:
        """Until all have finished or one has given up. Raises as `Interpreters.run`."""
        poll = select.poll()
        reading = {member.read_fd: number for number, member in enumerate(self._members)}
        for fd in (*reading, self._control.fileno()):
            poll.register(fd, select.POLLIN | select.POLLHUP)
        deadline = time.monotonic() + self._longest_seconds()
        while reading:
            ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                raise self._hung(next(iter(reading.values())))
            ended = []
            for fd, _event in ready:
                if fd == self._control.fileno():
                    if not self._hear():
                        poll.unregister(fd)
                    # Something that a trial started may hold its pipe open; what is in it is whole all the same.
                    ended += [fd for fd, number in reading.items() if number in self._exits]
                    continue
                chunk = os.read(fd, 1 << 20)
                self._members[reading[fd]].chunks.append(chunk)
                if not chunk:
                    ended.append(fd)
            for fd in dict.fromkeys(ended):
                poll.unregister(fd)
                number = reading.pop(fd)
                self._members[number].drain()
                if not self._finish(number):
                    return [member.trial for member in self._members]
        self._finished = True
        return [member.trial for member in self._members]

    def close(self) -> None:
        """End it and everything that it started, and let go of its descriptors."""
        self._stack.close()

    def _finish(self, number: int) -> bool:
        """Parse the result of trial number; False if its cache made it give up."""
        member = self._members[number]
        data = b"".join(member.chunks)
        if b"\n" not in data:
            raise self._death(number)
        member.trial = parse_trial(data, member.job)
        return member.trial.gave_up is None

    def _hear(self) -> bool:
        """Take what the interpreter says of its forks, a line each; False once it has ended itself."""
        try:
            chunk = self._control.recv(4096)
        except OSError:
            return False
        self._said += chunk
        for line in self._said.split(b"\n")[:-1]:  # what follows the last line end is not all there yet
            number, what, value = line.split()
            (self._exits if what == b"ended" else self._pids)[int(number)] = int(value)
        return bool(chunk)

    def _death(self, number: int) -> Exception:
        """Why trial number ended without a result."""
        deadline = time.monotonic() + _GRACE_SECONDS
        while number not in self._exits and (remaining := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([self._control], [], [], remaining)
            if readable and not self._hear():
                break
        if number in self._exits:
            return self._death_by(number, self._exits[number])
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        if (bound := self._process.broken_bound()) is not None:
            crowds = self._process.crowded_sessions()
            whose = max(self._pids, key=lambda member: crowds.get(self._pids[member], 0), default=number)
            return TrialDiedError(whose, f"was ended: {bound}")
        return HarnessError(f"a trial process ended without a word (exit status {self._process.poll()})")

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
        within = sum(job.limit_seconds * (2 + len(job.turns)) for job in jobs) + _GRACE_SECONDS
        return min(within, _MOST_SECONDS)

    def _end(self) -> None:
        """End it, its forks and what they started, and wait for it."""
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._finished and time.monotonic() < deadline:
            # Until it has waited for its forks, so that their CPU is counted.
            readable, _, _ = select.select([self._control], [], [], _GRACE_SECONDS)
            if not readable or not self._hear():
                break
        self._process.kill()
