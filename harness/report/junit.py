"""The report as JUnit XML: one test case a metric, one an incident. Undecided is an error, never a pass."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from harness.documents import CompareDocument, GateDocument
from harness.model import Verdict
from harness.report.words import TITLES, change, interval, margin

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(document: GateDocument | CompareDocument) -> str:
    """The document as JUnit XML."""
    suite = ET.Element("testsuite", name=f"cachegate {document.kind}")
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}

    def case(workload: str, name: str, kind: str | None = None, message: str = "") -> None:
        counts["tests"] += 1
        attributes = {"classname": text(f"{document.kind}.{workload}"), "name": name}
        element = ET.SubElement(suite, "testcase", attributes)
        if kind is not None:
            counts[{"failure": "failures", "error": "errors", "skipped": "skipped"}[kind]] += 1
            ET.SubElement(element, kind, message=text(message))

    for result in document.metrics:
        message = f"{TITLES[result.name]} {change(result)} ({interval(result)}), allowed {margin(result)}"
        kinds = {Verdict.ROLLBACK: "failure", Verdict.INCONCLUSIVE: "error"}
        case(result.workload, result.name, kinds.get(result.verdict or Verdict.INCONCLUSIVE), message)
    for found in document.incidents:
        kind = "failure" if found.role == "candidate" else "error"
        case(found.workload, f"{found.role} {found.kind}", kind, found.example)
    for skipped in document.skipped:
        case(skipped.workload, "workload", "skipped", skipped.reason)
    verdict = {Verdict.PROCEED: None, Verdict.ROLLBACK: "failure", Verdict.INCONCLUSIVE: "error"}[document.verdict]
    case("run", "verdict", verdict, document.reason)
    for name, count in counts.items():
        suite.set(name, str(count))
    suite.set("time", f"{document.elapsed_seconds:.3f}")
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def text(words: str) -> str:
    """words without what XML cannot hold."""
    return _NOT_XML.sub("?", words)
