"""Whole runs: the gate on real trials, and its decisions on trials made up."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ZOO

from harness import session
from harness.errors import NothingMeasuredError, UsageError
from harness.gate import policy, reasons
from harness.measure import bench, contest
from harness.measure.contest import Options
from harness.measure.pairs import Incident, Pair
from harness.measure.trial import LacksCapabilityError
from harness.model import Role, Severity, Verdict
from harness.session import GateRequest

Say = Callable[[str], None]


def request(*workloads: str, **changes: Any) -> GateRequest:
    fields: dict[str, Any] = {
        "baseline": "legacy",
        "candidate": "improved",
        "options": Options(workloads=workloads or ("ycsb-b",), seed=1),
    }
    return GateRequest(**(fields | changes))


class FakeBench:
    """Pairs out of thin air, in place of trials; the clock moves half a second a pair."""

    clock = 0.0
    ratio: Callable[[str, int], float] = staticmethod(lambda _workload, _pair: 1.0)
    incidents: tuple[Incident, ...] = ()
    asked: list[str]

    def __init__(self, requests: Any, file: Path, arms: Any, interpreters: Any, **options: Any) -> None:
        self.requests, self.batch, self.measured_requests = requests, 250, 1000
        self._rng = random.Random(requests.name)
        self._count = 0

    def pilot(self, rng: random.Random) -> Pair:
        return Pair(values={"operation_time": (1.0, 1.0), "hit_ratio": (1.0, 1.0)}, incidents=FakeBench.incidents)

    def pair(self, rng: random.Random, *, timed: bool = True, memory: bool = True) -> Pair:
        FakeBench.clock += 0.5
        FakeBench.asked.append(self.requests.name)
        self._count += 1
        ratio = FakeBench.ratio(self.requests.name, self._count)
        values = {}
        if timed:
            noise = [self._rng.lognormvariate(0, 0.01) for _ in range(3)]
            values = {
                "operation_time": (1000.0, 1000.0 * ratio * noise[0]),
                "cpu_time": (1500.0, 1500.0 * noise[1]),
                "tail": (3000.0, 3000.0 * noise[2]),
                "hit_ratio": (0.9, 0.9),
                "mean_time": (1100.0, 1100.0),
            }
        if memory:
            values["memory"] = (600.0, 601.0)
        return Pair(values=values, harness_ns=100.0, start_seconds=(0.1,))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeBench]:
    """Trials replaced by FakeBench, time by its clock."""
    FakeBench.clock, FakeBench.asked, FakeBench.incidents = 0.0, [], ()
    FakeBench.ratio = staticmethod(lambda _workload, _pair: 1.0)
    monkeypatch.setattr(contest, "Bench", FakeBench)
    monkeypatch.setattr(contest, "time", SimpleNamespace(monotonic=lambda: FakeBench.clock))
    return FakeBench


def quiet(_line: str) -> None:
    """Say nothing."""


def test_same_code_proceeds(fake: type[FakeBench]) -> None:
    """All metrics pass in the fewest pairs, and the document says what was asked and found."""
    lines: list[str] = []
    document = session.gate(request(), lines.append)
    assert (document.verdict, document.exit_code) == (Verdict.PROCEED, 0)
    assert {result.name for result in document.metrics} == {row.metric.name for row in policy.GATED}
    assert all(result.pairs == 9 for result in document.metrics)
    assert [result.name for result in document.reported] == ["mean_time"]
    assert "no more than 5 % worse than legacy" in document.reason
    assert document.workloads[0].digest
    assert document.harness_ns == {"ycsb-b": 100.0}
    assert "9 pairs, 5 of 5 metrics decided" in lines[-1]


def test_a_slower_candidate_rolls_back_with_its_severity(fake: type[FakeBench]) -> None:
    """The reason names the metric, by how much, how urgent and what was allowed."""
    fake.ratio = staticmethod(lambda _workload, _pair: 1.15)
    document = session.gate(request(), quiet)
    assert (document.verdict, document.exit_code) == (Verdict.ROLLBACK, 1)
    assert document.metrics[0].severity is Severity.P1
    assert "operation time on ycsb-b is 15" in document.reason
    assert "(P1, allowed 5)" in document.reason


def test_the_budget_ends_what_is_undecided(fake: type[FakeBench]) -> None:
    """INCONCLUSIVE with the estimate and what would decide; never a pass by running out."""
    fake.ratio = staticmethod(lambda _workload, pair: 1.0 if pair % 2 else 1.1)
    document = session.gate(request(budget_seconds=10.0), quiet)
    assert (document.verdict, document.exit_code) == (Verdict.INCONCLUSIVE, 2)
    assert document.reason.startswith("10 s did not decide it: operation time on ycsb-b is +")
    assert "--precise" in document.reason


def test_a_near_miss_tells_how_much_longer(fake: type[FakeBench]) -> None:
    """A budget that ends a pair too early names one that would have done."""
    document = session.gate(request(budget_seconds=4.0), quiet)
    assert document.verdict is Verdict.INCONCLUSIVE
    assert "s more would (--budget" in document.reason


def test_no_pair_at_all_is_undecided(fake: type[FakeBench], monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget spent on the pilot decides nothing, and says to give more."""
    plain = FakeBench.pilot

    def slow_pilot(self: FakeBench, rng: random.Random) -> Pair:
        FakeBench.clock += 5.0
        return plain(self, rng)

    monkeypatch.setattr(FakeBench, "pilot", slow_pilot)
    document = session.gate(request(budget_seconds=5.0), quiet)
    assert document.verdict is Verdict.INCONCLUSIVE
    assert "no pair was finished" in document.reason


def test_several_workloads_are_judged_together(fake: type[FakeBench]) -> None:
    """A failure on one is a ROLLBACK, and pairs are spent where it shows."""
    fake.ratio = staticmethod(lambda workload, _pair: 1.2 if workload == "churn" else 1.0)
    document = session.gate(request("ycsb-b", "churn", "llm"), quiet)
    assert document.verdict is Verdict.ROLLBACK
    assert "operation time on churn" in document.reason
    assert fake.asked.count("churn") > fake.asked.count("llm")


def test_a_workload_named_twice_is_asked_once(fake: type[FakeBench]) -> None:
    """Else its metrics would count twice."""
    document = session.gate(request("ycsb-b", "ycsb-b"), quiet)
    assert len(document.workloads) == 1


@pytest.mark.parametrize(
    ("role", "kind", "verdict", "code"),
    [
        (Role.CANDIDATE, "wrong answer", Verdict.ROLLBACK, 1),
        (Role.CANDIDATE, "crash", Verdict.ROLLBACK, 1),
        (Role.CANDIDATE, "counter", Verdict.ROLLBACK, 1),
        (Role.BASELINE, "wrong answer", Verdict.INCONCLUSIVE, 2),
        (Role.BASELINE, "error", Verdict.INCONCLUSIVE, 2),
        (Role.BASELINE, "crash", Verdict.INCONCLUSIVE, 5),
    ],
)
def test_incidents_end_the_run(fake: type[FakeBench], role: Role, kind: Any, verdict: Verdict, code: int) -> None:
    """One is enough, before any pair; whose it is decides the verdict."""
    fake.incidents = (Incident(role=role, kind=kind, count=1, operations=100, example="it did"),)
    document = session.gate(request(), quiet)
    assert (document.verdict, document.exit_code) == (verdict, code)
    assert "it did" in document.reason
    assert fake.asked == []


def test_a_lying_candidate_outranks_a_crashing_baseline(fake: type[FakeBench]) -> None:
    """What the candidate did wrong is said first."""
    fake.incidents = tuple(
        Incident(role=role, kind=kind, count=1, operations=1, example="x")  # type: ignore[arg-type]  # literals below
        for role, kind in ((Role.BASELINE, "crash"), (Role.CANDIDATE, "wrong answer"))
    )
    assert session.gate(request(), quiet).exit_code == 1


def test_a_baseline_that_changes_by_itself_is_inconclusive(
    fake: type[FakeBench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A/A: nothing is decided and the run says why."""
    plain = FakeBench.pair

    def drifting(self: FakeBench, rng: random.Random, *, timed: bool = True, memory: bool = True) -> Pair:
        pair = plain(self, rng, timed=timed, memory=memory)
        factor = 1.0 if self._count % 2 else 1.3
        # Undecidable between the arms, and unsteady by itself.
        wobble = 1.0 if self._count % 4 < 2 else 1.1
        values = {name: (b * factor, b * factor * wobble) for name, (b, _) in pair.values.items()}
        return Pair(values=values | ({"hit_ratio": (0.9, 0.9)} if timed else {}))

    monkeypatch.setattr(FakeBench, "pair", drifting)
    document = session.gate(request(budget_seconds=100.0), quiet)
    assert (document.verdict, document.exit_code) == (Verdict.INCONCLUSIVE, 2)
    assert "fails against itself" in document.reason


def test_a_skipped_workload_is_no_pass(fake: type[FakeBench], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was run passed, but not all that was asked was run: never green by absence."""
    plain = FakeBench.pilot

    def lacking(self: FakeBench, rng: random.Random) -> Pair:
        if self.requests.name == "churn":
            raise LacksCapabilityError("improved has no delete()")
        return plain(self, rng)

    monkeypatch.setattr(FakeBench, "pilot", lacking)
    document = session.gate(request("ycsb-b", "churn"), quiet)
    assert (document.verdict, document.exit_code) == (Verdict.INCONCLUSIVE, 2)
    assert "churn was skipped, improved has no delete()" in document.reason
    assert session.gate(request("churn"), quiet).exit_code == 5
    fake.ratio = staticmethod(lambda _workload, _pair: 1.2)
    assert session.gate(request("ycsb-b", "churn"), quiet).exit_code == 1
    stored = session.baseline("improved", Options(workloads=("ycsb-b", "churn"), seed=1), 20, quiet)
    assert [skipped.workload for skipped in stored.skipped] == ["churn"]


def test_precise_refuses_files_of_two_folders(tmp_path: Path) -> None:
    """In one process the neighbours of one file would be taken for the other's."""
    specs = []
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cache.py").write_text("")
        specs.append(f"{tmp_path}/{name}/cache.py:make")
    options = Options(workloads=("ycsb-b",), seed=1, mode="precise")
    with pytest.raises(UsageError, match="run without it"):
        session.gate(request(baseline=specs[0], candidate=specs[1], options=options), quiet)


def test_a_stored_baseline_has_its_pairs(fake: type[FakeBench]) -> None:
    """Each gated metric with a difference for every pair, against the yardstick."""
    document = session.baseline("improved", Options(workloads=("ycsb-b",), seed=1), 20, quiet)
    assert {metric.name for metric in document.metrics} == {row.metric.name for row in policy.GATED}
    assert all(len(metric.differences) == 20 for metric in document.metrics)
    assert document.arm.spec == "improved"


def test_nothing_is_stored_of_a_cache_that_lies(fake: type[FakeBench], monkeypatch: pytest.MonkeyPatch) -> None:
    """There would be nothing to compare with later."""
    incident = Incident(role=Role.CANDIDATE, kind="wrong answer", count=1, operations=9, example="it lied")
    monkeypatch.setattr(FakeBench, "pair", lambda *_, **__: Pair(incidents=(incident,)))
    with pytest.raises(NothingMeasuredError, match=r"nothing stored: improved answered wrong .*: it lied"):
        session.baseline("improved", Options(workloads=("ycsb-b",), seed=1), 20, quiet)


def test_a_trace_too_short_to_measure_is_a_usage_error(tmp_path: Path) -> None:
    """It says how many accesses are needed."""
    path = tmp_path / "short.trace"
    path.write_bytes(b"\0\0\0\1" * 50)
    with pytest.raises(UsageError, match=f"at least {bench.BATCHES} are needed"):
        session.gate(request(f"trace:{path}"), quiet)


@pytest.mark.parametrize(("other", "stolen", "notes"), [(0.0, 0.0, 0), (0.8, 0.0, 1), (0.8, 0.5, 2)])
def test_a_disturbed_run_says_so(other: float, stolen: float, notes: int) -> None:
    """Other processes' CPU and the hypervisor's are named, with a remedy."""
    found = reasons.disturbed(other, stolen)
    assert len(found) == notes
    assert all(notice.remedy for notice in found)


# From here on real trials.


@pytest.mark.slow
def test_a_real_improvement_proceeds() -> None:
    """The project's own example, end to end."""
    document = session.gate(request(budget_seconds=120.0), quiet)
    assert document.verdict is Verdict.PROCEED, document.reason
    assert document.incidents == ()
    assert document.disturbance.pinned
    assert document.start_seconds is not None
    assert {result.name for result in document.metrics} == {row.metric.name for row in policy.GATED}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["pairs", "precise"])
def test_a_real_slowdown_rolls_back(mode: Any) -> None:
    """A copy whose every operation does half as much again, in either mode."""
    copy = f"{ZOO}/slowed.py:operations"
    options = Options(workloads=("ycsb-b",), seed=2, mode=mode)
    document = session.gate(
        request(baseline=copy, candidate=f"{copy}?work=150", options=options, budget_seconds=120.0), quiet
    )
    assert document.verdict is Verdict.ROLLBACK, document.reason
    assert "operation time" in document.reason or "cpu time" in document.reason  # whichever is sure first


@pytest.mark.slow
def test_a_slow_sweep_shows_in_cpu_time() -> None:
    """What happens in few batches is invisible to the operation time, and not to the CPU time."""
    copy = f"{ZOO}/slowed.py:sweep"
    document = session.gate(
        request("churn", baseline=copy, candidate=f"{copy}?work=1000000", budget_seconds=120.0), quiet
    )
    assert document.verdict is Verdict.ROLLBACK, document.reason
    assert "cpu time on churn" in document.reason


@pytest.mark.slow
def test_the_first_real_trace(web07: Path) -> None:
    """web07 runs through both caches, with a hit ratio and fills timed apart."""
    document = session.gate(request(f"trace:{web07}", budget_seconds=120.0), quiet)
    assert document.verdict is Verdict.PROCEED, document.reason
    hits = next(result for result in document.metrics if result.name == "hit_ratio")
    assert hits.baseline is not None
    assert 0.4 < hits.baseline < 0.8
    assert "fill_time" in {result.name for result in document.reported}


@pytest.mark.slow
def test_several_clients() -> None:
    """Concurrency is a parameter; caches that never suspend are served all the same."""
    options = Options(workloads=("ycsb-b",), seed=3, concurrency=8)
    document = session.gate(request(options=options, budget_seconds=120.0), quiet)
    assert document.verdict is Verdict.PROCEED, document.reason
    assert document.workloads[0].concurrency == 8
