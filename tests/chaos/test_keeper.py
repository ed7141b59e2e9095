"""Undo before do: what is broken is whole again, whoever dies."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.chaos import undo
from harness.chaos.keeper import Keeper
from harness.chaos.lease import Leases

PATIENCE_SECONDS = 20


@pytest.fixture
def sleeper() -> Iterator[psutil.Process]:
    """A process of our own that does nothing."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


def line(number: int, what: undo.Undo, seconds: float) -> str:
    """As an owner writes it."""
    return json.dumps({"id": number, "kind": what.kind, "what": what.what, "seconds": seconds})


def await_status(process: psutil.Process, *wanted: str) -> None:
    """Until the system says so."""
    for _ in range(1000):
        if process.status() in wanted:
            return
        process.cpu_percent(0.01)  # a look that takes a moment
    raise AssertionError(f"{process.status()}, not {wanted}")


def test_each_kind_makes_whole_and_may_come_twice(sleeper: psutil.Process) -> None:
    """A stopped process goes on, a limit is as it was, a process ends; what is gone needs nothing."""
    before = resource.prlimit(sleeper.pid, resource.RLIMIT_DATA)
    whole = undo.limit(sleeper.pid, resource.RLIMIT_DATA, *before)
    resource.prlimit(sleeper.pid, resource.RLIMIT_DATA, (1 << 30, before[1]))
    going = undo.go_on(sleeper.pid)
    sleeper.suspend()
    await_status(sleeper, psutil.STATUS_STOPPED)
    ending = undo.end(sleeper.pid)
    for each in (whole, whole, going, going):
        assert undo.perform(each) is None
    await_status(sleeper, psutil.STATUS_SLEEPING, psutil.STATUS_RUNNING)
    assert resource.prlimit(sleeper.pid, resource.RLIMIT_DATA) == before
    assert undo.perform(ending) is None
    await_status(sleeper, psutil.STATUS_ZOMBIE)
    psutil.wait_procs([sleeper], timeout=PATIENCE_SECONDS)
    assert undo.perform(ending) is None


def test_a_process_that_only_has_the_number_is_let_alone(sleeper: psutil.Process) -> None:
    """Numbers come again; when a process began does not."""
    meant = undo.end(sleeper.pid)
    meant.what["created"] -= 10
    assert undo.perform(meant) is None
    assert sleeper.is_running()


def test_a_problem_is_told(tmp_path: Path) -> None:
    """A proxy server that is gone took its proxies with it; one that answers nonsense is a problem."""
    assert undo.perform(undo.remove_proxy("http://127.0.0.1:1", "a")) is None
    (tmp_path / "cgroup.procs").write_text("")
    assert "group" in str(undo.perform(undo.remove_group(str(tmp_path))))


def test_only_folders_of_ours_are_taken_away(tmp_path: Path) -> None:
    """Whatever is in them."""
    ours, others = tmp_path / "cachegate-1", tmp_path / "precious"
    for folder in (ours, others):
        folder.mkdir()
        (folder / "file").write_text("it")
        assert undo.perform(undo.remove_folder(str(folder))) is None
    assert (ours.exists(), others.exists()) == (False, True)


def test_the_keeper_ends_what_lasts_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its time, unless its owner did; the rest at the end, the last first."""
    done: list[int] = []
    monkeypatch.setattr("harness.chaos.keeper.perform", lambda each: done.append(each.what["pid"]))
    keeper = Keeper()
    for number, seconds in ((1, 50.0), (2, 5.0), (3, 5.0), (4, 50.0)):
        keeper.hear(line(number, undo.Undo("kill", {"pid": number}), seconds), now=100.0)
    keeper.hear(json.dumps({"id": 3}), now=101.0)
    assert keeper.next_due() == 105.0
    keeper.end_overdue(104.9)
    assert done == []
    keeper.end_overdue(105.0)
    assert done == [2]
    keeper.end_all()
    assert done == [2, 4, 1]


def test_leases_end_once_and_all_at_the_end(sleeper: psutil.Process) -> None:
    """By their owner, or by the end of its block."""
    with Leases() as leases:
        lease = leases.take(undo.go_on(sleeper.pid), 30.0)
        sleeper.suspend()
        await_status(sleeper, psutil.STATUS_STOPPED)
        assert lease.end() is None
        await_status(sleeper, psutil.STATUS_SLEEPING, psutil.STATUS_RUNNING)
        sleeper.suspend()
        await_status(sleeper, psutil.STATUS_STOPPED)
        assert lease.end() is None
        assert sleeper.status() == psutil.STATUS_STOPPED
        leases.take(undo.go_on(sleeper.pid), 30.0)
    await_status(sleeper, psutil.STATUS_SLEEPING, psutil.STATUS_RUNNING)


def test_an_owner_that_is_killed_leaves_nothing_broken(sleeper: psutil.Process, tmp_path: Path) -> None:
    """SIGKILL, which nobody can catch: the keeper lives on, and makes whole."""
    script = tmp_path / "owner.py"
    script.write_text(
        "import sys, time\n"
        "from harness.chaos import undo\n"
        "from harness.chaos.lease import Leases\n"
        "leases = Leases()\n"
        f"leases.take(undo.go_on({sleeper.pid}), 60.0)\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n",
        encoding="utf-8",
    )
    owner = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "held\n"
    keepers = psutil.Process(owner.pid).children()
    sleeper.suspend()
    await_status(sleeper, psutil.STATUS_STOPPED)
    owner.send_signal(signal.SIGKILL)
    owner.wait(PATIENCE_SECONDS)
    owner.stdout.close()
    await_status(sleeper, psutil.STATUS_SLEEPING, psutil.STATUS_RUNNING)
    _, alive = psutil.wait_procs(keepers, timeout=PATIENCE_SECONDS)
    assert not alive
