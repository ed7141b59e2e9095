"""Child processes: started so that ^C loses none, and one that is given a job and tells what happens.

The latter is for processes in which a cache runs: JSON lines come out of a pipe; it may print, block, exit or crash,
and whatever it starts ends with it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

Event = dict[str, Any]

START_SECONDS = 60.0
"""For the import of a cache and its libraries."""
_END_SECONDS = 2.0


def start_process(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """A process, as `subprocess.Popen` starts it; ^C in the middle of that ends it too.

    Popen alone loses a process that it has forked when a signal's handler raises before it returns.
    """
    if threading.current_thread() is not threading.main_thread():
        return subprocess.Popen(command, **options)  # signals are handled elsewhere
    heard: list[int] = []
    names = [name for name in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(name))]
    before = {name: signal.signal(name, lambda number, _frame: heard.append(number)) for name in names}
    try:
        process = subprocess.Popen(command, **options)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    try:
        for number in heard:
            signal.raise_signal(number)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process


class Child:
    """A process that runs a module's `main`, which reads its job from standard input."""

    def __init__(self, process: subprocess.Popen[str], events_fd: int, complaints: IO[str]) -> None:
        self._process = process
        self._events_fd = events_fd
        self._complaints = complaints

    def events(self, silence_seconds: float) -> Iterator[Event]:
        """What it tells, until it ends or nothing has come for silence_seconds (`START_SECONDS` at first)."""
        rest, patience = b"", max(START_SECONDS, silence_seconds)
        while select.select([self._events_fd], [], [], patience)[0]:
            patience = silence_seconds
            part = os.read(self._events_fd, 65536)
            if not part:
                return
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                yield json.loads(line)

    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None if it does not end."""
        try:
            return self._process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def last_words(self) -> str:
        """The last line that it wrote to standard error."""
        self._complaints.seek(0)
        return self._complaints.read().strip().rpartition("\n")[2]

    def end(self) -> None:
        """End it and whatever it has started."""
        try:
            os.killpg(self._process.pid, 9)
        except ProcessLookupError:
            pass  # all have ended
        self._process.wait()


@contextmanager
def child(module: str, job: dict[str, Any], hash_seed: int) -> Iterator[Child]:
    """module as a process with its hash seed; job reaches it with `events_fd`, where it is to write its events."""
    read_fd, write_fd = os.pipe()
    complaints = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  # closed below, with the rest
    folder = tempfile.TemporaryDirectory(prefix="cachegate-")  # what a cache leaves there ends with its process
    process: subprocess.Popen[str] = start_process(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        pass_fds=(write_fd,),
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed), "TMPDIR": folder.name},
        text=True,
        start_new_session=True,  # ^C is ours to hand on; and whatever the cache starts ends with it
    )
    os.close(write_fd)
    made = Child(process, read_fd, complaints)
    try:
        assert process.stdin is not None  # a pipe was asked for
        try:
            process.stdin.write(json.dumps(job | {"events_fd": write_fd}) + "\n")
            process.stdin.close()
        except BrokenPipeError:
            pass  # it died at once: told by its exit code
        yield made
    finally:
        made.end()
        os.close(read_fd)
        complaints.close()
        folder.cleanup()
