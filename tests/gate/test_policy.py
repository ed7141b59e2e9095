"""The table of thresholds, and how a user changes it."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.gate import policy
from harness.model import Severity, Verdict


def margins(*texts: str, names: tuple[str, ...] = ()) -> dict[str, float]:
    return {row.metric.name: row.margin for row in policy.gated(list(names), list(texts))}


def test_the_table_is_that_of_gate_md() -> None:
    """Five metrics with their margins; every one says what it covers."""
    assert margins() == {
        "operation_time": 0.05,
        "cpu_time": 0.05,
        "tail": 0.15,
        "memory": 0.15,
        "hit_ratio": 0.01,
    }
    over_the_wire = {row.metric.name: row.margin for row in policy.LOAD_GATED}
    assert over_the_wire == {"cpu_per_request": 0.05, "throughput": 0.05}
    assert set(policy.COVERS) == {*margins(), *over_the_wire}


def test_a_bare_margin_is_of_both_times() -> None:
    """`--margin 8%` moves operation and cpu time and nothing else."""
    assert margins("8%") == margins() | {"operation_time": 0.08, "cpu_time": 0.08}
    assert margins("memory=30%", "3%")["memory"] == 0.30
    assert margins("8%", names=("memory",)) == {"memory": 0.15}


def test_metrics_can_be_chosen() -> None:
    """`--metric` keeps only the named, in the order given."""
    assert margins(names=("tail", "memory")) == {"tail": 0.15, "memory": 0.15}


@pytest.mark.parametrize(
    ("names", "texts", "message"),
    [
        (("latency",), (), "no metric 'latency'"),
        ((), ("latency=5%",), "no metric 'latency'"),
        ((), ("five",), "is not a share"),
        ((), ("5",), "did you mean 5%"),
        ((), ("0%",), "between 0% and 100%"),
        (("tail",), ("memory=5%",), "not among the chosen"),
    ],
)
def test_bad_choices_are_usage_errors(names: tuple[str, ...], texts: tuple[str, ...], message: str) -> None:
    """Each says what is wrong and what there is."""
    with pytest.raises(UsageError, match=message):
        policy.gated(list(names), list(texts))


@pytest.mark.parametrize(
    ("kind", "share", "severity"),
    [
        ("wrong answer", 0.0, Severity.P0),
        ("crash", 1.0, Severity.P0),
        ("error", 0.02, Severity.P0),
        ("error", 0.001, Severity.P1),
        ("counter", 0.5, Severity.P1),
    ],
)
def test_incidents_are_urgent(kind: str, share: float, severity: Severity) -> None:
    """A lie or a crash is P0; errors from one in a hundred."""
    assert policy.incident_severity(kind, share) is severity


def test_the_worst_verdict_wins_and_none_is_no_pass() -> None:
    """A definite failure outranks not knowing; nothing seen is INCONCLUSIVE."""
    assert Verdict.worst([Verdict.PROCEED, Verdict.ROLLBACK, Verdict.INCONCLUSIVE]) is Verdict.ROLLBACK
    assert Verdict.worst([Verdict.PROCEED, Verdict.INCONCLUSIVE]) is Verdict.INCONCLUSIVE
    assert Verdict.worst([Verdict.PROCEED]) is Verdict.PROCEED
    assert Verdict.worst([]) is Verdict.INCONCLUSIVE
