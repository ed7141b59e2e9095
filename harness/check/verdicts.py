"""What a check process said -> one result a rule and a law, the verdict, and the warnings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from harness.check import replays
from harness.check.checkers import CHECKERS, catalogue
from harness.check.rules import RULES
from harness.check.run import Events
from harness.documents import CheckedResult, WarningResult
from harness.history import NO_TTL
from harness.model import CheckVerdict

BUDGET_SECONDS = 20.0
CLIENTS = 4
_MOST_IDS = 8
BLOCKS = "it blocks the event loop: an operation never gave control back"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What `check` is asked."""

    spec: str
    seed: int
    budget_seconds: float = BUDGET_SECONDS
    schedules: int = 10**9
    """At most so many."""
    faults: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    """Driven after exploration, each through a fresh cache."""
    clients: int = CLIENTS
    capacity: int | None = None
    """Overrides every workload's own."""
    history: Path | None = None
    """Where the cache's process is to leave the history of the one workload: in a folder of the run's own."""
    only: tuple[str, ...] = ()
    strict: bool = False
    save: bool = True

    @property
    def counts_manners(self) -> bool:
        """If asked for, and where checks are named one by one."""
        return self.strict or bool(self.only)


def results(found: Events, request: CheckRequest, hash_seed: int) -> list[CheckedResult]:
    """One a rule and a law that was asked for."""
    checks = [*_rules(found, request), *_laws(found, request, hash_seed)]
    if not request.only:
        return checks
    # A law that was kept in a run that shows nothing is not kept: C13 speaks up whatever was asked for.
    explored = any(identity in catalogue() for identity in request.only if identity != "C12")
    return [result for result in checks if result.id in request.only or (explored and _says_unknown(result))]


def _rules(found: Events, request: CheckRequest) -> list[CheckedResult]:
    seen = {event["id"]: event for event in found.rules}
    results = []
    for rule in RULES:
        event = seen.get(rule.id, {"verdict": "unknown", "summary": "it was not tried: the run ended before"})
        failed = event["verdict"] == "fail"
        results.append(
            CheckedResult(
                id=rule.id,
                kind=rule.kind.value,
                title=rule.sentence,
                verdict=CheckVerdict(event["verdict"]),
                summary=event["summary"],
                replay=f"cachegate check {quote(request.spec)} --only {rule.id}" if failed else None,
            )
        )
    return results


def _laws(found: Events, request: CheckRequest, hash_seed: int) -> list[CheckedResult]:
    broken = {event["check"]: event for event in reversed(found.violations)}  # of each law the first
    driven = "".join(f" and {event['operations']:,} operations of {event['name']}" for event in found.recorded)
    skipped = found.shape.get("skipped", {})
    results = []
    for checker in CHECKERS:
        event = broken.get(checker.ID)
        fields: dict[str, Any] = {"id": checker.ID, "kind": "law", "title": checker.LAW}
        if event is not None:
            can_replay = request.save and event.get("again")
            identity = replays.save(event, request.spec, hash_seed) if can_replay else None
            command = replays.command(identity, request.spec) if identity else None
            if "workload" in event:
                command = f"cachegate check {quote(request.spec)} --workload {quote(event['workload'])}"
                command += f" --seed {request.seed} --clients {request.clients}"
                command += "" if request.capacity is None else f" --capacity {request.capacity}"
                command += f" --only {checker.ID}"
            fields |= {
                "verdict": CheckVerdict.FAIL,
                "summary": event["message"],
                "evidence": tuple(event["evidence"]),
                "replay": command,
                "after": event.get("after"),
            }
        elif checker.ID in skipped:
            fields |= {"verdict": CheckVerdict.SKIPPED, "summary": skipped[checker.ID]}
        elif found.blocked is not None and checker.ID == "C0":
            fields |= {"verdict": CheckVerdict.FAIL, "summary": BLOCKS}
            if found.blocked and request.save and found.real is None:
                event = {"check": "C0", "message": BLOCKS, "evidence": (), "default_ttl_ns": NO_TTL} | found.blocked
                kept = replays.save(event, request.spec, hash_seed)
                fields["replay"] = replays.command(kept, request.spec) if kept else None
        elif found.bound and checker.ID == "C0":
            fields |= {"verdict": CheckVerdict.FAIL, "summary": f"{found.bound}{_while(found)}"}
        elif found.died and checker.ID == "C0":
            fields |= {"verdict": CheckVerdict.FAIL, "summary": f"it ended the process{_while(found)}: {found.died}"}
        elif checker.ID in found.crashed:
            fields |= {"verdict": CheckVerdict.UNKNOWN, "summary": f"its checker failed: {found.crashed[checker.ID]}"}
        elif found.problems is None:
            why = why_unjudged(found)
            fields |= {"verdict": CheckVerdict.UNKNOWN, "summary": f"not judged: {why}"}
        elif _empty(found):
            fields |= {"verdict": CheckVerdict.UNKNOWN, "summary": f"not judged: {_empty(found)}"}
        else:
            fields |= {"verdict": CheckVerdict.PASS, "summary": f"held in {found.schedules} schedules{driven}"}
        results.append(CheckedResult(**fields))
    return [*results, _knobs(found, request), _validity(found, request)]


def _empty(found: Events) -> str:
    """Why the run shows nothing of any law, if so: without a set or a get that succeeds there is nothing to judge."""
    return next((problem for problem in found.problems or () if " get " in problem or " set " in problem), "")


def _while(found: Events) -> str:
    return f" while {found.doing}" if found.doing.startswith("driving") else ""


def _knobs(found: Events, request: CheckRequest) -> CheckedResult:
    knobs, title = found.knobs, catalogue()["C12"].LAW
    command = None
    if found.real is not None:
        verdict, summary = CheckVerdict.SKIPPED, f"it needs the simulation: {found.real}"
    elif knobs is None:
        verdict, summary = CheckVerdict.UNKNOWN, f"not judged: {why_unjudged(found)}"
    elif not knobs["tried"]:
        numeric = knobs.get("numeric", 0)
        why = "no run with other parameters came to its end" if numeric else "its factory has no numeric parameters"
        verdict, summary = CheckVerdict.SKIPPED, why
    elif not knobs["steady"]:
        verdict, summary = CheckVerdict.SKIPPED, "two runs with the same parameters differ, so nothing can be told"
    elif knobs["idle"]:
        idle = [
            f"{name} (tried {', '.join(f'{value:g}' for value in values)})" for name, values in knobs["idle"].items()
        ]
        verdict, summary = CheckVerdict.FAIL, f"no effect: {', '.join(idle)}"
        command = f"cachegate check {quote(request.spec)} --only C12"
    else:
        verdict, summary = CheckVerdict.PASS, f"{len(set(knobs['tried']))} parameters change something"
    return CheckedResult(id="C12", kind="manners", title=title, verdict=verdict, summary=summary, replay=command)


def why_unjudged(found: Events) -> str:
    """Why what was not judged was not."""
    if found.internal is not None:
        return f"cachegate itself failed: {found.internal['message']}; please report it with this command"
    return found.real or found.bound or "the run did not come to its end"


def _validity(found: Events, request: CheckRequest) -> CheckedResult:
    title = catalogue()["C13"].LAW
    problems = found.problems
    driven = {event["name"] for event in found.recorded}
    if problems is not None and len(driven) < len(set(request.workloads)):
        problems = [*problems, f"not every workload was driven{': ' + found.real if found.real else ''}"]
    summary = why_unjudged(found) if problems is None else "; ".join(problems)
    verdict = CheckVerdict.UNKNOWN if summary else CheckVerdict.PASS
    return CheckedResult(id="C13", kind="law", title=title, verdict=verdict, summary=summary or "it was a run")


def verdict(checks: list[CheckedResult], found: Events, request: CheckRequest) -> tuple[CheckVerdict, str]:
    """The verdict and the one line that says why."""
    judged = [result for result in checks if result.kind == "law" or request.counts_manners]
    failed = [result for result in judged if result.verdict is CheckVerdict.FAIL]
    unknown = [result for result in judged if result.verdict is CheckVerdict.UNKNOWN]
    passed = [result for result in judged if result.verdict is CheckVerdict.PASS]
    if failed:
        ids = ", ".join(result.id for result in failed[:_MOST_IDS])
        ids += f" and {len(failed) - _MOST_IDS} more" if len(failed) > _MOST_IDS else ""
        whose = f"{failed[-1].id}: " if len(failed) > 1 else ""
        return CheckVerdict.FAIL, f"{request.spec} breaks {ids}: {whose}{failed[-1].summary}"
    if unknown or not passed:
        why = unknown[0].summary if unknown else "nothing was judged"
        return CheckVerdict.UNKNOWN, f"{request.spec} could not be judged whole: {why}"
    skipped = sum(result.verdict is CheckVerdict.SKIPPED for result in checks)
    aside = f", {skipped} skipped" if skipped else ""
    advice = sum(result.verdict is CheckVerdict.FAIL for result in checks if result not in judged)
    aside += f"; {advice} of manners, see below" if advice else ""
    explored = f" in {found.schedules:,} schedules" if found.schedules else ""
    explored += "".join(f" and on {event['name']}" for event in found.recorded)
    return CheckVerdict.PASS, f"{request.spec} keeps {_all(len(passed))}{explored}{aside}"


def _says_unknown(result: CheckedResult) -> bool:
    return result.id == "C13" and result.verdict is CheckVerdict.UNKNOWN


def _all(count: int) -> str:
    return f"all {count} checks" if count > 1 else "the one check"


def warnings_of(found: Events) -> list[WarningResult]:
    """What a reader should know before believing a pass."""
    warnings = []
    if found.slept is not None:
        message = f"it blocks the event loop with time.sleep ({found.slept['times']} times)"
        warnings.append(WarningResult(message=message, remedy="await asyncio.sleep in its place"))
    if found.real is not None:
        message = f"{found.real}: it ran on a real event loop, so no time was made to pass and nothing was shrunk"
        warnings.append(WarningResult(message=message, remedy="read a pass as of real concurrency alone"))
    for event in found.violations:
        if found.real is None and not event.get("again", True):
            message = f"{event['check']} was seen once and not again: the cache is not the same twice"
            warnings.append(WarningResult(message=message, remedy="seed what it draws at random, to have it replayed"))
    if found.native:
        message = "its entries expire by a clock of its own, so no ttl was exercised"
        warnings.append(WarningResult(message=message, remedy="read loop.time() or time.monotonic()"))
    return warnings
