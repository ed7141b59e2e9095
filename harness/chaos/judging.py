"""An experiment judged: did it break, did it hold what it had to, and was every answer right?

An experiment whose fault was not seen to act, or to end, says nothing: INCONCLUSIVE, never PROCEED. A lie is a lie
whether or not the fault acted.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from harness.chaos import course
from harness.chaos.course import Course, Part
from harness.chaos.document import ExperimentResult, FaultResult, PartResult, WindowResult
from harness.chaos.plan import Holds, Plan
from harness.chaos.run import Outcome
from harness.documents import CheckedResult
from harness.gate import policy
from harness.load import laws, reading
from harness.load.samples import REQUESTS, TARGETS, Batch
from harness.masking import mask
from harness.measure.generate import draw
from harness.measure.workload import parse
from harness.model import CheckVerdict, Verdict

_LEAST = 100
"""Operations of a part, below which nothing is said of it."""


def judge(plan: Plan, text: str, outcome: Outcome, *, role: str = "baseline", seconds: float = 0.0) -> ExperimentResult:
    """The result of one experiment on one cache."""
    text = mask(text)
    spans = [told.span for told in outcome.told]
    apart = plan.holds.recovers_within + course.STEADY_SECONDS
    seen = course.course(outcome.rows, spans, apart) if spans and len(outcome.rows) else None
    lawful = _laws(plan, outcome)
    checks = [*_broke(plan, outcome, seen), *_lived(plan, outcome), *lawful, _bounded(outcome)]
    if seen is not None:
        checks += holds(plan.holds, seen)
    verdict, reason = _verdict(text, checks, seen, _disturbed(outcome))
    zero = _zero(outcome)
    return ExperimentResult(
        name=plan.name,
        title=plan.title,
        question=plan.question,
        arm=text,
        role=role,  # type: ignore[arg-type]  # one of the two
        verdict=verdict,
        reason=reason,
        faults=tuple(
            FaultResult(
                name=told.name,
                target=told.target,
                fired=told.fired,
                ended=told.ended,
                evidence=told.evidence,
                began=(told.span.began_ns - zero) / 1e9,
                seconds=(told.span.ended_ns - told.span.began_ns) / 1e9,
            )
            for told in outcome.told
        ),
        before=None if seen is None else _part(seen.before),
        during=None if seen is None else _part(seen.during),
        after=None if seen is None else _part(seen.after),
        availability=None if seen is None else seen.whole.answered,
        errors=reading.failures(outcome.result, 0),
        detect_seconds=None if seen is None else seen.detect_seconds,
        degrade_seconds=None if seen is None else seen.degrade_seconds,
        recover_seconds=None if seen is None else seen.recover_seconds,
        operations_lost=None if seen is None else seen.operations_lost,
        stale_reads=_stale(lawful),
        loads=outcome.result["loads"],
        stampedes=outcome.result["stampedes"],
        fresh_bytes=outcome.fresh_bytes,
        memory_bytes=outcome.memory_bytes,
        checks=tuple(checks),
        series=() if seen is None else tuple(WindowResult(**window._asdict()) for window in seen.windows),
        journal=None,
        elapsed_seconds=seconds,
    )


def holds(asked: Holds, seen: Course) -> list[CheckedResult]:
    """One result for each thing that must hold."""
    found = []
    if asked.available_during is not None:
        found.append(_available("available_during", asked.available_during, seen.during, "while it lasted"))
    after = _available("available_after", asked.available_after, seen.after, "after users had recovered")
    if seen.recover_seconds is None:
        after = after.model_copy(update={"verdict": CheckVerdict.SKIPPED, "summary": "users never recovered"})
    found.append(after)
    if asked.degrades_within is not None:
        found.append(
            _within(
                "degrades_within",
                asked.degrades_within,
                seen.degrade_seconds,
                "users are served again though the fault lasts",
                "users were not served again before its end",
            )
        )
    found.append(
        _within(
            "recovers_within",
            asked.recovers_within,
            seen.recover_seconds,
            "users are served as before when it is over, and stay so",
            "users were never served again as before",
        )
    )
    return found


def _available(name: str, least: float, part: Part, when: str) -> CheckedResult:
    title = f"of the operations {when}, {_percent(least)} are answered"
    if part.answered is None or part.operations < _LEAST:
        return _check(name, title, CheckVerdict.UNKNOWN, f"only {part.operations} operations were due {when}")
    verdict = CheckVerdict.PASS if part.answered >= least else CheckVerdict.FAIL
    return _check(name, title, verdict, f"{_percent(part.answered)} of {part.operations:,} {when}")


def _within(name: str, most: float, took: float | None, title: str, never: str) -> CheckedResult:
    title = f"{title}, within {most:g} s"
    if took is None:
        return _check(name, title, CheckVerdict.FAIL, never)
    verdict = CheckVerdict.PASS if took <= most else CheckVerdict.FAIL
    return _check(name, title, verdict, f"after {took:.1f} s")


def _broke(plan: Plan, outcome: Outcome, seen: Course | None) -> list[CheckedResult]:
    """C13: what has to be true before anything can be said."""
    found = []
    title = "every fault was seen to act, and to end"
    if not outcome.told:
        found.append(_check("C13", title, CheckVerdict.UNKNOWN, "nothing was broken: all was not well before"))
        return found
    for told in outcome.told:
        why = None
        if not told.fired:
            why = "was not seen to act"
        elif not told.ended:
            why = "was not seen to end"
        elif not told.whole:
            why = "did not last as long as it was asked to"
        if why is not None:
            found.append(_check("C13", title, CheckVerdict.UNKNOWN, f"{told.name} {why}: {told.evidence}"))
    if outcome.trouble is not None:
        why = f"the second tier died, which nobody had asked for: {outcome.trouble}"
        found.append(_check("C13", "nothing else breaks", CheckVerdict.UNKNOWN, why))
    if "second_tier" in plan.needs and outcome.tier_used is False:
        why = "the cache asked its second tier nothing, so it cannot have missed it"
        found.append(_check("C13", "the cache uses what is broken", CheckVerdict.UNKNOWN, why))
    if outcome.deviated:
        found.append(
            _check(
                "hypothesis", "the steady state holds after the method", CheckVerdict.FAIL, "it did not hold any more"
            )
        )
    if seen is not None:
        before = seen.before
        steady = (
            before.operations >= _LEAST
            and before.answered is not None
            and before.answered >= policy.CHAOS_STEADY_SHARE
            and before.timely is not None
            and before.timely >= policy.CHAOS_GOOD_SHARE
        )
        if not steady:
            share = "nothing" if before.timely is None else _percent(before.timely)
            told_ = f"{share} of {before.operations:,} operations before the first fault were answered in time"
            if before.operations < _LEAST:
                told_ = f"only {before.operations:,} operations before the first fault; give it more load"
            found.append(_check("C13", "users are served before anything is broken", CheckVerdict.UNKNOWN, told_))
    if not any(check.id == "C13" for check in found):
        names = ", ".join(dict.fromkeys(told.name for told in outcome.told))
        found.append(_check("C13", title, CheckVerdict.PASS, names))
    return found


def _lived(plan: Plan, outcome: Outcome) -> list[CheckedResult]:
    if not plan.holds.lives:
        return []
    title = "the host lives through it, answers, and ends when it is told to"
    if outcome.problem is not None:
        return [_check("C0", title, CheckVerdict.FAIL, outcome.problem, "law")]
    return [_check("C0", title, CheckVerdict.PASS, "it did", "law")]


def _laws(plan: Plan, outcome: Outcome) -> list[CheckedResult]:
    requests = draw(parse(plan.load.workload), REQUESTS)
    key = requests.key_format.format
    full = laws.crowded(requests, outcome.host.memory_bound)
    return laws.judge_rows(
        outcome.rows, 0, outcome.promises, outcome.capacity, 1, lambda number: outcome.prefix + key(number), full
    ).checks


def _bounded(outcome: Outcome) -> CheckedResult:
    title = "entries stay within their bound"
    if outcome.capacity is None or outcome.entries is None:
        return _check("C10", title, CheckVerdict.SKIPPED, "the cache names no bound, or no size", "law")
    told = f"{outcome.entries:,} entries at the end, with room for {outcome.capacity:,}"
    verdict = CheckVerdict.PASS if outcome.entries <= outcome.capacity else CheckVerdict.FAIL
    return _check("C10", title, verdict, told, "law")


def _disturbed(outcome: Outcome) -> str | None:
    """Why late answers may be nobody's fault; None if the machine had a processor to spare for this run."""
    processors = os.cpu_count() or 1
    if outcome.other_cpu <= processors - 1 or processors == 1:
        return None
    return f"other processes kept {outcome.other_cpu:.1f} of {processors} processors busy; run it on a quieter machine"


def _verdict(text: str, checks: list[CheckedResult], seen: Course | None, disturbed: str | None) -> tuple[Verdict, str]:
    lies = [check for check in checks if check.verdict is CheckVerdict.FAIL and check.kind == "law"]
    if lies:
        return Verdict.ROLLBACK, f"{lies[0].id}: {lies[0].summary}"
    unknown = [check for check in checks if check.verdict is CheckVerdict.UNKNOWN]
    failed = [check for check in checks if check.verdict is CheckVerdict.FAIL]
    if any(check.id == "C13" for check in unknown) or (unknown and not failed):
        return Verdict.INCONCLUSIVE, unknown[0].summary
    if failed and disturbed is not None:
        return Verdict.INCONCLUSIVE, f"{failed[0].summary}, but {disturbed}"
    if failed:
        return Verdict.ROLLBACK, f"{failed[0].summary}; required: {failed[0].title}"
    if seen is None:
        return Verdict.INCONCLUSIVE, f"{text}: nothing was seen"
    return Verdict.PROCEED, _good(seen)


def _good(seen: Course) -> str:
    during = "" if seen.during.answered is None else f"{_percent(seen.during.answered)} answered while it lasted, "
    back = "" if seen.recover_seconds is None else f"as before {seen.recover_seconds:.1f} s after it"
    return f"{during}{back}"


def _stale(lawful: list[CheckedResult]) -> int | None:
    """Findings of the laws of freshness."""
    chosen = [check for check in lawful if check.id in ("C1", "C2", "C4", "C6")]
    if any(check.verdict is CheckVerdict.UNKNOWN for check in chosen):
        return None
    return sum(int(check.summary.split(" ", 1)[0]) for check in chosen if check.verdict is CheckVerdict.FAIL)


def _zero(outcome: Outcome) -> int:
    batch = Batch(outcome.rows)
    due = np.where(batch.due_ns > 0, batch.due_ns, batch.start_ns)
    chosen = due[(batch.where % TARGETS == 0) & (batch.due_ns > 0)]
    return int(chosen.min()) if len(chosen) else 0


def _part(part: Part) -> PartResult:
    return PartResult(**part._asdict())


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _check(name: str, title: str, verdict: CheckVerdict, summary: str, kind: Any = "condition") -> CheckedResult:
    return CheckedResult(id=name, kind=kind, title=title, verdict=verdict, summary=summary)


def skipped(plan: Plan, text: str, role: str, why: str) -> ExperimentResult:
    """Of an experiment that cannot be done with this cache: said, and never passed."""
    return ExperimentResult(
        name=plan.name, title=plan.title, question=plan.question, arm=mask(text),
        role=role,  # type: ignore[arg-type]  # one of the two
        verdict="skipped", reason=why, faults=(), before=None, during=None, after=None, availability=None, errors={},
        detect_seconds=None, degrade_seconds=None, recover_seconds=None, operations_lost=None, stale_reads=None,
        loads=0, stampedes=0, fresh_bytes=None, memory_bytes=None, checks=(), series=(), journal=None,
        elapsed_seconds=0.0,
    )  # fmt: skip
