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
from harness.chaos.processes import started

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
    """Numbers come again; when a process began does not. It is told."""
    sleeper.suspend()
    await_status(sleeper, psutil.STATUS_STOPPED)
    before = resource.prlimit(sleeper.pid, resource.RLIMIT_DATA)
    for meant in (undo.go_on(sleeper.pid), undo.limit(sleeper.pid, resource.RLIMIT_DATA, 1, 1), undo.end(sleeper.pid)):
        meant.what["start_ticks"] -= 1
        assert f"process {sleeper.pid} is another one now" in str(undo.perform(meant))
    assert sleeper.status() == psutil.STATUS_STOPPED
    assert resource.prlimit(sleeper.pid, resource.RLIMIT_DATA) == before


def test_a_step_of_the_wall_clock_makes_no_process_another(
    sleeper: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psutil adds the time of boot to when a process began, and that is another one after a step."""
    ending = undo.end(sleeper.pid)
    booted = psutil.boot_time()
    for name in ("psutil.boot_time", "psutil._pslinux.boot_time"):
        monkeypatch.setattr(name, lambda: booted + 3600)
    assert undo.perform(ending) is None
    await_status(sleeper, psutil.STATUS_ZOMBIE)


def test_a_process_that_is_gone_needs_nothing() -> None:
    """It is not another one."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    going = undo.go_on(process.pid)
    process.kill()
    process.communicate()
    assert undo.perform(going) is None
    with pytest.raises(ProcessLookupError):
        undo.go_on(process.pid)


@pytest.mark.parametrize("name", [b"python", b"a b", b"a) S 1 (b", b")) 7 ((", b"\xff\n)"])
def test_a_command_may_have_any_name(name: bytes) -> None:
    """The fields after it are found all the same: the start time is the 22nd."""
    rest = b"S " + b" ".join(b"%d" % number for number in range(4, 53))
    assert started(b"1234 (%b) %b\n" % (name, rest)) == 22


def test_a_problem_is_told(tmp_path: Path) -> None:
    """A proxy server that is gone took its proxies with it; one that answers nonsense is a problem."""
    assert undo.perform(undo.remove_proxy("http://127.0.0.1:1", "a")) is None
    (tmp_path / "cgroup.procs").write_text("")
    assert "group" in str(undo.perform(undo.remove_group(str(tmp_path), {})))


@pytest.fixture
def precious(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that must stay, and the temporary folder elsewhere."""
    for name in ("temporary", "precious"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("it")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "precious"


def test_a_folder_of_ours_is_taken_away(precious: Path) -> None:
    """Whatever is in it; where a link in it leads is not. It may be done twice."""
    ours = precious.parent / "temporary" / "cachegate-1"
    (ours / "deeper").mkdir(parents=True)
    (ours / "deeper" / "link").symlink_to(precious)
    assert undo.perform(undo.remove_folder(str(ours))) is None
    assert undo.perform(undo.remove_folder(str(ours))) is None
    assert not ours.exists()
    assert (precious / "file").exists()


@pytest.mark.parametrize(
    "path",
    [
        "precious",
        "cachegate-elsewhere",
        "temporary/other",
        "temporary/cachegate-link",
        "temporary/cachegate-1/../../cachegate-elsewhere",
        "temporary/cachegate-1/cachegate-2",
        "temporary/cachegate-file",
        "temporary/linked/cachegate-elsewhere",
    ],
)
def test_no_other_folder_is_taken_away(precious: Path, path: str) -> None:
    """Only one directly below the temporary folder, of our name, which is no link: and it is told."""
    root, temporary = precious.parent, precious.parent / "temporary"
    for folder in (root / "cachegate-elsewhere", temporary / "other", temporary / "cachegate-1" / "cachegate-2"):
        folder.mkdir(parents=True)
        (folder / "file").write_text("it")
    (temporary / "cachegate-link").symlink_to(precious)
    (temporary / "linked").symlink_to(root)
    (temporary / "cachegate-file").write_text("it")
    everything = sorted(root.rglob("*"))
    assert "is no folder of ours" in str(undo.perform(undo.remove_folder(str(root / path))))
    assert sorted(root.rglob("*")) == everything


def test_a_folder_of_another_user_is_let_alone(precious: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may write into the temporary folder may use our name."""
    theirs = precious.parent / "temporary" / "cachegate-1"
    theirs.mkdir()
    monkeypatch.setattr("os.getuid", lambda: theirs.stat().st_uid + 1)
    assert "is no folder of ours" in str(undo.perform(undo.remove_folder(str(theirs))))
    assert theirs.exists()


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


def test_what_could_not_be_undone_is_told_at_the_end(
    sleeper: psutil.Process, capfd: pytest.CaptureFixture[str]
) -> None:
    """On standard error, as the keeper tells it."""
    meant = undo.end(sleeper.pid)
    meant.what["start_ticks"] += 1
    with Leases() as leases:
        leases.take(meant, 30.0)
    assert f"process {sleeper.pid} is another one now" in capfd.readouterr().err
    assert sleeper.is_running()


def test_the_keeper_hears_its_owner_alone(sleeper: psutil.Process) -> None:
    """What it undoes came through its standard input: no argument, no file and no variable says so."""
    meant = line(1, undo.end(sleeper.pid), 0.0)
    for arguments, heard in (((meant,), ""), ((), f"{meant}\n")):
        assert sleeper.status() != psutil.STATUS_ZOMBIE
        keeper = [sys.executable, "-m", "harness.chaos.keeper", *arguments]
        subprocess.run(keeper, input=heard, text=True, check=True, timeout=PATIENCE_SECONDS)
    await_status(sleeper, psutil.STATUS_ZOMBIE)
