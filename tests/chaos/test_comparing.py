"""Two caches under the same faults: when the second is worse, and when nobody can tell."""

from __future__ import annotations

from typing import Any

import pytest

from harness.chaos.comparing import compare, difference
from harness.chaos.document import ExperimentResult, PartResult
from harness.documents import CheckedResult
from harness.model import CheckVerdict, Verdict


def check(id_: str, verdict: CheckVerdict, kind: Any = "condition") -> CheckedResult:
    """A result."""
    return CheckedResult(id=id_, kind=kind, title="It", verdict=verdict, summary=f"{id_} was {verdict}")


def experiment(
    role: Any, verdict: Any = Verdict.PROCEED, *, during: float = 0.95, recover: float | None = 0.5,
    checks: tuple[CheckedResult, ...] = (), name: str = "pause", after: float = 1.0,
) -> ExperimentResult:  # fmt: skip
    """One experiment on one cache."""
    part = PartResult(operations=1000, answered=during, timely=during, hit_ratio=0.5, p50=0.001, p99=0.01)
    return ExperimentResult(
        name=name, title="It", question="Well?", arm=role, role=role, verdict=verdict, reason="so", faults=(),
        before=part, during=part, after=part.model_copy(update={"answered": after}), availability=during, errors={},
        detect_seconds=0.1, degrade_seconds=None,
        recover_seconds=recover, operations_lost=0, stale_reads=0, loads=0, stampedes=0, fresh_bytes=None,
        memory_bytes=None,
        checks=checks, series=(), journal=None, elapsed_seconds=1.0,
    )  # fmt: skip


LIE = (check("C1", CheckVerdict.FAIL, "law"),)
LATE = (check("recovers_within", CheckVerdict.FAIL),)


@pytest.mark.parametrize(
    ("baseline", "candidate", "verdict"),
    [
        ({}, {}, Verdict.PROCEED),
        ({}, {"during": 0.91, "recover": 1.4}, Verdict.PROCEED),
        ({}, {"during": 0.89}, Verdict.ROLLBACK),
        ({}, {"recover": 1.6}, Verdict.ROLLBACK),
        ({"during": 0.2}, {"during": 0.9}, Verdict.PROCEED),
        ({}, {"verdict": Verdict.ROLLBACK, "checks": LIE}, Verdict.ROLLBACK),
        ({"verdict": Verdict.ROLLBACK, "checks": LIE}, {}, Verdict.INCONCLUSIVE),
        ({"verdict": Verdict.ROLLBACK, "checks": LIE}, {"verdict": Verdict.ROLLBACK, "checks": LIE}, Verdict.ROLLBACK),
        ({}, {"verdict": Verdict.ROLLBACK, "checks": LATE}, Verdict.ROLLBACK),
        ({"verdict": Verdict.ROLLBACK, "checks": LATE}, {"verdict": Verdict.ROLLBACK, "checks": LATE}, Verdict.PROCEED),
        (
            {"verdict": Verdict.ROLLBACK, "checks": LATE},
            {"verdict": Verdict.ROLLBACK, "checks": LATE, "recover": None},
            Verdict.ROLLBACK,
        ),
        (
            {"verdict": Verdict.ROLLBACK, "checks": LATE},
            {"verdict": Verdict.ROLLBACK, "checks": LATE, "after": 0.4},
            Verdict.ROLLBACK,
        ),
        ({"verdict": Verdict.INCONCLUSIVE}, {}, Verdict.INCONCLUSIVE),
        ({}, {"verdict": Verdict.INCONCLUSIVE}, Verdict.INCONCLUSIVE),
        ({"verdict": "skipped"}, {}, "skipped"),
        ({}, {"verdict": "skipped"}, "skipped"),
    ],
)
def test_the_second_must_bear_it_as_well(baseline: dict[str, Any], candidate: dict[str, Any], verdict: Any) -> None:
    """A law of its own; what the first holds; availability within 5 points; recovery within a second."""
    found = difference(experiment("baseline", **baseline), experiment("candidate", **candidate))
    assert found.verdict == verdict
    assert found.summary


def test_never_recovered_is_not_faster() -> None:
    """Unknown differences stay unknown."""
    found = difference(experiment("baseline", recover=None), experiment("candidate"))
    assert found.recover_seconds is None


def test_each_experiment_with_itself() -> None:
    """In the order in which they were run."""
    results = [experiment(role, name=name) for name in ("pause", "cut") for role in ("baseline", "candidate")]
    assert [each.name for each in compare(results)] == ["pause", "cut"]
