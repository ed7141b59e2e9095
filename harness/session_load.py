"""The runs over the wire, as a table of contents: `stress` and `load`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cache
from statistics import median
from typing import Any, Literal

from cache_impls.registry import parse as parse_spec
from cache_impls.yardstick import YARDSTICK_VERSION
from harness.chaos.lease import Leases
from harness.chaos.undo import remove_keys
from harness.documents import (
    ArmResult,
    BaselineDocument,
    CheckedResult,
    StoredMetric,
    WarningResult,
    WorkloadResult,
)
from harness.errors import HarnessError, NothingMeasuredError
from harness.gate import policy, reasons
from harness.gate.judge import Decision
from harness.load import single
from harness.load.document import LoadArmResult, LoadDocument, LoadsResult, StressDocument
from harness.load.duel import SATURATED_CORES, Duel
from harness.load.keys import Promise
from harness.load.samples import REQUESTS
from harness.load.single import Load, Outcome
from harness.measure.environment import Watch, environment
from harness.measure.generate import draw
from harness.measure.workload import parse
from harness.model import CheckVerdict, Role, Verdict

Say = Callable[[str], None]

EXIT_CODES = {Verdict.PROCEED: 0, Verdict.ROLLBACK: 1, Verdict.INCONCLUSIVE: 2}


def load(request: Load, spec: str, kind: Literal["stress", "load"], say: Say) -> LoadDocument:
    """One cache or server under a scenario. Raises UsageError and NothingMeasuredError."""
    began, watch = time.monotonic(), Watch()
    with _promises() as promise:
        outcome = single.run(request, [spec], say, promise)
    if not outcome.result["workers"]:
        raise HarnessError("no process of the driver told how it ended; run it again")
    arm = single.arm(outcome, request, 0, Role.BASELINE.value)
    checks = single.checks(outcome, request, 0, arm)
    verdict, reason = _verdict(arm, checks)
    document = StressDocument if kind == "stress" else LoadDocument
    return document(
        **_what(request, verdict, reason),
        elapsed_seconds=time.monotonic() - began,
        disturbance=watch.result(pinned=False),
        arms=(arm,),
        operations=arm.operations,
        errors=arm.errors,
        achieved_rate=arm.achieved_rate,
        latency=arm.latency,
        loads=_loads(outcome),
        metrics=(),
        reported=(),
        checks=tuple(checks),
        history=outcome.laws[0].words,
        series=single.series(outcome),
        warnings=tuple(_warnings(arm, outcome)),
    )


def duel(request: Load, specs: tuple[str, str], gated: tuple[policy.Gated, ...], say: Say) -> StressDocument:
    """Two of them, in fresh pairs of hosts, until rule S decides or the time is up. Raises as `load`."""
    began, watch = time.monotonic(), Watch()
    with _promises() as promise:
        contest = Duel(request, specs, gated, promise)
        contest.play(say)
    last = contest.pairs[-1]
    verdict, reason = _verdict_of_two(contest)
    return StressDocument(
        **_what(request, verdict, reason),
        elapsed_seconds=time.monotonic() - began,
        disturbance=watch.result(pinned=False),
        arms=last.arms,
        operations=sum(arm.operations for pair in contest.pairs for arm in pair.arms),
        errors=sum(arm.errors for pair in contest.pairs for arm in pair.arms),
        achieved_rate=last.arms[0].achieved_rate,
        latency=last.arms[0].latency,
        loads=None,
        metrics=tuple(contest.metrics()),
        reported=tuple(contest.reported()),
        checks=tuple(contest.checks()),
        history=f"{last.outcome.laws[0].words} of each arm of each of {len(contest.pairs)} pairs",
        series=(),
        warnings=tuple(_warnings_of_two(contest)),
    )


def save(request: Load, spec: str, pairs: int, say: Say) -> BaselineDocument:
    """One cache against the yardstick over the wire, to be compared with another later.

    Raises NothingMeasuredError if it breaks a law, and as `load`.
    """
    began, watch = time.monotonic(), Watch()
    with _promises() as promise:
        contest = Duel(request, ("yardstick", spec), policy.LOAD_GATED, promise, pairs)
        contest.play(say)
    found = contest.guilty(Role.CANDIDATE) or contest.guilty(Role.BASELINE)
    if found is not None:
        raise NothingMeasuredError(f"nothing stored: {found.id}, {found.summary}")
    arm, requests = contest.pairs[-1].arms[1], draw(parse(request.workload), REQUESTS, request.capacity)
    spec_ = parse_spec(spec)
    return BaselineDocument(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=request.seed,
        elapsed_seconds=time.monotonic() - began,
        environment=environment(),
        disturbance=watch.result(pinned=False),
        arm=ArmResult(
            role="baseline",
            spec=spec,
            target=spec_.target,
            parameters=dict(spec_.parameters),
            capacities={request.workload: arm.capacity},
            adapted=arm.adapted,
            ttl_exercised=True,
        ),
        yardstick_version=YARDSTICK_VERSION,
        workloads=(
            WorkloadResult(
                name=f"{request.scenario.name} of {request.workload}",
                title=f"{request.scenario.title}, over the wire",
                digest=requests.digest(),
                capacity=requests.capacity,
                preload=requests.preload,
                warmup=0,
                requests=requests.measurable,
                batch=1,
                seconds=request.seconds,
                look_aside=requests.look_aside,
                concurrency=request.users,
            ),
        ),
        metrics=tuple(
            StoredMetric(
                name=result.name,
                workload=f"{request.scenario.name} of {request.workload}",
                unit=result.unit,
                better=result.better,
                value=result.candidate or 0.0,
                yardstick=result.baseline or 0.0,
                differences=result.differences,
            )
            for result in contest.metrics()
        ),
        warnings=tuple(_warnings_of_two(contest)),
    )


@contextmanager
def _promises() -> Iterator[Promise]:
    """Keys are removed from servers of others even if this process is killed: a keeper has them, once there are any."""
    with ExitStack() as stack:
        leases = cache(lambda: stack.enter_context(Leases()))
        yield lambda keys, seconds: leases().take(remove_keys(keys), seconds).end


def _left(outcome: Outcome) -> list[WarningResult]:
    """What a run could not remove."""
    remedy = "remove them when it answers again"
    return [WarningResult(message=problem, remedy=remedy) for problem in outcome.left]


def _what(request: Load, verdict: Verdict, reason: str) -> dict[str, Any]:
    """The fields that say what was asked, and what was decided."""
    return {
        "verdict": verdict,
        "reason": reason,
        "exit_code": EXIT_CODES[verdict],
        "seed": request.seed,
        "environment": environment(),
        "scenario": request.scenario.name,
        "question": request.scenario.question,
        "workload": request.workload,
        "users": request.users,
        "processes": request.processes,
    }


def _verdict_of_two(contest: Duel) -> tuple[Verdict, str]:
    baseline, candidate = contest.specs
    if (found := contest.guilty(Role.CANDIDATE)) is not None:
        return Verdict.ROLLBACK, f"{candidate}: {found.id}, {found.summary}"
    if (found := contest.guilty(Role.BASELINE)) is not None:
        return Verdict.INCONCLUSIVE, f"nothing to compare with: {baseline}: {found.id}, {found.summary}"
    metrics, decision = contest.metrics(), contest.decision()
    if decision is Decision.FAILED:
        failures = [result for result in metrics if result.verdict is Verdict.ROLLBACK]
        return Verdict.ROLLBACK, reasons.failed(failures, baseline, candidate)
    if decision is Decision.PASSED:
        # Latencies are not judged, so it does not matter here whether requests came when they should.
        unknown = [
            check for check in contest.checks() if check.verdict is CheckVerdict.UNKNOWN and check.id != "on_schedule"
        ]
        if unknown:
            return Verdict.INCONCLUSIVE, f"{unknown[0].id} could not be judged: {unknown[0].summary}"
        return Verdict.PROCEED, reasons.passed(metrics, baseline, candidate)
    if decision is Decision.BASELINE_UNSTABLE:
        why = f"{baseline} fails against itself; run on a quieter machine"
        return Verdict.INCONCLUSIVE, why
    if not any(result.pairs for result in metrics):
        why = "the processor time of a server that is not ours is not known; serve both with cachegate"
        return Verdict.INCONCLUSIVE, why
    seconds = contest.load.seconds
    what = f"{seconds:g} s of load did not decide it"
    return Verdict.INCONCLUSIVE, reasons.undecided(metrics, what, f"give it more (--run-time {2 * seconds:.0f}s)")


def _warnings_of_two(contest: Duel) -> list[WarningResult]:
    found = [warning for pair in contest.pairs for warning in _left(pair.outcome)]
    if contest.driver_limited:
        found.append(
            WarningResult(
                message="what was saturated is the driver, so requests a second are shown and do not decide",
                remedy="host cpu a request does; more --processes on more processors would drive the hosts harder",
            )
        )
    busy = [phase.other_cpu for pair in contest.pairs for arm in pair.arms for phase in arm.phases if phase.other_cpu]
    if busy and median(busy) > policy.DISTURBED_SHARE:
        found.append(
            WarningResult(
                message=f"other processes kept {median(busy):.1f} cores busy meanwhile",
                remedy="the verdict holds, but a quiet machine gets there sooner",
            )
        )
    return found


def _verdict(arm: LoadArmResult, checks: list[CheckedResult]) -> tuple[Verdict, str]:
    failed = [check for check in checks if check.verdict is CheckVerdict.FAIL]
    unknown = [check for check in checks if check.verdict is CheckVerdict.UNKNOWN]
    if failed:
        return Verdict.ROLLBACK, f"{arm.spec}: {failed[0].id}, {failed[0].summary}"
    if not arm.operations:
        return Verdict.INCONCLUSIVE, f"{arm.spec}: nothing was answered"
    if unknown:
        return Verdict.INCONCLUSIVE, f"{arm.spec}: {unknown[0].summary}"
    parts = [f"{arm.operations:,} operations, no error"]
    for phase in arm.phases:
        if phase.pace == "closed":
            parts.append(f"{phase.rate:,.0f} a second at saturation")
        elif phase.latency is not None and phase is arm.phases[-1]:
            response = phase.latency.response
            parts.append(
                f"p50 {1e3 * response.p50:.2f} ms and p99 {1e3 * response.p99:.2f} ms at {phase.rate:,.0f} a second"
            )
    return Verdict.PROCEED, f"{arm.spec}: {', '.join(parts)}"


def _loads(outcome: Outcome) -> LoadsResult | None:
    loads = outcome.result["loads"]
    return LoadsResult(loads=loads, stampedes=outcome.result["stampedes"]) if loads else None


def _warnings(arm: LoadArmResult, outcome: Outcome) -> list[WarningResult]:
    found = _left(outcome)
    for phase in arm.phases:
        if phase.other_cpu is not None and phase.other_cpu > policy.DISTURBED_SHARE:
            found.append(
                WarningResult(
                    message=f"other processes kept {phase.other_cpu:.1f} cores busy during {phase.name}",
                    remedy="times hold for a machine as busy as this one was",
                )
            )
            break
    for phase in arm.phases:
        host, driver = phase.host_cpu, phase.driver_cpu
        if phase.pace != "closed" or host is None or driver is None or host >= SATURATED_CORES:
            continue
        if driver >= SATURATED_CORES:
            message = f"at saturation the driver was busy {100 * driver:.0f} % of the time, the host {100 * host:.0f} %"
            remedy = "read its rate as a lower bound; more --processes on more processors would drive it harder"
        else:
            message = (
                f"at saturation neither the host ({100 * host:.0f} %) nor the driver ({100 * driver:.0f} %) was busy"
            )
            remedy = "users waited for the cache, or for other processes on this machine"
        found.append(WarningResult(message=message, remedy=remedy))
    if outcome.one_in > 1:
        found.append(
            WarningResult(
                message=f"the laws were judged on one key in {outcome.one_in}",
                remedy="--history-one-in 1 keeps all, for 80 bytes an operation",
            )
        )
    return found
