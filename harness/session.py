"""The runs, each as a table of contents: `gate`, `baseline`, `compare`.

A session ties the parts together and decides nothing itself: `measure` measures, `gate` judges.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from cache_impls.registry import SpecError, parse
from cache_impls.yardstick import YARDSTICK_VERSION
from harness import store
from harness.documents import (
    BaselineDocument,
    CompareDocument,
    GateDocument,
    IncidentResult,
    MetricResult,
    StoredMetric,
    WarningResult,
)
from harness.errors import NothingMeasuredError, UsageError
from harness.gate import policy, reasons, stored
from harness.gate.judge import Decision, Judge, describe
from harness.measure.contest import MEMORY, Contest, Finding, Options
from harness.measure.environment import environment
from harness.measure.pairs import Pair
from harness.model import Arm, Notice, Role, Verdict
from harness.stats.metric import Metric

Say = Callable[[str], None]

EXIT_CODES = {Verdict.PROCEED: 0, Verdict.ROLLBACK: 1, Verdict.INCONCLUSIVE: 2}
EXIT_NOTHING_MEASURED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRequest:
    """What `gate` is asked."""

    baseline: str
    candidate: str
    options: Options
    gated: tuple[policy.Gated, ...] = policy.GATED
    budget_seconds: float = policy.BUDGET_SECONDS


def gate(request: GateRequest, say: Say) -> GateDocument:
    """Drive both arms through the same load until every metric is decided or the budget is spent.

    say is told what is going on, a line at a time. Raises UsageError for a request that is wrong.
    """
    arms = (_arm(Role.BASELINE, request.baseline), _arm(Role.CANDIDATE, request.candidate))
    if request.options.mode == "precise" and _would_hide_each_other(arms):
        raise UsageError(
            "--precise runs both caches in one process, where the modules of one folder would hide the other's; "
            "run without it"
        )
    with Contest(*arms, request.options, say) as contest:
        contest.prepare()
        absent = contest.not_applicable
        judge = Judge(request.gated, [(name, absent[name]) for name in contest.benches])
        evidence = Evidence()
        while contest.benches and judge.decision() is Decision.OPEN and not contest.findings:
            if contest.elapsed_seconds >= request.budget_seconds:
                break
            suspect = judge.suspect()
            for name in contest.benches if suspect is None else [suspect]:
                if not judge.undecided(name):
                    continue
                _one_round(contest, judge, evidence, name)
                if judge.decision() is not Decision.OPEN or contest.findings:
                    break
            say(_progress(judge, contest.elapsed_seconds, request.budget_seconds))
        return _gate_document(request, contest, judge, evidence)


class Evidence:
    """The values of every pair, by workload and metric."""

    def __init__(self) -> None:
        self._pairs: dict[str, dict[str, list[tuple[float, float, float | None]]]] = {}

    def add(self, workload: str, pair: Pair) -> None:
        """Keep what a pair showed."""
        of_workload = self._pairs.setdefault(workload, {})
        for name, values in pair.values.items():
            of_workload.setdefault(name, []).append((*values, pair.differences.get(name)))

    def results(self, metrics: tuple[Metric, ...]) -> list[MetricResult]:
        """Those of metrics that were measured, as results that are not judged."""
        found = []
        for workload, pairs_of in self._pairs.items():
            for metric in metrics:
                if metric.name in pairs_of:
                    baselines, candidates, _ = zip(*pairs_of[metric.name], strict=True)
                    differences = [
                        metric.difference(baseline, candidate) if difference is None else difference
                        for baseline, candidate, difference in pairs_of[metric.name]
                    ]
                    found.append(describe(metric, workload, baselines, candidates, differences))
        return found


def _one_round(contest: Contest, judge: Judge, evidence: Evidence, name: str) -> None:
    """One pair on workload name, of what is still undecided there."""
    undecided = judge.undecided(name)
    pair = contest.pair(name, timed=bool(undecided - {MEMORY}), memory=MEMORY in undecided)
    evidence.add(name, pair)
    judge.add(name, pair.values, pair.differences)


def _progress(judge: Judge, elapsed_seconds: float, budget_seconds: float) -> str:
    done = sum(metric.verdict is not Verdict.INCONCLUSIVE for metric in judge.metrics)
    pairs = max((metric.pairs for metric in judge.metrics), default=0)
    waiting = next((metric for metric in judge.metrics if metric.verdict is Verdict.INCONCLUSIVE), None)
    now = ""
    if waiting is not None and waiting.pairs:
        now = f", {waiting.metric.title} on {waiting.workload} {reasons.percent(waiting.so_far)}"
    return (
        f"{elapsed_seconds:.0f} of {budget_seconds:.0f} s, {pairs} pairs, "
        f"{done} of {len(judge.metrics)} metrics decided{now}"
    )


def _gate_document(request: GateRequest, contest: Contest, judge: Judge, evidence: Evidence) -> GateDocument:
    results = [metric.result() for metric in judge.metrics]
    incidents = [_incident(finding) for finding in contest.findings]
    verdict, reason, exit_code = _verdict(request, contest, judge, results, incidents)
    disturbance = contest.watch.result(pinned=contest.pinned)
    notices = contest.notices() + reasons.disturbed(disturbance.other_cpu, disturbance.stolen_cpu)
    notices += _net_notices(contest, results)
    return GateDocument(
        verdict=verdict,
        reason=reason,
        exit_code=exit_code,
        seed=request.options.seed,
        elapsed_seconds=contest.elapsed_seconds,
        environment=environment(),
        arms=contest.arm_results(),
        workloads=contest.workload_results(),
        metrics=tuple(results),
        reported=tuple(evidence.results(policy.REPORTED)),
        incidents=tuple(incidents),
        skipped=tuple(contest.skipped),
        warnings=_warnings(notices),
        mode=request.options.mode,
        budget_seconds=request.budget_seconds,
        disturbance=disturbance,
        harness_ns=contest.median_harness_ns(),
        start_seconds=float(np.median(contest.start_seconds)) if contest.start_seconds else None,
    )


def _verdict(
    request: GateRequest,
    contest: Contest,
    judge: Judge,
    results: list[MetricResult],
    incidents: list[IncidentResult],
) -> tuple[Verdict, str, int]:
    """Verdict, reason and exit code. What the candidate did wrong comes first, then what the baseline did."""
    of_role = {
        role: [found for found in incidents if found.role == role.value] for role in (Role.CANDIDATE, Role.BASELINE)
    }
    if of_role[Role.CANDIDATE]:
        why = reasons.incident(of_role[Role.CANDIDATE][0], request.candidate)
        return Verdict.ROLLBACK, why, EXIT_CODES[Verdict.ROLLBACK]
    if of_role[Role.BASELINE]:
        found = of_role[Role.BASELINE][0]
        why = f"nothing to compare with: the baseline {reasons.incident(found, request.baseline)}"
        code = EXIT_NOTHING_MEASURED if found.kind == "crash" else EXIT_CODES[Verdict.INCONCLUSIVE]
        return Verdict.INCONCLUSIVE, why, code
    if not contest.benches:
        why = f"nothing was measured: {contest.skipped[0].workload} skipped, {contest.skipped[0].reason}"
        return Verdict.INCONCLUSIVE, why, EXIT_NOTHING_MEASURED
    decision = judge.decision()
    if decision is Decision.FAILED:
        failures = [result for result in results if result.verdict is Verdict.ROLLBACK]
        verdict, why = Verdict.ROLLBACK, reasons.failed(failures, request.baseline, request.candidate)
    elif decision is Decision.PASSED and contest.skipped:
        left_out = "; ".join(f"{skipped.workload} was skipped, {skipped.reason}" for skipped in contest.skipped)
        verdict, why = Verdict.INCONCLUSIVE, f"what was run passed, but {left_out}; leave it out to judge the rest"
    elif decision is Decision.PASSED:
        verdict, why = Verdict.PROCEED, reasons.passed(results, request.baseline, request.candidate)
    elif decision is Decision.BASELINE_UNSTABLE:
        unstable = next(metric for metric in judge.metrics if metric.differs_from_itself)
        verdict = Verdict.INCONCLUSIVE
        why = (
            f"{request.baseline} fails against itself: its {unstable.metric.title} on {unstable.workload} "
            "changes from trial to trial; run on a quieter machine"
        )
    else:
        verdict = Verdict.INCONCLUSIVE
        what = f"{request.budget_seconds:g} s did not decide it"
        why = reasons.undecided(results, what, _remedy(request, contest, judge))
    return verdict, why, EXIT_CODES[verdict]


def _remedy(request: GateRequest, contest: Contest, judge: Judge) -> str:
    """What would decide an open run."""
    pairs = max((metric.pairs for metric in judge.metrics), default=0)
    more = judge.pairs_to_decide()
    precise = "" if request.options.mode == "precise" else ", or --precise"
    if pairs == 0:
        return f"no pair was finished; give it more, for instance --budget {request.budget_seconds * 4:.0f}s"
    if more is None:
        return f"it is too near the margin to tell; choose another --margin{precise}"
    seconds = contest.elapsed_seconds * (1 + more / pairs)
    budget = math.ceil(seconds * 1.5 / 10) * 10
    return f"about {seconds - contest.elapsed_seconds:.0f} s more would (--budget {budget}s){precise}"


# Stored baselines


def baseline(spec: str, options: Options, pairs: int, say: Say) -> BaselineDocument:
    """Measure spec against the yardstick, pairs pairs on each workload.

    Raises NothingMeasuredError if the cache crashes, fails or lies: there is nothing to store then.
    """
    arms = (_arm(Role.BASELINE, "yardstick"), _arm(Role.CANDIDATE, spec))
    with Contest(*arms, options, say) as contest:
        contest.prepare()
        evidence = Evidence()
        for done in range(pairs):
            for name in contest.benches:
                evidence.add(name, contest.pair(name))
                if contest.findings:
                    found = _incident(contest.findings[0])
                    raise NothingMeasuredError(f"nothing stored: {reasons.incident(found, spec)}")
            say(f"pair {done + 1} of {pairs}, {contest.elapsed_seconds:.0f} s")
        if not contest.benches:
            raise NothingMeasuredError(f"nothing stored: {contest.skipped[0].reason}")
        disturbance = contest.watch.result(pinned=contest.pinned)
        notices = contest.notices() + reasons.disturbed(disturbance.other_cpu, disturbance.stolen_cpu)
        return BaselineDocument(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seed=options.seed,
            elapsed_seconds=contest.elapsed_seconds,
            environment=environment(),
            disturbance=disturbance,
            arm=contest.arm_results()[1].model_copy(update={"role": Role.BASELINE.value}),
            yardstick_version=YARDSTICK_VERSION,
            workloads=contest.workload_results(),
            metrics=tuple(
                StoredMetric(
                    name=result.name,
                    workload=result.workload,
                    unit=result.unit,
                    better=result.better,
                    value=result.candidate or 0.0,
                    yardstick=result.baseline or 0.0,
                    differences=result.differences,
                )
                for result in evidence.results(tuple(row.metric for row in policy.GATED))
            ),
            skipped=tuple(contest.skipped),
            warnings=_warnings(notices),
        )


def compare(before: Path, after: Path, gated: tuple[policy.Gated, ...]) -> CompareDocument:
    """Compare two stored baselines by their ratios to the yardstick. Raises UsageError for a bad file."""
    first, second = store.read(before, BaselineDocument), store.read(after, BaselineDocument)
    stored.check(first, before)
    stored.check(second, after)
    mismatches = stored.mismatches(first, second)
    results = [] if mismatches else stored.compare(first, second, gated)
    verdict = Verdict.worst([result.verdict for result in results if result.verdict is not None])
    if mismatches:
        verdict = Verdict.INCONCLUSIVE
        why = f"the two cannot be compared: {'; '.join(mismatches)}; use cachegate gate to run both now"
    elif verdict is Verdict.PROCEED:
        why = reasons.passed(results, str(before), str(after))
    elif verdict is Verdict.ROLLBACK:
        failures = [result for result in results if result.verdict is Verdict.ROLLBACK]
        why = reasons.failed(failures, str(before), str(after))
    else:
        why = reasons.undecided(
            results, "the intervals reach over the margin", "store more --pairs, or use cachegate gate"
        )
    return CompareDocument(
        verdict=verdict,
        reason=why,
        exit_code=EXIT_CODES[verdict],
        seed=second.seed,
        elapsed_seconds=0.0,
        environment=second.environment,
        arms=(first.arm, second.arm.model_copy(update={"role": Role.CANDIDATE.value})),
        workloads=second.workloads,
        metrics=tuple(results),
        reported=(),
        incidents=(),
        skipped=(),
        warnings=(*first.warnings, *second.warnings),
        mismatches=tuple(mismatches),
    )


# Small things


def _arm(role: Role, spec: str) -> Arm:
    try:
        return Arm(role=role, spec=parse(spec))
    except SpecError as error:
        raise UsageError(str(error)) from error


def _would_hide_each_other(arms: tuple[Arm, Arm]) -> bool:
    """Whether both come from files, in different folders: their neighbours may have the same names."""
    folders = {Path(arm.spec.target.rpartition(":")[0]).parent for arm in arms if ".py:" in arm.spec.target}
    return len(folders) > 1


def _incident(finding: Finding) -> IncidentResult:
    found = finding.incident
    fields: dict[str, Any] = {"role": found.role.value, "kind": found.kind, "count": found.count}
    return IncidentResult(
        **fields,
        workload=finding.workload,
        example=found.example,
        severity=policy.incident_severity(found.kind, found.count / max(1, found.operations)),
    )


def _net_notices(contest: Contest, results: list[MetricResult]) -> list[Notice]:
    """Where the harness costs more than the cache, small differences are of two small numbers."""
    found = []
    for result in results:
        harness_ns = contest.median_harness_ns().get(result.workload)
        if result.name != "operation_time" or harness_ns is None or result.baseline is None:
            continue
        if min(result.baseline, result.candidate or 0.0) < harness_ns:
            found.append(
                Notice(
                    message=f"{result.workload}: an operation costs less than the harness's own {harness_ns:.0f} ns",
                    remedy="read the change as of what is left after the harness, and the noise with it",
                )
            )
    return found


def _warnings(notices: list[Notice]) -> tuple[WarningResult, ...]:
    return tuple(WarningResult(message=notice.message, remedy=notice.remedy) for notice in notices)
