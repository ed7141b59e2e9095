"""Every report shows the same decided thing, the reason first."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from documents import baseline_document, gate_document, metric, tune_document
from rich.console import Console

from harness.documents import MetricResult
from harness.model import Verdict
from harness.report import junit, markdown, progress, terminal, tune, words
from harness.tune.document import TuneDocument

GOLDEN = Path(__file__).parent.parent / "golden"


def printed(document: object) -> str:
    console = Console(file=io.StringIO(), width=120, highlight=False)
    if hasattr(document, "yardstick_version"):
        terminal.show_baseline(document, console, "b.json")  # type: ignore[arg-type]  # told apart above
    elif isinstance(document, TuneDocument):
        tune.show(document, console)
    else:
        terminal.show(document, console)  # type: ignore[arg-type]  # told apart above
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gate.txt", printed(gate_document())),
        ("gate.md", markdown.render(gate_document())),
        ("gate.xml", junit.render(gate_document())),
        ("baseline.txt", printed(baseline_document())),
        ("tune.txt", printed(tune_document())),
        ("tune.md", tune.as_markdown(tune_document())),
        ("tune.xml", tune.as_junit(tune_document())),
    ],
)
def test_reports_are_as_they_were(name: str, text: str) -> None:
    """Against golden files; after a wanted change delete the file, run once, and read what it wrote."""
    path = GOLDEN / name
    if not path.exists():
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path} was written anew; read it")
    assert text == path.read_text(encoding="utf-8")


def test_the_answer_is_the_first_line() -> None:
    """Verdict and reason, before any table."""
    assert printed(gate_document()).splitlines()[0].startswith("ROLLBACK  improved against legacy: operation time")


def test_junit_counts_are_those_of_its_cases() -> None:
    """Undecided is an error, a failure a failure, a skip a skip; the verdict is a case of its own."""
    suite = ET.fromstring(junit.render(gate_document()))
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases) == 6
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[attribute]) == len(suite.findall(f"testcase/{tag}")) > 0
    green = ET.fromstring(junit.render(gate_document(verdict=Verdict.PROCEED, metrics=(), incidents=(), skipped=())))
    assert (green.attrib["tests"], green.attrib["failures"], green.attrib["errors"]) == ("1", "0", "0")


def test_junit_survives_what_xml_cannot_hold() -> None:
    """A key with a control character in an example is no broken file."""
    document = gate_document(reason="bad \x00 \x1b \ud800 key")
    assert ET.fromstring(junit.render(document)) is not None


def test_markdown_cells_hold_one_line() -> None:
    """A pipe or a line break in a message does not break the table."""
    text = markdown.render(gate_document(reason="a|b\nc<d"))
    assert "a\\|b c&lt;d" in text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ns", "-"),
        (999.4, "ns", "999 ns"),
        (1234.5, "ns", "1.23 us"),
        (5e6, "ns", "5 ms"),
        (3.1e9, "ns", "3.1 s"),
        (640.0, "B", "640 B"),
        (20_480.0, "B", "20 KiB"),
        (0.51234, "1", "0.5123"),
    ],
)
def test_quantities_are_readable(value: float | None, unit: str, text: str) -> None:
    """Three figures in a fitting unit; absent is a dash, not a zero."""
    assert words.quantity(value, unit) == text


@pytest.mark.parametrize(
    ("result", "change", "interval"),
    [
        (metric(), "+8.0 %", "+7.1 to +9.2"),
        (metric("hit_ratio", change=-0.0, low=-0.0001, high=0.0001), "+0.0 pt", "+0.0 to +0.0"),
        (metric(change=None, low=None, high=None), "-", "too few pairs"),
    ],
)
def test_changes_are_percent_or_points(result: MetricResult, change: str, interval: str) -> None:
    """Positive is worse, and there is no -0.0."""
    assert (words.change(result), words.interval(result)) == (change, interval)


def test_the_json_is_the_document() -> None:
    """What is printed is in it."""
    data = json.loads(gate_document().model_dump_json())
    assert data["metrics"][0]["change"] == 0.08
    assert data["verdict"] == "rollback"


def test_progress_is_for_terminals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent when standard error is not a terminal; one rewritten line when it is, gone at the end."""
    with progress.Progress() as shown:
        shown.say("working")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress.Progress() as shown:
        shown.say("working " * 100)
    written = capsys.readouterr().err
    assert written.startswith("\r\x1b[2Kworking")
    assert "\n" not in written
    assert written.endswith("\r\x1b[2K")
