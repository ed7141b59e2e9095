"""Verdicts: what is PROCEED, what ROLLBACK, and what nobody can tell."""

from __future__ import annotations

from typing import Any

import pytest
from stories import GET, SET, UNKNOWN, operation, outcome, reads, told

from harness.chaos.document import ExperimentResult
from harness.chaos.judging import judge
from harness.chaos.nemesis import Told
from harness.chaos.plan import Holds, Plan
from harness.model import Verdict
from harness.session_chaos import unguarded

Rows = list[dict[str, int]]
OUTAGE = [*reads(0, 2), *reads(2, 3, outcome=UNKNOWN), *reads(3, 6)]
SMOOTH = reads(0, 6)
STALE = [operation(SET, 0.5, 1024), operation(SET, 1.0, 2048), operation(GET, 3.5, 1024)]


def judged(
    rows: Rows, faults: list[Told] | None = None, *, holds: dict[str, Any] | None = None, **more: Any
) -> ExperimentResult:
    """What is said of a run."""
    plan = Plan(name="it", title="It", question="Well?", holds=Holds(**({"recovers_within": 2.0} | (holds or {}))))
    return judge(plan, "improved", outcome(rows, [told()] if faults is None else faults, **more))


def test_a_fault_that_is_borne_proceeds() -> None:
    """Seen to act and to end, all lawful, and soon as before."""
    found = judged(OUTAGE)
    assert found.verdict is Verdict.PROCEED
    assert found.detect_seconds == pytest.approx(0.001)
    assert found.recover_seconds == pytest.approx(0.0)


@pytest.mark.parametrize(
    "faults",
    [[], [told(fired=False)], [told(over=False)], [told(whole=False)], [told(), told(fired=False, name="stall")]],
)
def test_what_was_not_seen_to_act_or_to_end_says_nothing(faults: list[Told]) -> None:
    """Never PROCEED, however well users were served: one of the two, and one of several, is enough."""
    found = judged(SMOOTH, faults)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert [check.id for check in found.checks if check.verdict == "unknown"] == ["C13"]


def test_a_lie_is_a_lie_whether_the_fault_acted_or_not() -> None:
    """The laws come first, and count what was stale."""
    for faults in ([told()], [told(fired=False)]):
        found = judged([*SMOOTH, *STALE], faults)
        assert found.verdict is Verdict.ROLLBACK
        assert found.reason.startswith("C1")
        assert found.stale_reads is not None
        assert found.stale_reads >= 1


def test_a_host_that_dies_is_a_finding() -> None:
    """Unless the experiment says that it may."""
    assert judged(SMOOTH, problem="it ended with code -9").verdict is Verdict.ROLLBACK
    assert judged(SMOOTH, problem="it ended", holds={"lives": False}).verdict is Verdict.PROCEED


def test_a_run_that_was_not_steady_before_says_nothing() -> None:
    """What a machine does that is too busy is not the cache's."""
    found = judged([*reads(0, 2, took=0.5), *reads(2, 6)])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "before the first fault" in found.reason


@pytest.mark.parametrize(
    ("rows", "holds", "id_"),
    [
        (OUTAGE, {"available_during": 0.9}, "available_during"),
        (OUTAGE, {"degrades_within": 0.5}, "degrades_within"),
        ([*reads(0, 2), *reads(2, 6, outcome=UNKNOWN)], {"available_after": 0.0}, "recovers_within"),
        ([*reads(0, 2), *reads(2, 5.5, outcome=UNKNOWN), *reads(5.5, 9)], {}, "recovers_within"),
    ],
)
def test_what_must_hold_and_does_not(rows: Rows, holds: dict[str, Any], id_: str) -> None:
    """Each by itself is a ROLLBACK that says what was asked; without it the run would pass."""
    found = judged(rows, holds=holds)
    assert found.verdict is Verdict.ROLLBACK
    assert id_ in [check.id for check in found.checks if check.verdict == "fail"]


@pytest.mark.parametrize("holds", [{"available_during": 0.99}, {"degrades_within": 0.5}])
def test_what_must_hold_and_does(holds: dict[str, Any]) -> None:
    """The twins."""
    assert judged(SMOOTH, holds=holds).verdict is Verdict.PROCEED


def test_more_entries_than_there_is_room_for() -> None:
    """C10, at the end."""
    assert judged(SMOOTH, capacity=10, entries=11).verdict is Verdict.ROLLBACK
    assert judged(SMOOTH, capacity=10, entries=10).verdict is Verdict.PROCEED


def test_too_few_operations_say_nothing() -> None:
    """A share of nine operations is none."""
    found = judged([*reads(0, 2), *reads(2, 2.045), *reads(3, 6)], holds={"available_during": 0.99})
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_hypothesis_that_does_not_hold_any_more_is_a_finding() -> None:
    """Whatever the users saw."""
    assert judged(SMOOTH, deviated=True).verdict is Verdict.ROLLBACK


def test_what_breaks_by_itself_makes_it_say_nothing() -> None:
    """A second tier that died without being asked to."""
    assert judged(SMOOTH, trouble="it ended with code 1").verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("used", "verdict"), [(False, Verdict.INCONCLUSIVE), (True, Verdict.PROCEED), (None, Verdict.PROCEED)]
)
def test_a_cache_that_does_not_use_what_is_broken_has_borne_nothing(used: bool | None, verdict: Verdict) -> None:
    """Where it needs a second tier, and asked it nothing."""
    plan = Plan(name="it", title="It", question="Well?", holds=Holds(recovers_within=2.0), needs=("second_tier",))
    assert judge(plan, "improved", outcome(SMOOTH, [told()], tier_used=used)).verdict is verdict


def test_never_recovered_is_not_unknown() -> None:
    """Nothing was due after a recovery that never came: that is a ROLLBACK, not a question."""
    found = judged([*reads(0, 2), *reads(2, 3, outcome=UNKNOWN)])
    assert found.verdict is Verdict.ROLLBACK
    assert [check.verdict for check in found.checks if check.id == "available_after"] == ["skipped"]


def test_a_machine_without_a_processor_to_spare_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """What users waited for may have been the processor: INCONCLUSIVE, with what to do. A lie is a lie all the same."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    late = [*reads(0, 2), *reads(2, 5.5, outcome=UNKNOWN), *reads(5.5, 9)]
    assert judged(late, other_cpu=0.9).verdict is Verdict.ROLLBACK
    found = judged(late, other_cpu=1.2)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "quieter machine" in found.reason
    assert judged([*SMOOTH, *STALE], other_cpu=1.2).verdict is Verdict.ROLLBACK
    assert judged(SMOOTH, other_cpu=1.2).verdict is Verdict.PROCEED


def test_a_proxy_server_for_anybody_is_a_warning() -> None:
    """It names the server, and says what to do."""
    told = unguarded("toxiproxy-server 2.9.0 on the PATH")
    assert "toxiproxy-server 2.9.0 on the PATH" in told.message
    assert "CACHEGATE_TOXIPROXY_TOKEN" in told.remedy
