"""Child processes: ^C while one is being started leaves none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.children import child, environment, last_part, python, remove_folder, start_process

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def forked() -> list[subprocess.Popen[Any]]:
    """All processes that `interrupting` started."""
    return []


@pytest.fixture
def interrupting(forked: list[subprocess.Popen[Any]]) -> Callable[[signal.Signals], Callable[..., Any]]:
    """A Popen in which this signal comes as soon as the process was forked, before it returns."""

    def by(number: signal.Signals) -> Callable[..., Any]:
        def popen(*arguments: Any, **options: Any) -> subprocess.Popen[Any]:
            forked.append(subprocess.Popen(*arguments, **options))
            os.kill(os.getpid(), number)
            return forked[-1]

        return popen

    return by


def test_a_signal_in_the_middle_ends_what_was_forked(
    forked: list[subprocess.Popen[Any]], interrupting: Callable[[signal.Signals], Callable[..., Any]]
) -> None:
    """It is raised after all, and no process is left; the handlers are as they were."""
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        start_process(SLEEPS, interrupting(signal.SIGINT))
    assert not psutil.pid_exists(forked[0].pid)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_means_nothing_changes_nothing(
    forked: list[subprocess.Popen[Any]], interrupting: Callable[[signal.Signals], Callable[..., Any]]
) -> None:
    """The handler is called once, and the process lives."""
    calls: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: calls.append(number))
    try:
        process = start_process(SLEEPS, interrupting(signal.SIGTERM))
        assert (process, process.poll(), calls) == (forked[0], None, [signal.SIGTERM])
    finally:
        signal.signal(signal.SIGTERM, before)
        forked[0].kill()
        forked[0].wait()


def test_a_thread_may_start_one() -> None:
    """Where no signal can be handled, none is held."""
    started: list[subprocess.Popen[Any]] = []
    thread = threading.Thread(target=lambda: started.append(start_process([sys.executable, "-c", ""])))
    thread.start()
    thread.join()
    assert started[0].wait() == 0


def test_a_child_finds_what_is_installed_before_anything_of_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """PYTHONPATH and our own path come after it, the working directory not at all; PYTHONPATH is there for others."""
    beside, here = tmp_path / "beside", tmp_path / "here"
    for folder in (beside, here):
        folder.mkdir()
        for name in ("psutil", "queue", "numpy"):
            (folder / f"{name}.py").write_text("raise RuntimeError('not this one')\n")
    (beside / "own.py").write_text(
        "import os, queue, sys, numpy, psutil\n"
        "def main(): print(sys.argv, os.environ['PYTHONPATH'], os.getcwd() in sys.path)\n"
    )
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", ["", str(here), *sys.path])
    monkeypatch.setenv("PYTHONPATH", str(beside))
    sys.path.append(str(beside))
    told = subprocess.run([*python("own"), "a"], env=environment(), capture_output=True, text=True, check=False)
    assert told.stdout == f"['own', 'a'] {beside} False\n", told.stderr


@pytest.mark.parametrize("line", ["5", "[" * 60_000, "{", '{"event": 5}', '{"no": "event"}'])
def test_what_a_cache_writes_among_the_events_ends_its_process(tmp_path: Path, line: str) -> None:
    """What came before it is told; the rest is none of our child's."""
    (tmp_path / "writes.py").write_text(
        "import os\nfrom harness.handshake import take_job\n"
        "def main():\n"
        "    job, emit = take_job()\n"
        "    emit('one')\n"
        "    for fd in range(3, 64):\n"
        "        name = f'/proc/self/fd/{fd}'\n"
        "        if os.path.islink(name) and os.readlink(name).startswith('pipe:'):\n"
        "            os.write(fd, job['line'].encode() + b'\\n')\n"
        "    emit('two')\n"
    )
    sys.path.append(str(tmp_path))
    try:
        with child("writes", {"line": line}, 0, 30.0) as process:
            assert [event["event"] for event in process.events(30.0)] == ["one"]
    finally:
        sys.path.remove(str(tmp_path))


def test_of_a_long_file_the_end_alone_is_read(tmp_path: Path) -> None:
    """A cache makes its standard error as long as it likes, with one call."""
    path = tmp_path / "complaints"
    with path.open("wb") as file:
        file.truncate(10_000_000_000)
        file.seek(0, 2)
        file.write(b"\nits last words")
    with path.open("rb") as file:
        found = last_part(file.fileno())
    assert found.endswith("\nits last words")
    assert len(found) < 100_000


def test_a_folder_that_became_a_link_leads_nowhere(tmp_path: Path) -> None:
    """The link goes, what it leads to stays."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("")
    (tmp_path / "ours").symlink_to(tmp_path / "theirs")
    remove_folder(str(tmp_path / "ours"))
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]
    assert (tmp_path / "theirs" / "file").exists()
