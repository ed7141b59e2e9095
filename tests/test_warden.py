"""The warden: a program's status comes through, its bounds hold, and nothing below it outlives it.

What multiplies runs in a control group that holds it, whatever the warden does; without one those tests are skipped.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness import warden
from harness.children import Warded, environment

CAGE = Path("/sys/fs/cgroup/pids")
MOST_IN_CAGE = 1_000
PATIENCE_SECONDS = 30
# A daemon as they are made: a session of its own, and a parent that has gone.
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)", {marker!r}])
    os._exit(0)
os.wait()
print("made", flush=True)
"""
BOMB = "import os\nwhile True: os.fork()\n"
ALONE = """
import sys
from harness import warden
warden._Group.made = classmethod(lambda cls, most: None)
sys.exit(warden.main(sys.argv[1:]))
"""


@pytest.fixture
def cage(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A control group that this process is in meanwhile: what it starts cannot be more than a thousand."""
    group = CAGE / f"cachegate-test-{os.getpid()}-{request.node.name[:40].replace('/', '-')}"
    try:
        group.mkdir()
        (group / "pids.max").write_text(str(MOST_IN_CAGE))
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        pytest.skip(f"no control group can be made to hold a fork bomb: {error}")
    yield group
    (CAGE / "cgroup.procs").write_text(str(os.getpid()))
    left = (group / "cgroup.procs").read_text().split()
    assert left == []
    group.rmdir()


@contextmanager
def warded(code: str, *arguments: str, seconds: float = 60.0) -> Iterator[Warded]:
    """A program in Python, ended with the block."""
    command = [sys.executable, "-c", code, *arguments]
    with Warded(command, seconds=seconds, stdout=subprocess.PIPE, env=environment()) as process:
        try:
            yield process
        finally:
            process.kill()


def gone(marker: str) -> bool:
    """Whether no process has marker among its arguments, as soon as that is so."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if not any(marker in (process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])):
            return True
    return False


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.abort()", -6),
    ],
)
def test_the_status_is_the_programs(code: str, status: int) -> None:
    """Exit codes and signals, as without a warden."""
    with warded(code) as process:
        assert process.wait(PATIENCE_SECONDS) == status


def test_its_descriptors_are_the_programs_alone() -> None:
    """Its output ends when the program closes it, though the warden lives on."""
    with warded("import os, time; os.write(1, b'x'); os.close(1); time.sleep(60)") as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"x"
        assert process.poll() is None


def test_terminate_reaches_the_program() -> None:
    """It may end well; its warden tells how it did."""
    code = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(7))\nprint(1, flush=True)\ntime.sleep(60)"
    with warded(code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 7


def test_a_daemon_ends_with_the_program(request: pytest.FixtureRequest) -> None:
    """Though it has a session of its own and its parent has gone."""
    marker = f"{request.node.name}-{os.getpid()}"
    with warded(DAEMON.format(marker=marker)) as process:
        assert process.wait(PATIENCE_SECONDS) == 0
        assert gone(marker)


def test_all_ends_with_a_command_that_is_killed(request: pytest.FixtureRequest) -> None:
    """By SIGKILL, which it cannot answer; of the program as of its daemons."""
    marker = f"{request.node.name}-{os.getpid()}"
    program = DAEMON.format(marker=marker) + "time.sleep(60)"
    code = (
        "import subprocess, sys\nfrom harness.children import Warded\n"
        f"process = Warded([sys.executable, '-c', {program!r}, {marker!r}])\nprocess.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"made\n"
        command.send_signal(signal.SIGKILL)
        command.wait(PATIENCE_SECONDS)
    assert gone(marker)


def test_a_program_ends_with_its_warden(request: pytest.FixtureRequest) -> None:
    """Whoever kills the warden kills the program."""
    marker = f"{request.node.name}-{os.getpid()}"
    with warded("print(1, flush=True); import time; time.sleep(60)", marker) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(PATIENCE_SECONDS) == -9
        assert gone(marker)


def test_a_bomb_is_ended(cage: Path) -> None:
    """Of processes that multiply nothing is left, and the status says why."""
    with warded(BOMB) as process:
        assert process.wait(PATIENCE_SECONDS) == warden.TOO_MANY
        assert "256 processes" in str(process.broken_bound())
        assert sum(process.crowded_sessions().values()) > 100
    assert (cage / "cgroup.procs").read_text().split() == [str(os.getpid())]


def test_a_bomb_is_ended_where_no_group_can_be_made(cage: Path) -> None:
    """Counting alone finds it."""
    lifeline, theirs = os.pipe()
    command = [sys.executable, "-c", ALONE, str(lifeline), "60", "64", sys.executable, "-c", BOMB]
    with subprocess.Popen(command, pass_fds=[lifeline], start_new_session=True, env=environment()) as process:
        os.close(lifeline)
        assert process.wait(PATIENCE_SECONDS) == warden.TOO_MANY
    os.close(theirs)


def test_as_many_as_a_cache_may_need_are_left_alone() -> None:
    """A pool of threads and a few workers are no bomb."""
    code = (
        "import threading, time, subprocess, sys\n"
        "for _ in range(64): threading.Thread(target=time.sleep, args=(0.6,)).start()\n"
        "workers = [subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(0.6)']) for _ in range(8)]\n"
        "[worker.wait() for worker in workers]\n"
    )
    with warded(code) as process:
        assert process.wait(PATIENCE_SECONDS) == 0


def test_a_program_that_takes_too_long_is_ended() -> None:
    """With all that it has started, by a deadline from outside."""
    with warded("import time; time.sleep(60)", seconds=0.2) as process:
        assert process.wait(PATIENCE_SECONDS) == warden.TOO_LONG
        assert process.broken_bound() == "it took too long, and was ended"


def test_what_a_killed_warden_left_is_cleared_away(request: pytest.FixtureRequest) -> None:
    """Its program dies with it, daemons do not: whoever started it finds them by their group."""
    marker = f"{request.node.name}-{os.getpid()}"
    if not any(os.access(parent, os.W_OK) for parent in warden._parents()):
        pytest.skip("no control group can be made here, and nothing else leads to an orphan of a killed warden")
    with warded(DAEMON.format(marker=marker) + "time.sleep(60)") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"made\n"
        os.kill(process.pid, signal.SIGKILL)
        process.kill()
        assert gone(marker)
        groups = [path for parent in warden._parents() for path in Path(parent).glob(f"{warden.PREFIX}{process.pid}-*")]
        assert groups == []


def test_a_stopped_warden_is_not_waited_for(request: pytest.FixtureRequest) -> None:
    """What it guards may stop it; it goes on to do its work when that is wanted."""
    marker = f"{request.node.name}-{os.getpid()}"
    with warded("print(1, flush=True); import time; time.sleep(60)", marker) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        os.kill(process.pid, signal.SIGSTOP)
        process.kill()
        assert process.returncode is not None
        assert gone(marker)
