"""Two stored baselines, compared by their ratios to the yardstick."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from documents import ENVIRONMENT, WORKLOAD, baseline_document

from harness.errors import UsageError
from harness.gate import stored
from harness.gate.policy import GATED
from harness.model import Severity, Verdict


@pytest.mark.parametrize(
    ("worse", "verdict", "severity"),
    [
        (0.0, Verdict.PROCEED, None),
        (0.03, Verdict.PROCEED, None),
        (0.05, Verdict.INCONCLUSIVE, None),
        (0.08, Verdict.ROLLBACK, Severity.P2),
        (0.30, Verdict.ROLLBACK, Severity.P0),
    ],
)
def test_the_interval_decides(worse: float, verdict: Verdict, severity: Severity | None) -> None:
    """PROCEED when it lies below the margin, ROLLBACK when above, else INCONCLUSIVE."""
    first, second = baseline_document(), baseline_document(math.log1p(worse))
    (result,) = stored.compare(first, second, GATED)
    assert (result.verdict, result.severity) == (verdict, severity)
    assert result.change == pytest.approx(worse, abs=1e-9)
    assert result.low is not None
    assert result.high is not None
    assert result.low <= worse + 1e-9
    assert result.high >= worse - 1e-9


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"environment": ENVIRONMENT.model_copy(update={"cpu_model": "Another"})}, "cpu_model"),
        ({"environment": ENVIRONMENT.model_copy(update={"python": "3.12.1"})}, "python"),
        ({"environment": ENVIRONMENT.model_copy(update={"implementation": "PyPy"})}, "implementation"),
        ({"yardstick_version": 2}, "yardstick_version"),
        ({"workloads": (WORKLOAD.model_copy(update={"digest": "e" * 64}),)}, "what ycsb-b asks"),
        ({"workloads": (WORKLOAD.model_copy(update={"capacity": 5}),)}, "what ycsb-b asks"),
        ({"workloads": (WORKLOAD.model_copy(update={"name": "churn"}),)}, "workloads"),
        ({"pairs": 19}, "19 pairs, 20 are needed"),
    ],
)
def test_what_the_yardstick_cannot_cancel_must_agree(changes: dict[str, Any], named: str) -> None:
    """The field that differs is named."""
    found = stored.mismatches(baseline_document(), baseline_document(**changes))
    assert len(found) == 1
    assert named in found[0]


def test_what_it_cancels_may_differ() -> None:
    """A patch release of Python, another kernel, and the load of the day do not forbid a comparison."""
    other = ENVIRONMENT.model_copy(update={"python": "3.11.9", "system": "Linux 7", "memory_bytes": 1})
    assert stored.mismatches(baseline_document(), baseline_document(environment=other)) == []


@pytest.mark.parametrize("differences", [(1e308,) * 20, (0.0, -301.0), (0.0,) * (stored.MOST_PAIRS + 1)])
def test_what_no_run_has_stored_is_refused(differences: tuple[float, ...]) -> None:
    """In a line, before it leaves the range of numbers or fills the machine; as much as a run stores is taken."""
    document = baseline_document(0.0)
    stored.check(document, Path("it.json"))
    first, *others = document.metrics
    damaged = first.model_copy(update={"differences": differences})
    with pytest.raises(UsageError, match=r"it\.json is damaged: "):
        stored.check(document.model_copy(update={"metrics": (*others, damaged)}), Path("it.json"))
    longest = first.model_copy(update={"differences": (stored.MOST_DIFFERENCE,) * stored.MOST_PAIRS})
    stored.check(document.model_copy(update={"metrics": (longest,)}), Path("it.json"))
