"""Two caches under the same seeded faults: the difference in availability and recovery, never in latency. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from harness.chaos.document import DifferenceResult, ExperimentResult, PartResult
from harness.gate import policy
from harness.model import Verdict


def compare(found: Iterable[ExperimentResult]) -> tuple[DifferenceResult, ...]:
    """One difference an experiment, of the baseline and the candidate."""
    by_name: dict[str, dict[str, ExperimentResult]] = {}
    for each in found:
        by_name.setdefault(each.name, {})[each.role] = each
    return tuple(
        difference(arms["baseline"], arms["candidate"]) for arms in by_name.values() if len(arms) == len(_ROLES)
    )


_ROLES = ("baseline", "candidate")


def difference(baseline: ExperimentResult, candidate: ExperimentResult) -> DifferenceResult:
    """A candidate that lies, or does not hold what the baseline holds, or bears it worse by more than the margins."""
    whole = _less(candidate.availability, baseline.availability)
    during = _less(_answered(candidate.during), _answered(baseline.during))
    recover = _less(candidate.recover_seconds, baseline.recover_seconds)
    verdict, summary = _judged(baseline, candidate, during, recover)
    return DifferenceResult(
        name=baseline.name,
        verdict=verdict,
        availability=whole,
        during=during,
        recover_seconds=recover,
        summary=summary,
    )


def _judged(
    baseline: ExperimentResult, candidate: ExperimentResult, during: float | None, recover: float | None
) -> tuple[Verdict | Literal["skipped"], str]:
    if "skipped" in (baseline.verdict, candidate.verdict):
        who = baseline if baseline.verdict == "skipped" else candidate
        return "skipped", f"{who.arm}: {who.reason}"
    laws = [check for check in candidate.checks if check.kind == "law" and check.verdict == "fail"]
    if laws:
        return Verdict.ROLLBACK, f"{candidate.arm}: {laws[0].id}: {laws[0].summary}"
    for each in (baseline, candidate):
        if each.verdict is Verdict.INCONCLUSIVE:
            return Verdict.INCONCLUSIVE, f"{each.arm}: {each.reason}"
    lies = [check for check in baseline.checks if check.kind == "law" and check.verdict == "fail"]
    if lies:
        return Verdict.INCONCLUSIVE, f"nothing to compare with: {baseline.arm}: {lies[0].id}: {lies[0].summary}"
    failed_before = {check.id for check in baseline.checks if check.verdict == "fail"}
    failed = [check for check in candidate.checks if check.verdict == "fail" and check.id not in failed_before]
    if failed:
        return Verdict.ROLLBACK, f"{candidate.arm}: {failed[0].summary}; {baseline.arm} holds it"
    if baseline.recover_seconds is not None and candidate.recover_seconds is None:
        return Verdict.ROLLBACK, f"{candidate.arm} never recovers; {baseline.arm} does"
    after = _less(_answered(candidate.after), _answered(baseline.after))
    if after is not None and after < -policy.CHAOS_AVAILABILITY_MARGIN:
        return Verdict.ROLLBACK, f"{candidate.arm} answers {-100 * after:.1f} points less afterwards"
    if during is not None and during < -policy.CHAOS_AVAILABILITY_MARGIN:
        return Verdict.ROLLBACK, f"{candidate.arm} answers {-100 * during:.1f} points less while it lasts"
    if recover is not None and recover > policy.CHAOS_RECOVERY_SECONDS:
        return Verdict.ROLLBACK, f"{candidate.arm} takes {recover:.1f} s longer to recover"
    told = []
    if during is not None:
        told.append(f"{100 * during:+.1f} points answered while it lasts")
    if recover is not None:
        told.append(f"{recover:+.1f} s to recover")
    return Verdict.PROCEED, ", ".join(told) or "both hold"


def _answered(part: PartResult | None) -> float | None:
    return None if part is None else part.answered


def _less(candidate: float | None, baseline: float | None) -> float | None:
    return None if candidate is None or baseline is None else candidate - baseline
