"""What a run over the wire prints and writes, of documents made by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from arms import arm
from documents import DISTURBANCE, ENVIRONMENT, metric
from rich.console import Console

import harness
from harness.documents import CheckedResult, WarningResult
from harness.load.document import SecondResult, StressDocument
from harness.model import CheckVerdict, Severity, Verdict
from harness.report import loads


def check(identity: str, verdict: CheckVerdict, summary: str, *evidence: str) -> CheckedResult:
    return CheckedResult(
        id=identity, kind="law", title="so it is", verdict=verdict, summary=summary, evidence=tuple(evidence)
    )


def document(**changes: Any) -> StressDocument:
    """Two caches, of which one lied, and nobody knows about C4."""
    one = arm("baseline", 2e-5, 50_000, 0.9, 0.8)
    fields: dict[str, Any] = {
        "verdict": Verdict.ROLLBACK, "reason": "candidate: C1, it lied", "exit_code": 1, "seed": 7,
        "elapsed_seconds": 61.0, "environment": ENVIRONMENT, "disturbance": DISTURBANCE, "scenario": "stress",
        "question": "Is it so?", "workload": "ycsb-b", "users": 100, "processes": 2,
        "arms": (one, arm("candidate", 3e-5, 40_000, 0.9, 0.8)), "operations": 200, "errors": 3, "achieved_rate": 1.0,
        "latency": one.phases[-1].latency, "loads": None,
        "metrics": (metric("cpu_per_request", unit="ns", verdict=Verdict.ROLLBACK, severity=Severity.P1),),
        "reported": (metric("response_p99", unit="ns", verdict=None, severity=None),),
        "checks": (
            check("C1", CheckVerdict.FAIL, "3 times; get(a) <b> [x]", "0.1 to 0.2 s  get(a)"),
            check("C2", CheckVerdict.PASS, "in each of 2 pairs"),
            check("C3", CheckVerdict.PASS, "in each of 2 pairs"),
            check("C4", CheckVerdict.UNKNOWN, "a history is missing"),
            check("C5", CheckVerdict.SKIPPED, "nothing was deleted"),
        ),
        "history": "all 200 operations on every key",
        "series": tuple(
            SecondResult(time=time, operations=10 * time, errors=0, hit_ratio=1, p50=1e-4, p99=1e-3,
                         host_memory_bytes=50_000_000)
            for time in range(2)
        ),
        "warnings": (WarningResult(message="it was loud", remedy="be quiet"),),
    }  # fmt: skip
    return StressDocument(**fields | changes)


def printed(shown: StressDocument) -> str:
    stream = io.StringIO()
    loads.show(shown, Console(file=stream, width=140, highlight=False, emoji=False))
    return stream.getvalue()


def test_the_answer_comes_first() -> None:
    """Then the question, what decides, both caches, what broke with its proof, and what was not judged."""
    text = printed(document())
    first, second, *_ = text.splitlines()
    assert first == "ROLLBACK  candidate: C1, it lied"
    assert second == "Is it so?"
    for words in (
        "host cpu a request", "baseline, the last pair", "candidate, the last pair", "fail C1: 3 times; get(a) <b> [x]",
        "    0.1 to 0.2 s  get(a)", "held C2 C3: in each of 2 pairs", "unknown C4: a history is missing",
        "skipped C5: nothing was deleted", "note it was loud; be quiet", "laws judged on all 200 operations",
        "100 users of ycsb-b in 2 processes",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(
    ("seconds", "words"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4.56e-5, "45.6 us"), (7.8e-8, "78 ns"), (0.0, "0 ns")]
)
def test_durations(seconds: float, words: str) -> None:
    """Three digits, in a unit that a reader knows."""
    assert loads.duration(seconds) == words


def test_it_validates() -> None:
    """Against the published schema."""
    schema = json.loads((Path(harness.__file__).parent / "schemas" / "stress.json").read_text())
    jsonschema.validate(json.loads(document().model_dump_json()), schema)


def test_as_junit() -> None:
    """A case a check and a metric, and one for the verdict: undecided is an error, never a pass."""
    suite = ET.fromstring(loads.as_junit(document()))
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "7", "failures": "3", "errors": "1", "skipped": "1",
    }  # fmt: skip


def test_as_markdown() -> None:
    """Tables that a pull request shows, and nothing that breaks them."""
    text = loads.as_markdown(document(reason="a | b"))
    assert "### ❌ ROLLBACK" in text
    assert "a \\| b" in text
    assert "| baseline | half |" in text
    assert "- ❌ C1: 3 times; get(a) &lt;b> [x]" in text
