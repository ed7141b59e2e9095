"""`cachegate chaos` as its users meet it: verdicts, signals, bad requests, lying caches, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import psutil
import pytest
from conftest import ROOT

import harness
from harness.chaos import cgroups
from harness.chaos.proxy_server import embedded
from harness.chaos.toxiproxy.guard import TOKEN_VARIABLE

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-m", "harness", "chaos"]
PATIENCE_SECONDS = 120
ZOO = "tests/zoo/partitioned.py:"
SEEDS = ("1", "2", "3")
"""A lie that a fault has prepared shows to whoever reads the key before it is written again: in nearly every run."""
PROCEED, ROLLBACK, INCONCLUSIVE, WRONG, INTERRUPTED = 0, 1, 2, 4, 130


def chaos(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
        env=os.environ | environment,
    )  # fmt: skip


def started(*arguments: str) -> subprocess.Popen[str]:
    """One that goes on; ^C reaches it."""
    return subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def offspring(process: subprocess.Popen[str], what: str, status: str | None = None) -> list[psutil.Process]:
    """All its children, once one has what in its command line, and that status."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        found = psutil.Process(process.pid).children(recursive=True)
        for each in found:
            try:
                if what in " ".join(each.cmdline()) and status in (None, each.status()):
                    return found
            except psutil.NoSuchProcess:
                continue
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)  # for other processes, which tell nobody
    raise AssertionError(f"no process {what}")


def test_an_experiment_ends_with_a_verdict_and_documents(tmp_path: Path) -> None:
    """JSON that its schema takes, JUnit, Markdown, the journal; the fault with its evidence."""
    paths = {name: tmp_path / f"out.{name}" for name in ("json", "junit", "markdown")}
    done = chaos(
        "pause", "improved", "--seed", "3", "--journals", str(tmp_path), *(f"--{n}={p}" for n, p in paths.items())
    )
    assert done.returncode == PROCEED, done.stdout + done.stderr
    found = json.loads(paths["json"].read_text())
    jsonschema.validate(found, json.loads((Path(harness.__file__).parent / "schemas" / "chaos.json").read_text()))
    experiment = found["experiments"][0]
    assert experiment["verdict"] == "proceed"
    assert [fault["fired"] and fault["ended"] for fault in experiment["faults"]] == [True, True]
    assert "process stopped" in experiment["faults"][0]["evidence"]
    assert experiment["during"]["timely"] < 0.9
    journal = json.loads(Path(experiment["journal"]).read_text())
    assert (journal["status"], journal["deviated"]) == ("completed", False)
    assert ET.fromstring(paths["junit"].read_text()).get("failures") == "0"
    assert "PROCEED" in paths["markdown"].read_text()


@pytest.mark.parametrize(
    ("experiment", "cache", "law"),
    [
        ("tier_partition", "StaleAfterLateSet?breaker_failures=1000&max_entries=10", "C1"),
        ("slow_second_tier", "AnothersAnswer", "C5"),
    ],
)
def test_a_cache_that_lies_only_under_a_partition_is_caught(experiment: str, cache: str, law: str) -> None:
    """By the law that it breaks, whatever else it does."""
    for seed in SEEDS:
        done = chaos(experiment, f"{ZOO}{cache}", "--seed", seed, "--json", "-")
        found = json.loads(done.stdout)["experiments"][0]
        if law in [check["id"] for check in found["checks"] if check["verdict"] == "fail"]:
            assert done.returncode == ROLLBACK
            return
    raise AssertionError(f"not in {len(SEEDS)} runs: {done.stdout}")


def test_their_correct_twin_is_not() -> None:
    """The hierarchy, under the same faults; of the others the test below."""
    done = chaos("slow_second_tier", "hierarchy", "--seed", "1")
    assert done.returncode == PROCEED, done.stdout + done.stderr


@pytest.mark.skipif(cgroups.files() is None, reason="no control group can be written here")
@pytest.mark.parametrize(("cache", "code"), [(f"{ZOO}NoBound", ROLLBACK), ("improved", PROCEED)])
def test_a_cache_that_outgrows_its_container_is_found(cache: str, code: int) -> None:
    """One that keeps the bound that it names is not; no group is left."""
    before = set(cgroups.ROOT.rglob("cachegate-*"))
    done = chaos("container_limit", cache, "--seed", "1", "--json", "-")
    assert done.returncode == code, done.stdout + done.stderr
    found = json.loads(done.stdout)["experiments"][0]
    assert ("C0" in [check["id"] for check in found["checks"] if check["verdict"] == "fail"]) == (code == ROLLBACK)
    assert set(cgroups.ROOT.rglob("cachegate-*")) <= before


def test_two_caches_are_compared_and_the_liar_is_the_candidate() -> None:
    """Under the same seeded fault."""
    liar = f"{ZOO}StaleAfterFailedDelete?breaker_failures=1000&max_entries=10"
    for seed in SEEDS:
        done = chaos("tier_partition", "hierarchy", liar, "--seed", seed, "--json", "-")
        found = json.loads(done.stdout)
        assert found["experiments"][0]["verdict"] == "proceed"
        difference = found["differences"][0]
        if "C4" in difference["summary"]:
            assert (done.returncode, difference["verdict"]) == (ROLLBACK, "rollback")
            return
    raise AssertionError(f"not in {len(SEEDS)} runs: {done.stdout}")


def test_what_cannot_be_done_is_skipped_and_never_passed() -> None:
    """A cache without a second tier."""
    done = chaos("second_tier_outage", "improved", "--json", "-")
    assert done.returncode == INCONCLUSIVE
    found = json.loads(done.stdout)
    assert found["experiments"][0]["verdict"] == "skipped"
    assert "no second tier" in found["reason"]


def test_a_fault_that_does_nothing_is_never_a_pass(tmp_path: Path) -> None:
    """A toxic that acts on no connection: the cache is served well, and the experiment says nothing."""
    path = tmp_path / "inert.yaml"
    text = (ROOT / "scenarios" / "chaos" / "network_partition.yaml").read_text()
    head, _, tail = text.partition("method:\n")
    method = (
        "method:\n  - type: action\n    name: nothing\n    provider: {type: python, module: harness.chaos.actions, "
        "func: toxic, arguments: {kind: latency, toxicity: 0.0, attributes: {latency: 500}, seconds: 1.0}}\n"
    )
    path.write_text(f"{head}{method}rollbacks:{tail.partition('rollbacks:')[2]}", encoding="utf-8")
    done = chaos(str(path), "improved", "--seed", "1")
    assert done.returncode == INCONCLUSIVE, done.stdout + done.stderr
    assert "not seen to act" in done.stdout


def test_chaos_toolkits_own_command_runs_the_same_file(tmp_path: Path) -> None:
    """With its verdict as the experiment's deviation, and our result in its journal."""
    journal = tmp_path / "journal.json"
    done = subprocess.run(
        [Path(sys.executable).parent / "chaos", "--no-version-check", "run", "--journal-path", str(journal),
         str(ROOT / "scenarios" / "chaos" / "pause.yaml")],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
        env=os.environ | {"CACHEGATE_SPEC": "legacy", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(journal.read_text())
    assert (found["status"], found["deviated"]) == ("completed", False)
    assert found["cachegate"]["verdict"] == "proceed"


def test_an_interrupt_leaves_nothing() -> None:
    """^C in the middle of a fault: the process goes on, and is ended with all the others."""
    process = started("pause", "improved")
    children = offspring(process, "harness.serve.child", psutil.STATUS_STOPPED)
    process.send_signal(signal.SIGINT)
    _, problem = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == INTERRUPTED
    assert "interrupted" in problem
    assert "Traceback" not in problem
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
    assert not alive


def test_a_runner_that_is_killed_leaves_nothing() -> None:
    """SIGKILL in the middle of a fault, on a server of somebody else: proxies go, processes go, and it is as it was."""
    with embedded(1) as server:
        os.environ |= {"TOXIPROXY_URL": server.url, TOKEN_VARIABLE: str(server.token)}
        try:
            process = started("pause", "improved")
            children = offspring(process, "harness.serve.child", psutil.STATUS_STOPPED)
        finally:
            del os.environ["TOXIPROXY_URL"], os.environ[TOKEN_VARIABLE]
        assert server.proxies()
        process.kill()
        process.communicate(timeout=PATIENCE_SECONDS)
        _, alive = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
        assert not alive
        assert server.proxies() == {}


def test_two_runs_at_once_do_not_meet() -> None:
    """On one proxy server, each breaks its own, and takes away its own."""
    with embedded(1) as server:
        os.environ |= {"TOXIPROXY_URL": server.url, TOKEN_VARIABLE: str(server.token)}
        try:
            runs = [started("pause", "improved", "--seed", str(seed)) for seed in (1, 2)]
        finally:
            del os.environ["TOXIPROXY_URL"], os.environ[TOKEN_VARIABLE]
        told = [run.communicate(timeout=PATIENCE_SECONDS) for run in runs]
        assert [run.returncode for run in runs] == [PROCEED, PROCEED], told
        assert all("the one at" in out for out, _ in told)
        assert server.proxies() == {}


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("network_partitoin", "improved"), {}, "did you mean 'network_partition'"),
        (("nowhere.yaml", "improved"), {}, "no file"),
        (("pause",), {}, "name an experiment and a cache"),
        (("pause", "imporved"), {}, "improved"),
        (("pause", "improved", "legacy", "hierarchy"), {}, "--each"),
        (("pause", "improved", "improved"), {}, "twice"),
        (("pause", "improved", "--journals", "nowhere"), {}, "no folder"),
        (("pause", "improved", "--json", "nowhere/out.json"), {}, "no folder"),
        (("network_partition", "valkey://127.0.0.1:1/0"), {}, "nobody answers"),
        (("pause", "improved"), {"TOXIPROXY_URL": "http://127.0.0.1:1"}, "TOXIPROXY_URL"),
        (("pause", "improved"), {"TOXIPROXY_URL": "nonsense"}, "no address"),
    ],
)
def test_a_bad_request_is_one_line(arguments: tuple[str, ...], environment: dict[str, str], said: str) -> None:
    """And exit code 4, no traceback."""
    done = chaos(*arguments, **environment)
    assert done.returncode == WRONG, done.stdout + done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
