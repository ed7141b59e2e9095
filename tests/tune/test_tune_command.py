"""`cachegate tune` as its user meets it: bad input, outputs, and a few real races, short ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from conftest import ZOO
from documents import tune_document

from harness import cli, session_tune
from harness.ours import MARKDOWN
from harness.tune.document import TuneDocument

PLANTED = f"{ZOO}/planted.py:planted"
SHARDS = ("-p", "num_shards=4,8")
FAMILY = """
from broken import AnswersStale, Correct, Dies, SynchronousCache

def make(mode="right", max_entries=100):
    return {"right": Correct, "stale": AnswersStale, "dies": Dies, "also": Correct}[mode](max_entries=max_entries)

def lacking(x=1):
    return SynchronousCache()
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: exit code, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli._run(["tune", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["improved"], "nothing to choose between"),
        (["improvd", *SHARDS], "did you mean 'improved'"),
        (["improved", "-p", "num_shard=4,8"], "did you mean 'num_shards'"),
        (["improved", "-p", "num_shards=4,4"], "the value 4 twice"),
        (
            ["improved", *SHARDS, "--objective", "speed"],
            "no objective 'speed'; there are time, cpu, tail, memory, hit_ratio",
        ),
        (["improved", *SHARDS, "-w", "chrn"], "did you mean 'churn'"),
        (["improved", *SHARDS, "--capacity", "0"], "--capacity"),
        (["improved", *SHARDS, "--budget", "soon"], "is not a duration"),
        (["improved", *SHARDS, "--precision", "2"], "did you mean 2%"),
        (["improved", *SHARDS, "--json", "/no/such/folder/out.json"], "there is no folder"),
        (["improved", *SHARDS, "--markdown", "-"], "only --json"),
        ([*SHARDS], "Missing argument 'SPEC'"),
    ],
)
def test_bad_input_is_one_line_and_code_4(run: Run, arguments: list[str], message: str) -> None:
    """No traceback, nothing on standard output."""
    code, out, err = run(*arguments)
    assert (code, out) == (4, "")
    assert message in err
    assert err.count("\n") == 1


def test_the_documents_go_where_they_are_asked(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The answer first, and the exit code of the document; all three files say the same."""
    monkeypatch.setattr(session_tune, "tune", lambda _request, _say: tune_document())
    paths = {name: tmp_path / f"out.{name}" for name in ("json", "junit", "markdown")}
    code, out, _ = run("improved", *SHARDS, *(text for n, path in paths.items() for text in (f"--{n}", str(path))))
    assert code == 1
    assert out.startswith("ROLLBACK  num_shards=8 answered wrong")
    assert TuneDocument.model_validate_json(paths["json"].read_text()) == tune_document()
    assert paths["markdown"].read_text().startswith(f"{MARKDOWN}###")
    assert paths["junit"].read_text().startswith("<?xml")


def test_what_is_asked_reaches_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short names of objectives, and the rest as it is."""
    seen: list[session_tune.TuneRequest] = []

    def note(request: session_tune.TuneRequest, _say: object) -> TuneDocument:
        seen.append(request)
        return tune_document()

    monkeypatch.setattr(session_tune, "tune", note)
    run(
        "improved", *SHARDS, "--objective", "cpu", "--objective", "tail", "--full-grid", "-w", "churn", "--budget", "3s"
    )
    assert [row.metric.name for row in seen[0].objectives] == ["cpu_time", "tail"]
    assert (seen[0].full_grid, seen[0].workload, seen[0].budget_seconds) == (True, "churn", 3.0)
    assert seen[0].varied == ("num_shards=4,8",)


# From here on real trials, short ones.


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """A file of factories whose settings are other caches of the zoo."""
    (tmp_path / "broken.py").write_text((ZOO / "broken.py").read_text())
    (tmp_path / "family.py").write_text(FAMILY)
    return tmp_path / "family.py"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "harness", "tune", *arguments]


def finished(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_a_planted_setting_is_found(tmp_path: Path) -> None:
    """Half as much work an operation: named with its gain, and an idle parameter called none or not told."""
    out = tmp_path / "out.json"
    ended = finished(
        f"{PLANTED}?work=240", "-p", "shards=3,9", "-p", "idle=1,2", "--precision", "5%", "--json", str(out)
    )
    document = TuneDocument.model_validate_json(out.read_text())
    assert ended.returncode == document.exit_code == 0, ended.stdout
    assert "shards=9" in (document.recommended or "")
    row = next(metric for metric in document.metrics if metric.name == "operation_time")
    assert row.high is not None
    assert row.high < -0.05
    effects = {parameter.name: parameter.effects[0].answer for parameter in document.parameters}
    assert effects["shards"] == "effect"
    assert effects["idle"] != "effect"
    assert {setting.default for setting in document.settings} == {True, False}


@pytest.mark.slow
def test_settings_that_lie_or_die_are_dropped_and_told(family: Path, tmp_path: Path) -> None:
    """Exit code 1, each with its reason; the others race on."""
    out = tmp_path / "out.json"
    ended = finished(
        f"{family}:make",
        "-p",
        "mode=right,stale,dies,also",
        "-w",
        "churn",
        "--budget",
        "4s",
        "--json",
        str(out),
    )
    document = json.loads(out.read_text())
    assert ended.returncode == 1, ended.stderr
    told = {found["setting"]: found["kind"] for found in document["incidents"]}
    assert told == {"mode=stale": "wrong answer", "mode=dies": "crash"}
    assert ended.stdout.startswith("ROLLBACK  mode=")
    assert document["settings"][0]["name"] in ("mode=right", "mode=also", "mode=right (the default)")
    assert document["recommended"] in (None, document["settings"][0]["spec"])  # None if 4 s did not tell the two apart


@pytest.mark.slow
def test_a_value_that_the_cache_refuses_is_a_usage_error() -> None:
    """One line, which says which."""
    ended = finished("improved", "-p", "num_shards=4,0", "--budget", "5s")
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "'improved?num_shards=0' could not be built: ValueError" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.slow
def test_what_the_cache_lacks_leaves_nothing_measured(family: Path) -> None:
    """Exit code 5, and why."""
    ended = finished(f"{family}:lacking", "-p", "x=1,2", "-w", "churn", "--budget", "5s")
    assert ended.returncode == 5, ended.stdout + ended.stderr
    assert "has no delete()" in ended.stdout.splitlines()[0]


@pytest.mark.slow
def test_a_long_patience_is_no_overflow() -> None:
    """Many trials with long limits make a time that the kernel's timer does not hold; it is cut."""
    ended = finished("improved", *SHARDS, "--trial-limit", "48h", "--budget", "1s")
    assert ended.returncode == 2, ended.stderr


@pytest.mark.slow
def test_interrupted_nothing_is_left(tmp_path: Path) -> None:
    """^C ends every child, writes nothing, says one line and exits with 130."""
    process = subprocess.Popen(
        command("improved", *SHARDS, "--budget", "300s", "--json", str(tmp_path / "out.json")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    below: list[psutil.Process] = []
    deadline = time.monotonic() + 30
    while len(below) < 4 and time.monotonic() < deadline:
        below = psutil.Process(process.pid).children(recursive=True)
        os.sched_yield()
    assert len(below) >= 4
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "cachegate: interrupted; nothing is left running\n"
    _, alive = psutil.wait_procs(below, timeout=10)
    assert alive == []
    assert list(tmp_path.iterdir()) == []
