"""Reports as JUnit XML: one test case a metric, a check, an incident. Undecided is an error, never a pass."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from xml.etree import ElementTree as ET

from harness.documents import CompareDocument, GateDocument
from harness.model import CheckVerdict, Verdict
from harness.report.words import TITLES, change, interval, margin

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLURALS = {"failure": "failures", "error": "errors", "skipped": "skipped"}
OF_VERDICT = {Verdict.PROCEED: None, Verdict.ROLLBACK: "failure", Verdict.INCONCLUSIVE: "error"}
OF_CHECK = {
    CheckVerdict.PASS: None,
    CheckVerdict.FAIL: "failure",
    CheckVerdict.UNKNOWN: "error",
    CheckVerdict.SKIPPED: "skipped",
}


class Case(NamedTuple):
    """One test case: failed, in error or skipped as kind says, None for passed."""

    place: str
    name: str
    kind: str | None
    message: str
    evidence: str = ""


def render(document: GateDocument | CompareDocument) -> str:
    """A gate's document."""
    kind = document.kind
    cases = [
        Case(
            f"{kind}.{result.workload}",
            result.name,
            OF_VERDICT[result.verdict or Verdict.INCONCLUSIVE],
            f"{TITLES[result.name]} {change(result)} ({interval(result)}), allowed {margin(result)}",
        )
        for result in document.metrics
    ]
    cases += [
        Case(
            f"{kind}.{found.workload}",
            f"{found.role} {found.kind}",
            "failure" if found.role == "candidate" else "error",
            found.example,
        )
        for found in document.incidents
    ]
    cases += [Case(f"{kind}.{each.workload}", "workload", "skipped", each.reason) for each in document.skipped]
    cases.append(Case(f"{kind}.run", "verdict", OF_VERDICT[document.verdict], document.reason))
    return suite(f"cachegate {kind}", cases, document.elapsed_seconds)


def suite(name: str, cases: Iterable[Case], seconds: float) -> str:
    """All cases as one suite."""
    root = ET.Element("testsuite", name=name)
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for case in cases:
        counts["tests"] += 1
        element = ET.SubElement(root, "testcase", {"classname": text(case.place), "name": text(case.name)})
        if case.kind is not None:
            counts[_PLURALS[case.kind]] += 1
            told = ET.SubElement(element, case.kind, message=text(case.message))
            told.text = text(case.evidence) or None
    for what, count in counts.items():
        root.set(what, str(count))
    root.set("time", f"{seconds:.3f}")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def text(words: str) -> str:
    """words without what XML cannot hold."""
    return _NOT_XML.sub("?", words)
