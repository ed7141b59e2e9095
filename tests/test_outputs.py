"""Where a command's outputs go, as its user meets it; the run itself is made up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from conftest import ROOT
from documents import baseline_document, gate_document

from harness import cli, session, session_check, store
from harness.check.verdicts import CheckRequest
from harness.commands.chaos import _journals
from harness.commands.outputs import Outputs
from harness.documents import GateDocument
from harness.errors import UnwrittenError, UsageError
from harness.history import COLUMNS, History
from harness.model import Verdict

Run = Callable[..., tuple[int, str, str]]
PROCEED = gate_document(verdict=Verdict.PROCEED, exit_code=0)
WRONG, UNWRITTEN = UsageError.exit_code, UnwrittenError.exit_code


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in a folder of its own: exit code, standard output, standard error. Every gate proceeds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setattr(session, "gate", lambda _request, _say: PROCEED)
    monkeypatch.setattr(session, "baseline", lambda *_: baseline_document())
    (tmp_path / "fac2.py").write_text("from cache_impls.null import NullCache as make\n")
    (tmp_path / "trace.txt").write_text("a\nb\n")

    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli._run(list(arguments))
        out, err = capfd.readouterr()
        return code, out, err

    return call


def test_the_number_is_in_one_place() -> None:
    """6, which help shows too."""
    assert UNWRITTEN == 6
    assert f"{UNWRITTEN} as 0 but" in (cli.app.info.epilog or "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--json", ""], "--json names no file"),
        (["--junit", ""], "--junit names no file"),
        (["--json", "a\0b"], "no NUL"),
        (["--json", "out/"], "the name of a folder"),
        (["--json", "."], "it is a folder"),
        (["--json", "no/out.json"], "there is no folder no"),
        (["--json", "n" * 300], "File name too long"),
        (["--json", "/dev/full"], "it is a device"),
        (["--json", "link.json"], "is a symbolic link"),
        (["--markdown", "notes.md"], "--force"),
        (["--json", "fac2.py"], "which this command reads"),
        (["--json", "fac2.py", "--force"], "which this command reads"),
        (["--json", "./hard", "--force"], "which this command reads"),
        (["--json", "trace.txt", "--force"], "which this command reads"),
        (["--json", "same", "--junit", "./same"], "--json and --junit would write to one file twice"),
        (["--junit", "one.xml", "--markdown", "hard.xml"], "would write to one file twice"),
        (["--json", "-", "--markdown", "/dev/stdout"], "would write to one file twice"),
    ],
)
def test_a_bad_output_is_refused_before_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    """One line, exit code 4, nothing measured, and every file as it was."""

    def fail(*_: object) -> None:
        raise AssertionError("it ran")

    monkeypatch.setattr(session, "gate", fail)
    Path("notes.md").write_text("# Mine\n")
    Path("one.xml").touch()
    os.link("fac2.py", "hard")
    os.link("one.xml", "hard.xml")
    Path("link.json").symlink_to("nowhere.json")
    before = {path.name: path.read_text() for path in Path().iterdir() if path.exists()}
    code, out, err = run("gate", "null", "fac2.py:make?x=1", "-w", "trace:trace.txt?capacity=10", *arguments)
    assert (code, out) == (WRONG, "")
    assert said in err
    assert err.count("\n") == 1
    assert {path.name: path.read_text() for path in Path().iterdir() if path.exists()} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "out.json", "--junit", "out.xml", "--markdown", "out.md"],
        ["--json", "/dev/null", "--junit", "/dev/null"],
        ["--json", "-", "--junit", "/dev/stderr"],
        ["--markdown", "/dev/stdout"],
        ["--markdown", "notes.md", "--force"],
    ],
)
def test_a_good_one_is_taken_again_and_again(run: Run, arguments: list[str]) -> None:
    """What the last run wrote is replaced by the next."""
    Path("notes.md").write_text("# Mine\n")
    for _ in range(2):
        code, out, err = run("gate", "null", "fac2.py:make", *arguments)
        assert code == 0, err
        assert "PROCEED" in out + err


def test_a_module_and_a_spec_in_a_spec_are_read_too(run: Run) -> None:
    """Of `mypkg.mod:factory` the file, and of a parameter that names one."""
    Path("mypkg").mkdir()
    Path("mypkg/mod.py").write_text("make = None\n")
    for spec in ("mypkg.mod:make", "migration?new=mypkg/mod.py:make", "migration?new=mypkg%2Fmod.py%3Amake"):
        code, _, err = run("gate", "null", spec, "--json", "mypkg/mod.py", "--force")
        assert code == WRONG
        assert "which this command reads" in err


def test_compare_does_not_write_over_what_it_compares(run: Run) -> None:
    """Documents of ours, and its input."""
    store.write_text(Path("a.json"), store.to_json(baseline_document()))
    store.write_text(Path("b.json"), store.to_json(baseline_document()))
    for name in ("a.json", "b.json"):
        code, _, err = run("compare", "a.json", "b.json", "--json", name, "--force")
        assert code == WRONG
        assert "which this command reads" in err
    assert run("compare", "a.json", "b.json", "--json", "c.json")[0] == 0


def test_the_verdict_comes_first_and_one_bad_output_costs_itself_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full for one: it is told in one line, the others are there, and the code says so in place of 0."""
    seen: list[str] = []
    write = store.write_text

    def full(path: Path, text: str, *, force: bool = False) -> None:
        seen.append(path.name)
        if path.name == "out.json":
            raise UnwrittenError(f"cannot write {path}: No space left on device")
        write(path, text, force=force)

    monkeypatch.setattr(store, "write_text", full)
    monkeypatch.setattr("harness.report.terminal.show", lambda _document, _console: seen.append("the verdict"))
    arguments = ("gate", "null", "null", "--json", "out.json", "--junit", "out.xml", "--markdown", "out.md")
    code, _, err = run(*arguments)
    assert (code, err) == (UNWRITTEN, "cachegate: cannot write out.json: No space left on device\n")
    assert seen == ["the verdict", "out.json", "out.xml", "out.md"]
    assert ET.parse("out.xml").getroot().tag == "testsuite"
    for own in (1, 2, 5):
        monkeypatch.setattr(session, "gate", lambda *_, own=own: gate_document(exit_code=own))
        assert run(*arguments)[0] == own


def test_a_file_that_comes_during_the_run_is_not_replaced(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's own, or a link that foreign code planted."""

    def plant(*_: object) -> GateDocument:
        Path("out.json").write_text("theirs")
        Path("out.xml").symlink_to("fac2.py")
        return PROCEED

    monkeypatch.setattr(session, "gate", plant)
    code, out, err = run("gate", "null", "null", "--json", "out.json", "--junit", "out.xml")
    assert code == UNWRITTEN
    assert out.startswith("PROCEED")
    assert err.count("\n") == 2
    assert Path("out.json").read_text() == "theirs"
    assert "NullCache" in Path("fac2.py").read_text()


def test_the_summary_of_a_step_keeps_what_is_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--markdown "$GITHUB_STEP_SUMMARY"` appends."""
    Path("summary.md").write_text("# An earlier step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", f"{Path.cwd()}/summary.md")
    assert run("gate", "null", "null", "--markdown", "summary.md")[0] == 0
    text = Path("summary.md").read_text()
    assert text.startswith("# An earlier step\n")
    assert "PROCEED" in text


def test_baseline_by_the_same_rules(run: Run) -> None:
    """Its output is an output like any other."""
    Path("mine.json").write_text("{}")
    assert run("baseline", "null", "-o", "mine.json")[0] == WRONG
    assert run("baseline", "fac2.py:make", "-o", "fac2.py", "--force")[0] == WRONG
    code, out, _ = run("baseline", "null", "-o", "b.json")
    assert code == 0
    assert out.startswith("MEASURED  improved for b.json")
    code, out, err = run("baseline", "null", "-o", "-")
    assert json.loads(out)["kind"] == "baseline"
    assert "MEASURED" in err


def test_what_is_printed_may_go_to_no_output(tmp_path: Path) -> None:
    """`--json out.json > out.json`: the report and the document would meet in one file."""
    code = "from harness.commands.outputs import Outputs; Outputs(json='out.json')"
    with (tmp_path / "out.json").open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, stdout=file, stderr=subprocess.PIPE, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert "to which the shell sends what is printed" in done.stderr


def test_a_history_goes_by_the_same_rules(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache's process is given a place of the run's own; what it leaves is moved, or told to be missing."""
    places: list[Path] = []
    document = session_check.check(
        CheckRequest(spec="null", seed=1, only=("overwrite",), save=False), lambda _line: None
    ).model_copy(update={"exit_code": 0})

    def leave(request: CheckRequest, _say: object) -> object:
        assert request.history is not None
        places.append(request.history)
        if len(places) < 3:
            History(np.zeros((2, len(COLUMNS)), dtype=np.int64)).save(request.history)
        return document

    monkeypatch.setattr(session_check, "check", leave)
    for _ in range(2):
        assert run("check", "null", "-w", "churn", "--history", "h.npz")[0] == 0
    assert len(History.load(Path("h.npz"))) == 2
    assert all(not place.is_relative_to(Path.cwd()) and not place.parent.exists() for place in places)
    code, _, err = run("check", "null", "-w", "churn", "--history", "h.npz")
    assert (code, err) == (UNWRITTEN, "cachegate: cannot write h.npz: the run ended before there was a history\n")
    np.savez("mine.npz", rows=np.zeros(3))
    assert run("check", "null", "-w", "churn", "--history", "mine.npz")[0] == WRONG
    assert run("check", "null", "-w", "churn", "--history", "x", "--json", "x")[0] == WRONG


def test_journals_replace_journals_alone(run: Run, tmp_path: Path) -> None:
    """Each has a file of its own, which another output is not, and which nobody else's file is."""
    files = _journals(".", [Path("a/pause.yaml")], ["improved?x=1", "improved-x-2", "i" * 300])
    assert files["pause", "improved?x=1"] == Path("pause-improved-x-1.json")
    assert len(files["pause", "i" * 300].name) < 100
    Outputs(journals=files.values())
    for folder in ("", "nowhere"):
        with pytest.raises(UsageError, match="--journals needs a folder"):
            _journals(folder, [Path("pause.yaml")], ["improved"])
    with pytest.raises(UsageError, match="--journals would write to one file twice"):
        Outputs(journals=_journals(".", [Path("pause.yaml")], ["improved?x=1", "improved-x-1"]).values())
    with pytest.raises(UsageError, match="one file twice"):
        Outputs(json="pause-improved-x-1.json", journals=files.values())
    Path("pause-improved-x-1.json").write_text('{"chaoslib-version": "1.44", "cachegate": {}}')
    outputs = Outputs(journals=files.values())
    assert outputs.keep(Path("pause-improved-x-1.json"), "{}")
    with pytest.raises(UsageError, match="--force"):
        Outputs(journals=files.values())
    assert not outputs.keep(Path("pause-improved-x-1.json"), "new")
    assert Path("pause-improved-x-1.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("code", "streams"),
    [(0, ">&-"), (0, "2>&-"), (0, "<&-"), (UNWRITTEN, ">/dev/full"), (0, "2>/dev/full"), (0, "--json - | head -c 1")],
)
def test_the_code_is_the_verdicts_whatever_becomes_of_the_streams(tmp_path: Path, code: int, streams: str) -> None:
    """A stream that is closed, full, or read no more is no ROLLBACK, and no bug of ours; the files are written."""
    (tmp_path / "made.py").write_text(
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n"
        "from documents import gate_document\n"
        "from harness import cli, session\n"
        "session.gate = lambda *_: gate_document(exit_code=0)\n"
        "cli.main()\n"
    )
    command = f"set -o pipefail; {sys.executable} made.py gate null null --junit out.xml {streams}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out.xml").stat().st_size > 0


def test_a_bad_request_is_4_even_if_nobody_can_be_told() -> None:
    """An interpreter that fails to print its error ends with 1, which is ROLLBACK."""
    command = f"{sys.executable} -m harness gate nosuch null 2>/dev/full"
    assert subprocess.run(["bash", "-c", command], cwd=ROOT, check=False).returncode == WRONG
