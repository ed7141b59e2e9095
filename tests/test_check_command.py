"""`check`, `replay` and `explain` as their user meets them, with the check process under them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import psutil
import pytest
from conftest import ROOT, ZOO

import harness
from harness import cli
from harness.check.checkers import catalogue
from harness.check.rules import RULES
from harness.check.verdicts import CheckRequest
from harness.documents import CheckDocument, ReplayDocument
from harness.errors import UsageError
from harness.history import History
from harness.session_check import check

BROKEN, HOSTILE = ZOO / "broken.py", ZOO / "hostile.py"
SCHEMAS = Path(harness.__file__).parent / "schemas"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, in a folder of its own: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli._run(list(map(str, arguments)))
        out, err = capsys.readouterr()
        return code, out, err

    return call


def checked(
    spec: str, *only: str, strict: bool = False, schedules: int = 500, faults: tuple[str, ...] = ()
) -> CheckDocument:
    """A document, with nothing kept on disk."""
    request = CheckRequest(spec=spec, seed=1, schedules=schedules, only=only, strict=strict, save=False, faults=faults)
    return check(request, lambda _line: None)


def test_improved_passes(run: Run) -> None:
    """Exit code 0, the answer first, what was explored, and a document that validates."""
    code, out, _ = run("check", "improved", "--budget", "1s", "--seed", "1", "--strict", "--json", "out.json")
    assert code == 0, out
    assert out.startswith("PASS  improved keeps all")
    assert "schedules" in out
    data = json.loads(Path("out.json").read_text())
    jsonschema.validate(data, json.loads((SCHEMAS / "check.json").read_text()))
    assert {result["id"] for result in data["checks"]} == {rule.id for rule in RULES} | set(catalogue())
    assert data["explored"]["schedules"] > 0


def test_a_fault_is_proved_and_replays(run: Run) -> None:
    """Exit code 1, the shortest history, and a command that shows it again; on a correct cache it passes."""
    code, out, _ = run(
        "check", f"{BROKEN}:NeverExpires", "--budget", "1s", "--seed", "1", "--only", "C2", "--junit", "j.xml"
    )
    assert code == 1
    assert "is answered at the deadline of set(a, a#1" in out
    command = next(line for line in out.splitlines() if "cachegate replay" in line).split()
    case = ET.parse("j.xml").getroot().find("testcase")
    assert case is not None
    assert case.find("failure") is not None
    assert command[3:] == [f"{BROKEN}:NeverExpires"]
    code, _, problem = run(*command[1:3])
    assert (code, problem.count("\n")) == (4, 1)
    assert "which is code: if you trust it, name it: " + " ".join(command) in problem
    code, again, _ = run(*command[1:])
    assert code == 1
    assert again.startswith("FAIL  C2: ")
    code, fixed, _ = run(*command[1:3], "improved")
    assert code == 0
    assert fixed.startswith("PASS  C2: improved keeps C2")


def test_a_replay_of_another_python_or_of_nothing(run: Run) -> None:
    """One line says what is the matter, exit code 4."""
    run("check", f"{BROKEN}:NeverExpires", "--budget", "1s", "--seed", "1", "--only", "C2")
    kept = next(Path("results/runs").glob("*/replay.json"))
    document = ReplayDocument.model_validate_json(kept.read_text())
    changes = {
        "3.9": document.model_copy(update={"python": "3.9"}),
        "which is code": document.model_copy(update={"spec": "/no/such/file.py:thing"}),
        "schema version": document.model_copy(update={"schema_version": "9.0"}),
    }
    for message, changed in changes.items():
        Path("changed.json").write_text(changed.model_dump_json())
        code, _, err = run("replay", "changed.json")
        assert (code, err.count("\n")) == (4, 1), err
        assert message in err
    code, _, err = run("replay", "nonsense")
    assert code == 4
    assert document.id in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "which cache?"),
        (["check", "improvd"], "did you mean 'improved'"),
        (["check", "improved", "--only", "C99"], "no check 'C99'"),
        (["check", "improved", "--fault", "flood"], "there are calm, cancel"),
        (["check", "improved", "--budget", "long"], "is not a duration"),
        (["check", "improved", "--json", "/no/such/folder/x.json"], "there is no folder"),
        (["check", "improved?num_shards=0"], "num_shards must be > 0"),
        (["check", f"{HOSTILE}:raises"], "no such luck"),
        (["check", f"{HOSTILE}:nothing"], "no factory 'nothing'"),
        (["explain", "C99"], "no check 'C99'"),
        (["replay", "c1-00000000"], "results/runs has none"),
    ],
)
def test_bad_input(run: Run, arguments: list[str], message: str) -> None:
    """One line, exit code 4, no traceback."""
    code, _, err = run(*arguments)
    assert code == 4
    assert message in err
    assert err.count("\n") == 1


def test_every_check_is_listed_and_explained(run: Run) -> None:
    """With an example, or with what is tried."""
    code, listed, _ = run("check", "--list")
    assert code == 0
    for identity in (*(rule.id for rule in RULES), *catalogue()):
        assert identity in listed
        code, text, _ = run("explain", identity)
        assert code == 0
        assert len(text) > 80


@pytest.mark.parametrize(
    ("name", "check_id", "message"),
    [
        ("EndsTheProcess", "C0", "exit code 3"),
        ("Hangs", "C0", "never returned"),
        ("aborts", "C0", "signal 6"),
    ],
)
def test_hostile_caches_fail(name: str, check_id: str, message: str) -> None:
    """Each is a finding, and what could not be judged is unknown, never a pass."""
    document = checked(f"{HOSTILE}:{name}")
    assert document.verdict == "fail"
    results = {result.id: result for result in document.checks}
    assert results[check_id].verdict == "fail"
    assert message in results[check_id].summary
    assert all(result.verdict != "pass" or result.kind for result in document.checks)


@pytest.mark.slow
def test_a_cache_that_blocks_fails() -> None:
    """After the patience of the watchdog, once."""
    document = checked(f"{HOSTILE}:Blocks")
    assert document.verdict == "fail"
    results = {result.id: result for result in document.checks}
    assert "never gave control back" in results["C0"].summary
    assert any(result.verdict == "fail" for result in document.checks if result.id not in catalogue())  # the rule too
    assert results["C1"].verdict == "unknown"


def test_a_cache_that_sleeps_in_the_loop_is_told() -> None:
    """It passes, with a note."""
    document = checked(f"{HOSTILE}:SleepsInTheLoop", schedules=250)
    assert document.verdict == "pass"
    assert any("time.sleep" in warning.message for warning in document.warnings)


@pytest.mark.slow
def test_a_cache_that_needs_threads_runs_on_a_real_loop() -> None:
    """Judged by real concurrency; what needs virtual time is skipped and said, and a fault is found all the same."""
    fine = checked(f"{HOSTILE}:UsesThreads", schedules=40)
    assert fine.verdict == "pass"
    assert fine.explored.mode == "real"
    results = {result.id: result for result in fine.checks}
    assert {results[name].verdict for name in ("C2", "ttl-300s", "two-loops", "C12")} == {"skipped"}
    assert any("real event loop" in warning.message for warning in fine.warnings)
    stale = checked(f"{HOSTILE}:ThreadsAndStale", schedules=40)
    assert stale.verdict == "fail"
    found = next(result for result in stale.checks if result.id == "C1")
    assert found.verdict == "fail"
    assert found.evidence
    assert found.replay is None


def test_manners_are_advice_unless_strict() -> None:
    """The yardstick takes odd arguments: exit code 0, with --strict 1."""
    assert checked("yardstick", schedules=250).exit_code == 0
    strict = checked("yardstick", schedules=250, strict=True)
    assert strict.exit_code == 1
    assert "refuses" in strict.reason


def test_only_what_is_asked_for() -> None:
    """One rule alone takes no exploration; one law alone no rules."""
    rule = checked("improved", "overwrite")
    assert [result.id for result in rule.checks] == ["overwrite"]
    assert rule.explored.schedules == 0
    assert rule.verdict == "pass"
    law = checked("improved", "C4", schedules=250)
    assert [result.id for result in law.checks] == ["C4"]


def test_a_fault_that_is_asked_for_is_the_one_that_happens() -> None:
    """And one that does not fit the cache is refused."""
    assert checked("improved", faults=("cancel",), schedules=250).explored.profiles == ("cancel",)
    with pytest.raises(UsageError, match="no such fault fits"):
        checked("improved", faults=("errors",), schedules=250)


@pytest.mark.slow
def test_interrupted_it_leaves_nothing_running(tmp_path: Path) -> None:
    """^C: exit code 130, one line, no process left."""
    command = [sys.executable, "-m", "harness", "check", "improved", "--budget", "60s"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    )
    parent, end = psutil.Process(process.pid), time.monotonic() + 30
    while not (children := parent.children(recursive=True)) and time.monotonic() < end:
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in err
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "code"), [("improved", 0), (f"{BROKEN}:NeverExpires", 1), ("improvd", 4), (None, 4)])
def test_the_suite_for_pytest(tmp_path: Path, spec: str | None, code: int) -> None:
    """pytest's own exit codes: 0 all kept, 1 something broken, 4 a bad request."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "harness.check.suite"]
    command += [] if spec is None else ["--cache", spec, "--cache-budget", "1s"]
    finished = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert finished.returncode == code, finished.stdout


def test_a_workload_is_driven_and_judged(run: Run) -> None:
    """Named in the answer and the document; its history is kept where it was asked for."""
    arguments = ("--budget", "0.1s", "--seed", "1", "--workload", "churn", "--history", "h.npz", "--json", "out.json")
    code, out, _ = run("check", "improved", *arguments)
    assert code == 0, out
    assert "and on churn" in out.splitlines()[0]
    driven = json.loads(Path("out.json").read_text())["explored"]["workloads"][0]
    assert driven["name"] == "churn"
    assert driven["clients"] == 4
    assert len(History.load(Path("h.npz"))) == driven["operations"]


def test_what_only_a_workload_shows_comes_with_its_command(run: Run) -> None:
    """A fault at the five-thousandth read, which no schedule is long enough for."""
    code, out, _ = run(
        "check", f"{BROKEN}:AnswersLate", "--budget", "0.1s", "--seed", "1", "-w", "ycsb-b", "--clients", "2"
    )
    assert code == 1
    assert "breaks C5" in out.splitlines()[0]
    assert f"cachegate check {BROKEN}:AnswersLate --workload ycsb-b --seed 1 --clients 2 --only C5" in out
    again = run("check", f"{BROKEN}:AnswersLate", "--budget", "0.1s", "--seed", "1", "-w", "ycsb-b", "--only", "C5")
    assert again[0] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--workload", "ycsb-bb"), "ycsb-b"),
        (("--clients", "8"), "--workload"),
        (("--capacity", "10"), "--workload"),
        (("--history", "h.npz"), "exactly one"),
        (("--workload", "churn", "--history", "/nowhere/h.npz"), "/nowhere"),
    ],
)
def test_workloads_that_cannot_be_driven(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """One line, exit code 4, before anything is explored."""
    code, _, err = run("check", "improved", *arguments)
    assert code == 4
    assert said in err
    assert len(err.strip().splitlines()) == 1
