"""The command as its user meets it: what it prints, and the exit code of every outcome."""

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
from conftest import ROOT, ZOO
from documents import baseline_document, gate_document

from cache_impls import registry
from harness import cli, session, store
from harness.documents import GateDocument
from harness.errors import HarnessError, NothingMeasuredError
from harness.look import described
from harness.model import Verdict
from harness.ours import MARKDOWN

BROKEN = f"{ZOO}/broken.py"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: exit code, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli._run(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gate", "legac", "improved"], "did you mean 'legacy'"),
        (["gate", "legacy"], "Missing argument 'CANDIDATE'"),
        (["gate", "legacy", "improved", "--nonsense"], "No such option: --nonsense"),
        (["gat"], "No such command 'gat'"),
        (["gate", "legacy", "improved", "-w", "ycsbb"], "did you mean 'ycsb-b'"),
        (["gate", "legacy", "improved", "-w", "trace:no.trace.xz"], "there is no file no.trace.xz"),
        (["gate", "legacy", "improved", "--margin", "lots"], "is not a share"),
        (["gate", "legacy", "improved", "--margin", "5"], "did you mean 5%"),
        (["gate", "legacy", "improved", "--budget", "soon"], "is not a duration"),
        (["gate", "legacy", "improved", "--budget", "0s"], "more than 0"),
        (["gate", "legacy", "improved", "--metric", "speed"], "no metric 'speed'"),
        (["gate", "legacy", "improved", "--capacity", "0"], "--capacity"),
        (["gate", "legacy", "improved", "--json", "/no/such/folder/out.json"], "there is no folder"),
        (["gate", "legacy", "improved", "--junit", "-"], "only --json"),
        (["baseline", "improved"], "Missing option '--output'"),
        (["baseline", "improved", "-o", "/no/such/folder/b.json"], "there is no folder"),
        (["baseline", "improved", "-o", "b.json", "--pairs", "3"], "--pairs"),
        (["compare", "nowhere.json", "nowhere.json"], "there is no file nowhere.json"),
    ],
)
def test_bad_input_is_one_line_and_code_4(run: Run, arguments: list[str], message: str) -> None:
    """No traceback, no usage page, nothing on standard output."""
    code, out, err = run(*arguments)
    assert (code, out) == (4, "")
    assert message in err
    assert err.count("\n") == 1
    assert err.startswith("cachegate: ")


def test_no_arguments_show_help(run: Run) -> None:
    """And it is a usage error, so a script notices."""
    code, out, _ = run()
    assert code == 4
    assert "Usage: " in out
    assert "gate" in out


def test_version_and_list(run: Run) -> None:
    """What there is: caches, workloads, metrics."""
    assert run("--version")[0] == 0
    code, out, _ = run("list")
    assert code == 0
    for word in ("legacy", "improved", "migration", "ycsb-b", "twitter-cluster52", "trace:FILE", "cpu_time", "15 %"):
        assert word in out


def test_list_lets_no_cache_into_its_own_process(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Registered caches that print, raise or exit when imported say so in their rows and leave the others alone."""
    told = {"prints": "print('{\"event\": 1}')", "raises": "raise RuntimeError('no')", "ends": "raise SystemExit(7)"}
    for name, line in told.items():
        (tmp_path / f"user_{name}.py").write_text(
            f"{line}\nfrom cache_impls.improved import ImprovedAsyncCache as make\n"
        )
    packed = tmp_path / "users-1.0.dist-info"
    packed.mkdir()
    (packed / "METADATA").write_text("Metadata-Version: 2.1\nName: users\nVersion: 1.0\n")
    rows = "".join(f"{name} = user_{name}:make\n" for name in told)
    (packed / "entry_points.txt").write_text(f"[cachegate.caches]\n{rows}")
    monkeypatch.syspath_prepend(tmp_path)
    code, out, _ = run("list")
    assert code == 0
    assert '{"event"' not in out
    found = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "ttl delete clear size stats capacity" in found["improved"]
    assert "ttl delete clear size stats capacity" in found["prints"]
    assert "RuntimeError: no" in found["raises"]
    assert "it ends the process that imports it" in found["ends"]
    assert not any(name.startswith("user_") for name in sys.modules)


def test_a_missing_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the list, and wherever its cache is asked for."""
    monkeypatch.delitem(sys.modules, f"{registry.ADAPTERS}theine", raising=False)
    monkeypatch.setitem(sys.modules, "theine", None)
    assert described("theine") == "not installed: pip install 'cachegate[adapters]'"
    with pytest.raises(registry.SpecError, match=r"^'theine' needs the package theine: pip install"):
        registry.make("theine")


@pytest.mark.parametrize(
    ("verdict", "code"), [(Verdict.PROCEED, 0), (Verdict.ROLLBACK, 1), (Verdict.INCONCLUSIVE, 2), (None, 5)]
)
def test_the_exit_code_is_the_documents(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verdict: Verdict | None, code: int
) -> None:
    """And all reports are written, the reason first."""
    document = gate_document(verdict=verdict or Verdict.INCONCLUSIVE, exit_code=code)
    monkeypatch.setattr(session, "gate", lambda _request, _say: document)
    paths = {name: tmp_path / f"out.{name}" for name in ("json", "junit", "markdown")}
    options = [text for name, path in paths.items() for text in (f"--{name}", str(path))]
    found, out, _ = run("gate", "legacy", "improved", *options)
    assert found == code
    assert out.startswith(document.verdict.upper())
    assert GateDocument.model_validate_json(paths["json"].read_text()) == document
    assert paths["junit"].read_text().startswith("<?xml")
    assert paths["markdown"].read_text().startswith(f"{MARKDOWN}###")


def test_json_on_standard_output_is_alone_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--json -`: the text for people goes to standard error."""
    monkeypatch.setattr(session, "gate", lambda _request, _say: gate_document())
    code, out, err = run("gate", "legacy", "improved", "--json", "-")
    assert code == 1
    assert json.loads(out)["verdict"] == "rollback"
    assert "ROLLBACK" in err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (HarnessError("no more processes"), 3, "cachegate: no more processes"),
        (NothingMeasuredError("nothing stored"), 5, "cachegate: nothing stored"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("oops"), 3, "internal error; this is a bug"),
    ],
)
def test_errors_have_their_codes(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    """A bug of ours is never taken for a verdict: it shows its traceback and ends with 3."""

    def fail(_request: object, _say: object) -> None:
        raise error

    monkeypatch.setattr(session, "gate", fail)
    found, _, err = run("gate", "legacy", "improved")
    assert found == code
    assert message in err
    assert ("Traceback" in err) == isinstance(error, ZeroDivisionError)


def test_compare_reads_two_files(run: Run, tmp_path: Path) -> None:
    """PROCEED, ROLLBACK and a mismatch, each with its code."""
    same, slow = tmp_path / "same.json", tmp_path / "slow.json"
    foreign = tmp_path / "foreign.json"
    store.write_text(same, store.to_json(baseline_document()))
    store.write_text(slow, store.to_json(baseline_document(0.10)))
    store.write_text(foreign, store.to_json(baseline_document(yardstick_version=9)))
    assert run("compare", str(same), str(same))[0] == 0
    code, out, _ = run("compare", str(same), str(slow))
    assert code == 1
    assert "10.5 % worse (P1" in out
    assert run("compare", str(same), str(slow), "--margin", "20%")[0] == 0
    code, out, _ = run("compare", str(same), str(foreign))
    assert code == 2
    assert "yardstick_version differs" in out
    undecided = tmp_path / "undecided.json"
    store.write_text(undecided, store.to_json(baseline_document(0.0488)))
    assert run("compare", str(same), str(undecided))[0] == 2


# From here on real trials, short ones.


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "harness", *arguments]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("candidate", "code", "words"),
    [
        ("AnswersStale", 1, "answered wrong"),
        ("RaisesAlways", 1, "raised errors"),
        ("Hangs", 1, "hung for 1 s and was stopped"),
        ("Dies", 1, "ended its process with exit status 7 (fatal: out of handles)"),
        ("IsKilled", 1, "was killed by SIGKILL"),
        ("SynchronousCache", 5, "has no delete()"),
        ("Correct", 2, "did not decide it"),
    ],
)
def test_a_broken_candidate_is_told(candidate: str, code: int, words: str, tmp_path: Path) -> None:
    """Lies, crashes and hangs are a ROLLBACK at once; what cannot be compared is not."""
    out = tmp_path / "out.json"
    arguments = ["gate", "improved", f"{BROKEN}:{candidate}", "-w", "churn", "--budget", "0.5s", "--trial-limit", "1s"]
    finished = subprocess.run(
        command(*arguments, "--json", str(out)), capture_output=True, text=True, timeout=60, check=False
    )
    assert finished.returncode == code, finished.stderr
    assert words in finished.stdout.splitlines()[0]
    document = GateDocument.model_validate_json(out.read_text())
    assert document.exit_code == code


@pytest.mark.slow
@pytest.mark.parametrize(("baseline", "code"), [("Dies", 5), ("AnswersStale", 2), ("RaisesSometimes", 2)])
def test_a_broken_baseline_is_no_verdict_on_the_candidate(baseline: str, code: int) -> None:
    """Crashes: nothing was measured. Lies: inconclusive."""
    finished = subprocess.run(
        command("gate", f"{BROKEN}:{baseline}", "improved", "-w", "churn"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == code
    assert finished.stdout.startswith("INCONCLUSIVE  nothing to compare with")


@pytest.mark.slow
def test_a_factory_that_raises_is_a_usage_error() -> None:
    """Found in the child, told by the parent, in one line."""
    finished = subprocess.run(
        command("gate", "improved", f"{BROKEN}:factory_raises"), capture_output=True, text=True, timeout=60, check=False
    )
    assert finished.returncode == 4
    assert "could not be built: RuntimeError: no such host" in finished.stderr
    assert finished.stderr.count("\n") == 1


def _started(*arguments: str) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A gate in the middle of its run, and all processes below it."""
    process = subprocess.Popen(
        command("gate", "improved", "improved", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    below: list[psutil.Process] = []
    deadline = time.monotonic() + 30
    while len(below) < 3 and time.monotonic() < deadline:
        below = psutil.Process(process.pid).children(recursive=True)
        os.sched_yield()
    assert len(below) >= 3
    return process, below


@pytest.mark.slow
def test_interrupted_nothing_is_left(tmp_path: Path) -> None:
    """^C ends every child, writes nothing, says one line and exits with 130."""
    process, below = _started("--budget", "300s", "--json", str(tmp_path / "out.json"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "cachegate: interrupted; nothing is left running\n"
    _, alive = psutil.wait_procs(below, timeout=10)
    assert alive == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_killed_nothing_is_left_for_long() -> None:
    """Even SIGKILL of the parent leaves no process behind: the trials' own limits end them."""
    process, below = _started("--trial-limit", "1s")
    process.kill()
    process.communicate(timeout=30)
    _, alive = psutil.wait_procs(below, timeout=20)
    assert alive == []


@pytest.mark.slow
@pytest.mark.parametrize(("candidate", "budget", "code"), [("AnswersStale", "60s", 1), ("Correct", "0.5s", 2)])
def test_a_closed_pipe_does_not_change_the_verdict(candidate: str, budget: str, code: int) -> None:
    """`cachegate gate ... | head -1` still ends with the verdict's code; rich alone would exit with 1."""
    process = subprocess.Popen(
        command("gate", "improved", f"{BROKEN}:{candidate}", "-w", "churn", "--budget", budget),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=60) == code
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.slow
def test_what_a_cache_starts_ends_with_it(tmp_path: Path) -> None:
    """A cache that leaves a subprocess and a fork behind neither hangs the run nor leaves them running."""
    (tmp_path / "leaky.py").write_text(
        "import os, subprocess, sys, time\n"
        "from cache_impls.improved import ImprovedAsyncCache\n"
        "def make(max_entries=100):\n"
        "    marker = '777.' + os.environ['LEAKY']\n"
        "    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', marker])\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(60)\n"
        "        os._exit(0)\n"
        "    return ImprovedAsyncCache(max_entries=max_entries)\n"
    )
    marker = str(os.getpid())
    finished = subprocess.run(
        command("gate", "improved", f"{tmp_path}/leaky.py:make", "--budget", "0.5s"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"LEAKY": marker},
    )
    assert finished.returncode == 2, finished.stderr
    left = [p for p in psutil.process_iter(["cmdline"]) if f"777.{marker}" in (p.info["cmdline"] or [])]
    assert left == []


@pytest.mark.slow
def test_a_users_folder_hides_nothing(tmp_path: Path) -> None:
    """A `harness` package or a `random.py` in the current folder is not taken for ours; one's cache is found."""
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text("raise RuntimeError('not this one')\n")
    (tmp_path / "random.py").write_text("raise RuntimeError('nor this')\n")
    (tmp_path / "ours.py").write_text("from cache_impls.improved import ImprovedAsyncCache as make\n")
    code = (
        f"import sys; sys.path[:] = [{str(ROOT)!r}, *[p for p in sys.path if p]]; from harness.cli import main; main()"
    )
    finished = subprocess.run(
        [sys.executable, "-P", "-c", code, "gate", "improved", "ours:make", "--budget", "0.5s"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert finished.returncode == 2, finished.stderr
    assert finished.stdout.startswith("INCONCLUSIVE  0.5 s did not decide it")
