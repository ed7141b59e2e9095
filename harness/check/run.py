"""Run the check process and collect what it says; a cache that blocks, exits or kills it is a finding."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

Say = Callable[[str], None]
Event = dict[str, Any]

START_SECONDS = 60.0
"""For the import of a cache and its libraries."""
SILENCE_SECONDS = 60.0
"""The child says something after every bulk and every proof (ten seconds), and gives up what blocks after five."""


@dataclass
class Events:
    """All that a check process said."""

    cache: Event = field(default_factory=dict)
    rules: list[Event] = field(default_factory=list)
    violations: list[Event] = field(default_factory=list)
    shape: Event = field(default_factory=dict)
    recorded: list[Event] = field(default_factory=list)
    """Workloads that were driven."""
    schedules: int = 0
    operations: int = 0
    problems: list[str] | None = None
    """What C13 found; None if exploration did not come to its end."""
    staleness: list[int] = field(default_factory=list)
    """Of a migration: writes by how long its sides were apart, by `agreement.EDGES_NS`."""
    crashed: Event = field(default_factory=dict)
    """Checkers that failed, and how."""
    internal: Event | None = None
    """A failure of ours."""
    knobs: Event | None = None
    """What C12 found."""
    native: bool = False
    slept: Event | None = None
    replayed: Event | None = None
    bad: str | None = None
    """Why the cache could not be built."""
    real: str | None = None
    """Why it cannot be simulated."""
    blocked: Event | None = None
    """The schedule in which it did not give control back; empty if even the process was silent."""
    doing: str = ""
    """What it last said that it was about to do, beside rules and schedules."""
    ended: bool = False
    """Whether the child came to the end of its work."""
    died: str | None = None
    """How the process ended, if not by itself."""


def run(job: dict[str, Any], hash_seed: int, say: Say) -> Events:
    """Run job in a process of its own, with its hash seed, until it ends or is silent for too long."""
    found = Events()
    with _process(job, hash_seed) as (process, lines, complaints):
        for event in _events(lines):
            _take(event, found, say)
        code = _end(process)
        if code is None:
            found.blocked = {}
        elif code == 0 and not found.ended:
            found.died = "exit code 0"
        elif code != 0:
            complaints.seek(0)
            last = complaints.read().strip().rpartition("\n")[2]
            found.died = f"signal {-code}" if code < 0 else f"exit code {code}{': ' + last if last else ''}"
    return found


def _take(event: Event, found: Events, say: Say) -> None:
    kind = event.pop("event")
    if kind == "rule":
        found.rules.append(event)
        say(f"rule {event['id']}: {event['verdict']}")
    elif kind == "violation":
        found.violations.append(event)
    elif kind == "recorded":
        found.recorded.append(event)
        found.crashed |= event["crashed"]
        say(f"{event['name']}: {event['operations']} operations judged")
    elif kind == "progress":
        found.schedules, found.operations = event["schedules"], event["operations"]
        broken = f", broken: {' '.join(violation['check'] for violation in found.violations)}"
        say(f"{found.schedules} schedules, {found.operations} operations{broken if found.violations else ''}")
    elif kind == "clock":
        found.native = event["native"]
    elif kind == "end":
        found.ended = True
    elif kind == "explored":
        found.problems, found.crashed, found.staleness = event["problems"], event["crashed"], event["staleness"]
    elif kind == "alive":
        found.doing = event["doing"]
        say(f"{found.schedules} schedules, {found.operations} operations; {event['doing']}")
    elif kind in ("bad", "real"):
        setattr(found, kind, event["message"])
    else:
        setattr(found, kind, event)


@contextmanager
def _process(job: dict[str, Any], hash_seed: int) -> Iterator[tuple[subprocess.Popen[str], int, IO[str]]]:
    read_fd, write_fd = os.pipe()
    complaints = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  # closed below, with the rest
    folder = tempfile.TemporaryDirectory(prefix="cachegate-")  # what a cache leaves there ends with its process
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.check.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        pass_fds=(write_fd,),
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed), "TMPDIR": folder.name},
        text=True,
        start_new_session=True,  # ^C is ours to hand on; and whatever the cache starts ends with it
    )
    os.close(write_fd)
    try:
        assert process.stdin is not None  # a pipe was asked for
        try:
            process.stdin.write(json.dumps(job | {"events_fd": write_fd}) + "\n")
            process.stdin.close()
        except BrokenPipeError:
            pass  # it died at once: told by its exit code
        yield process, read_fd, complaints
    finally:
        _kill(process)
        os.close(read_fd)
        complaints.close()
        folder.cleanup()


def _events(read_fd: int) -> Iterator[Event]:
    """Events until the pipe ends, or nothing has come for too long."""
    rest, patience = b"", START_SECONDS
    while select.select([read_fd], [], [], patience)[0]:
        patience = SILENCE_SECONDS
        part = os.read(read_fd, 65536)
        if not part:
            return
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield json.loads(line)


def _end(process: subprocess.Popen[str]) -> int | None:
    """Its exit code; None if it does not end."""
    try:
        return process.wait(timeout=2.0)
    except subprocess.TimeoutExpired:
        return None


def _kill(process: subprocess.Popen[str]) -> None:
    """End it and whatever it has started."""
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        pass  # all have ended
    process.wait()
