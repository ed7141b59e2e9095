"""Child processes: how each is started, and how those in which code of others runs are kept within bounds.

Rules:
1. ^C in the middle of a start loses no process (`start_process`).
2. No child looks for modules in the working directory before the standard library and what is installed (`python`).
3. A process that runs code of others has a warden (`Warded`): so many processes, so many seconds, and everything below
   it ends with it, or with whoever started it, however that ends.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar, overload

from harness.warden import TOO_LONG, TOO_MANY, clear_away

Event = dict[str, Any]
_P = TypeVar("_P", bound="subprocess.Popen[Any]")

START_SECONDS = 60.0
"""For the import of a cache and its libraries."""
MOST_PROCESSES = 256
"""Processes and threads that a cache may have at once, its own process with them."""
MOST_SECONDS = 86_400.0
"""Of a process whose work has no limit of its own."""
_END_SECONDS = 2.0
_WARDEN_SECONDS = 15.0
"""In which a warden ends what is below it; it gives up after ten."""
_WARDEN = str(Path(__file__).with_name("warden.py"))
_LONGEST_EVENT = 16 * 1024 * 1024
_LAST_BYTES = 64 * 1024
_ROOT = str(Path(__file__).resolve().parent.parent)
_BOOT = """
import os, sys
before, after, program = sys.argv[1:4]
del sys.argv[1:4]
sys.path += [path for path in after.split(os.pathsep) if path and path not in sys.path]
if before:
    os.environ["PYTHONPATH"] = before
sys.argv[0] = program
sys.exit(__import__(program, fromlist=["main"]).main())
"""


def python(module: str) -> list[str]:
    """The command that runs a module's `main` as a child, with our path; give it `environment()`.

    The standard library and what is installed come first, then whatever else is on our own path; the working directory
    is not among it: whoever loads a cache appends it, last.
    """
    here = os.getcwd()  # noqa: PTH109  # pathlib would say the same
    mine = [path for path in [*sys.path, _ROOT] if path and (path != here or path == _ROOT)]
    return [sys.executable, "-P", "-c", _BOOT, os.environ.get("PYTHONPATH", ""), os.pathsep.join(mine), module]


def environment(**more: str) -> dict[str, str]:
    """Ours, and more, for `python`: which hands PYTHONPATH on by itself, after the standard library."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more


class Warded(subprocess.Popen[Any]):
    """A process of code of others, and its warden, which is what Popen knows: `pid` is the warden's.

    It ends with the exit status of the process; with `warden.TOO_MANY` or `TOO_LONG` if it had to be ended.
    """

    def __init__(self, command: Sequence[str], *, seconds: float = MOST_SECONDS, **options: Any) -> None:
        ours, theirs = socket.socketpair()
        self._lifeline: socket.socket | None = ours
        limits = [str(theirs.fileno()), f"{seconds:.3f}", str(MOST_PROCESSES)]
        options["pass_fds"] = (*options.get("pass_fds", ()), theirs.fileno())
        options["start_new_session"] = True  # ^C is ours to hand on
        try:
            super().__init__([sys.executable, "-I", "-S", _WARDEN, *limits, *command], **options)
        except BaseException:
            ours.close()
            self._lifeline = None
            raise
        finally:
            theirs.close()

    def send_signal(self, sig: int) -> None:
        """SIGTERM or SIGKILL, to the process and not to its warden."""
        letters = {signal.SIGTERM: b"T", signal.SIGKILL: b"K"}
        if self.poll() is None and self._lifeline is not None:
            with suppress(BrokenPipeError):
                self._lifeline.sendall(letters[signal.Signals(sig)])

    def kill(self) -> None:
        """End it and everything below it, and wait for that; should its warden not live or not answer, without it."""
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None:
            lifeline.close()
            super().send_signal(signal.SIGCONT)  # what it guards may have stopped it
        try:
            self.wait(_WARDEN_SECONDS)
        except subprocess.TimeoutExpired:
            super().send_signal(signal.SIGKILL)
            self.wait()
        if lifeline is not None and self.returncode == -signal.SIGKILL:
            clear_away()

    def __del__(self) -> None:
        """Let go of the lifeline, should nobody have."""
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None
        super().__del__()

    def broken_bound(self) -> str | None:
        """Which of the bounds it broke, in words, if it did."""
        if self.poll() == TOO_MANY:
            return f"it had more than {MOST_PROCESSES} processes and threads at once, and was ended"
        return "it took too long, and was ended" if self.poll() == TOO_LONG else None

    def crowded_sessions(self) -> dict[int, int]:
        """Processes by session, of one that had too many; empty for any other."""
        if self.poll() != TOO_MANY or self._lifeline is None:
            return {}
        numbers = [int(word) for word in self._lifeline.recv(1 << 20).split()]
        return dict(zip(numbers[::2], numbers[1::2], strict=True))


@overload
def start_process(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]: ...
@overload
def start_process(command: Sequence[str], how: Callable[..., _P], **options: Any) -> _P: ...
def start_process(command: Sequence[str], how: Callable[..., Any] = subprocess.Popen, **options: Any) -> Any:
    """A process, as `subprocess.Popen` or `Warded` starts it; ^C in the middle of that ends it too.

    Popen alone loses a process that it has forked when a signal's handler raises before it returns.
    """
    if threading.current_thread() is not threading.main_thread():
        return how(command, **options)  # signals are handled elsewhere
    heard: list[int] = []
    names = [name for name in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(name))]
    before = {name: signal.signal(name, lambda number, _frame: heard.append(number)) for name in names}
    try:
        process = how(command, **options)
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

    def __init__(self, process: Warded, events_fd: int, complaints: IO[str]) -> None:
        self._process = process
        self._events_fd = events_fd
        self._complaints = complaints

    def events(self, silence_seconds: float) -> Iterator[Event]:
        """What it tells, until it ends or nothing has come for silence_seconds (`START_SECONDS` at first).

        What is no event ends the process: whoever wrote it there is none of ours.
        """
        rest, patience = b"", max(START_SECONDS, silence_seconds)
        while select.select([self._events_fd], [], [], patience)[0]:
            patience = silence_seconds
            part = os.read(self._events_fd, 65536)
            if not part:
                return
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                event = _event(line)
                if event is None:
                    self.end()
                    return
                yield event
            if len(rest) > _LONGEST_EVENT:
                self.end()
                return

    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None if it does not end."""
        try:
            return self._process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def broken_bound(self) -> str | None:
        """Which of the bounds it broke, in words, if it did."""
        return self._process.broken_bound()

    def last_words(self) -> str:
        """The last line that it wrote to standard error."""
        return last_part(self._complaints.fileno()).strip().rpartition("\n")[2]

    def end(self) -> None:
        """End it and whatever it has started."""
        self._process.kill()


def remove_folder(path: str) -> None:
    """Take a folder away in which foreign code was at work: it may be anything by now, and no link is followed."""
    with suppress(RecursionError):  # of folders in folders in folders
        shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        Path(path).unlink(missing_ok=True)


def _event(line: bytes) -> Event | None:
    """A line of a child as what it is to be; None for what a cache wrote there."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def last_part(descriptor: int) -> str:
    """The end of a file that others write, as text: not all of it, since a cache may make it as long as it likes."""
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, _LAST_BYTES, max(0, size - _LAST_BYTES)).decode(errors="replace")


@contextmanager
def child(module: str, job: dict[str, Any], hash_seed: int, seconds: float = MOST_SECONDS) -> Iterator[Child]:
    """module as a process with its hash seed, for so many seconds at most.

    job reaches it with `events_fd`, where it is to write its events as lines of JSON.
    """
    read_fd, write_fd = os.pipe()
    complaints = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  # closed below
    folder = tempfile.mkdtemp(prefix="cachegate-")  # what a cache leaves there ends with its process
    process = start_process(
        python(module),
        Warded,
        seconds=seconds,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        pass_fds=(write_fd,),
        env=environment(PYTHONHASHSEED=str(hash_seed), TMPDIR=folder),
        text=True,
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
        remove_folder(folder)
