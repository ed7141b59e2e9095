"""The runs of `check` and `replay`, each as a table of contents. Decides by the results of checks alone."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cache_impls.registry import Spec, SpecError, parse
from harness import __version__, store
from harness.check.checkers import CHECKERS, catalogue
from harness.check.rules import RULES
from harness.check.run import Events, run
from harness.documents import (
    ArmResult,
    CheckDocument,
    CheckedResult,
    ExploredResult,
    ReplayDocument,
    WarningResult,
)
from harness.errors import UsageError
from harness.history import NO_TTL
from harness.measure.environment import environment
from harness.model import CheckVerdict
from harness.simulate.policies import POLICIES
from harness.simulate.schedule import Profile

Say = Callable[[str], None]

EXIT_CODES = {CheckVerdict.PASS: 0, CheckVerdict.FAIL: 1, CheckVerdict.UNKNOWN: 2, CheckVerdict.SKIPPED: 2}
BUDGET_SECONDS = 20.0
RUNS = Path("results", "runs")
"""Where replays are kept, below the working directory."""
_BLOCKS = "it blocks the event loop: an operation never gave control back"
_PYTHON = ".".join(map(str, sys.version_info[:2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What `check` is asked."""

    spec: str
    seed: int
    budget_seconds: float = BUDGET_SECONDS
    schedules: int = 10**9
    """At most so many."""
    faults: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    strict: bool = False
    save: bool = True


def check(request: CheckRequest, say: Say) -> CheckDocument:
    """Try every rule, explore schedules for the budget, and say what was found. Raises UsageError."""
    began = time.monotonic()
    spec = _spec(request.spec)
    faults, only = _faults(request.faults), _known_ids(request.only)
    hash_seed = request.seed % 2**32
    job = {
        "spec": request.spec,
        "seed": request.seed,
        "seconds": request.budget_seconds,
        "schedules": request.schedules,
        "profiles": faults,
        "only": only,
    }
    found = run(job, hash_seed, say)
    if found.real is not None and found.bad is None:
        why, knobs = found.real, found.knobs
        found = run(job | {"real": True}, hash_seed, say)
        found.real, found.knobs = why, knobs
    if found.bad is not None:
        raise UsageError(found.bad)
    checks = [*_rules(found, request), *_laws(found, request, hash_seed)]
    if only:
        # A law that was kept in a run that shows nothing is not kept: C13 speaks up whatever was asked for.
        explored = any(identity in catalogue() for identity in only if identity != "C12")
        checks = [result for result in checks if result.id in only or (explored and _says_unknown(result))]
    verdict, reason = _verdict(checks, found, request)
    return CheckDocument(
        verdict=verdict,
        reason=reason,
        exit_code=EXIT_CODES[verdict],
        seed=request.seed,
        elapsed_seconds=time.monotonic() - began,
        environment=environment(),
        arms=(_arm(spec, found),),
        promises=found.cache.get("promises", {}),
        explored=ExploredResult(
            mode="simulated" if found.real is None else "real",
            schedules=found.schedules,
            operations=found.operations,
            profiles=tuple(found.shape.get("profiles", ())),
            policies=POLICIES,
        ),
        checks=tuple(checks),
        strict=_strict(request),
        warnings=tuple(_warnings(found)),
    )


def replay(name: str, spec: str | None, say: Say) -> tuple[ReplayDocument, CheckVerdict, str]:
    """Play a recorded schedule again: the document with the history of now, and whether the law is still broken.

    Raises UsageError for a file that is none, of another Python, or whose cache is not there.
    """
    path = _replay_path(name)
    document = store.read(path, ReplayDocument)
    if document.python != _PYTHON:
        raise UsageError(
            f"{path} was recorded with Python {document.python}, and this is {_PYTHON}: schedules differ; "
            f"run cachegate with Python {document.python}"
        )
    text = spec or document.spec
    _spec(text)
    job = {"spec": text, "seed": 0, "replay": document.model_dump(mode="json")}
    found = run(job, document.hash_seed, say)
    if found.bad is not None:
        raise UsageError(f"{path} cannot be replayed: {found.bad}")
    if found.replayed is None:
        failed = found.blocked is not None or found.died is not None
        return document, CheckVerdict.FAIL if failed else CheckVerdict.UNKNOWN, found.real or found.died or _BLOCKS
    again = document.model_copy(
        update={"spec": text, "evidence": tuple(found.replayed["evidence"]), "message": found.replayed["message"]}
    )
    if found.replayed["message"]:
        return again, CheckVerdict.FAIL, found.replayed["message"]
    return again, CheckVerdict.PASS, f"{text} keeps {document.check} on this schedule"


# Results


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
                replay=f"cachegate check {_quoted(request.spec)} --only {rule.id}" if failed else None,
            )
        )
    return results


def _laws(found: Events, request: CheckRequest, hash_seed: int) -> list[CheckedResult]:
    broken = {event["check"]: event for event in found.violations}
    skipped = found.shape.get("skipped", {})
    results = []
    for checker in CHECKERS:
        event = broken.get(checker.ID)
        fields: dict[str, Any] = {"id": checker.ID, "kind": "law", "title": checker.LAW}
        if event is not None:
            can_replay = request.save and found.real is None
            identity = _save(event, request, hash_seed) if can_replay else None
            fields |= {
                "verdict": CheckVerdict.FAIL,
                "summary": event["message"],
                "evidence": tuple(event["evidence"]),
                "replay": f"cachegate replay {identity}" if identity else None,
                "after": event["after"],
            }
        elif checker.ID in skipped:
            fields |= {"verdict": CheckVerdict.SKIPPED, "summary": skipped[checker.ID]}
        elif found.blocked is not None and checker.ID == "C0":
            fields |= {"verdict": CheckVerdict.FAIL, "summary": _BLOCKS}
            if found.blocked and request.save:
                event = {"check": "C0", "message": _BLOCKS, "evidence": (), "default_ttl_ns": NO_TTL} | found.blocked
                kept = _save(event, request, hash_seed)
                fields["replay"] = f"cachegate replay {kept}" if kept else None
        elif found.died and checker.ID == "C0":
            fields |= {"verdict": CheckVerdict.FAIL, "summary": f"it ended the process: {found.died}"}
        elif found.problems is None:
            why = found.real or "the run ended before its end"
            fields |= {"verdict": CheckVerdict.UNKNOWN, "summary": f"not judged: {why}"}
        else:
            fields |= {"verdict": CheckVerdict.PASS, "summary": f"held in {found.schedules} schedules"}
        results.append(CheckedResult(**fields))
    return [*results, _knobs(found, request), _validity(found)]


def _knobs(found: Events, request: CheckRequest) -> CheckedResult:
    knobs, title = found.knobs, catalogue()["C12"].LAW
    command = None
    if found.real is not None:
        verdict, summary = CheckVerdict.SKIPPED, f"it needs the simulation: {found.real}"
    elif knobs is None:
        verdict, summary = CheckVerdict.UNKNOWN, "not judged: the run ended before its end"
    elif not knobs["tried"]:
        verdict, summary = CheckVerdict.SKIPPED, "its factory has no numeric parameters"
    elif not knobs["steady"]:
        verdict, summary = CheckVerdict.SKIPPED, "two runs with the same parameters differ, so nothing can be told"
    elif knobs["idle"]:
        idle = [
            f"{name} (tried {', '.join(f'{value:g}' for value in values)})" for name, values in knobs["idle"].items()
        ]
        verdict, summary = CheckVerdict.FAIL, f"no effect: {', '.join(idle)}"
        command = f"cachegate check {_quoted(request.spec)} --only C12"
    else:
        verdict, summary = CheckVerdict.PASS, f"{len(set(knobs['tried']))} parameters change something"
    return CheckedResult(id="C12", kind="manners", title=title, verdict=verdict, summary=summary, replay=command)


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _validity(found: Events) -> CheckedResult:
    title = catalogue()["C13"].LAW
    problems = found.problems
    summary = (found.real or "the run did not come to its end") if problems is None else "; ".join(problems)
    verdict = CheckVerdict.UNKNOWN if summary else CheckVerdict.PASS
    return CheckedResult(id="C13", kind="law", title=title, verdict=verdict, summary=summary or "it was a run")


def _verdict(checks: list[CheckedResult], found: Events, request: CheckRequest) -> tuple[CheckVerdict, str]:
    judged = [result for result in checks if result.kind == "law" or _strict(request)]
    failed = [result for result in judged if result.verdict is CheckVerdict.FAIL]
    unknown = [result for result in judged if result.verdict is CheckVerdict.UNKNOWN]
    passed = [result for result in judged if result.verdict is CheckVerdict.PASS]
    if failed:
        ids = ", ".join(result.id for result in failed)
        return CheckVerdict.FAIL, f"{request.spec} breaks {ids}: {failed[-1].summary}"
    if unknown or not passed:
        why = unknown[0].summary if unknown else "nothing was judged"
        return CheckVerdict.UNKNOWN, f"{request.spec} could not be judged whole: {why}"
    skipped = sum(result.verdict is CheckVerdict.SKIPPED for result in checks)
    aside = f", {skipped} skipped" if skipped else ""
    advice = sum(result.verdict is CheckVerdict.FAIL for result in checks if result not in judged)
    aside += f"; {advice} of manners, see below" if advice else ""
    explored = f" in {found.schedules:,} schedules" if found.schedules else ""
    return CheckVerdict.PASS, f"{request.spec} keeps {_all(len(passed))}{explored}{aside}"


def _says_unknown(result: CheckedResult) -> bool:
    return result.id == "C13" and result.verdict is CheckVerdict.UNKNOWN


def _strict(request: CheckRequest) -> bool:
    """Whether manners count: if asked for, and where checks are named one by one."""
    return request.strict or bool(request.only)


def _all(count: int) -> str:
    return f"all {count} checks" if count > 1 else "the one check"


def _warnings(found: Events) -> list[WarningResult]:
    warnings = []
    if found.slept is not None:
        message = f"it blocks the event loop with time.sleep ({found.slept['times']} times)"
        warnings.append(WarningResult(message=message, remedy="await asyncio.sleep in its place"))
    if found.real is not None:
        message = f"{found.real}: it ran on a real event loop, so no time was made to pass and nothing was shrunk"
        warnings.append(WarningResult(message=message, remedy="read a pass as of real concurrency alone"))
    if found.native:
        message = "its entries expire by a clock of its own, so no ttl was exercised"
        warnings.append(WarningResult(message=message, remedy="read loop.time() or time.monotonic()"))
    return warnings


def _arm(spec: Spec, found: Events) -> ArmResult:
    return ArmResult(
        role="candidate",
        spec=spec.text,
        target=spec.target,
        parameters=spec.parameters,
        capacities={},
        adapted=tuple(found.cache.get("adapted", ())),
        ttl_exercised=not found.native and found.real is None,
    )


# Small things


def _save(event: dict[str, Any], request: CheckRequest, hash_seed: int) -> str | None:
    """Keep a violation for `replay`; its id, or None where nothing can be written."""
    told = json.dumps([request.spec, event["check"], event["schedule"]], sort_keys=True)
    identity = f"{event['check'].lower()}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    folder = RUNS / identity
    document = ReplayDocument(
        id=identity,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        spec=_absolute(request.spec),
        check=event["check"],
        message=event["message"],
        cachegate=__version__,
        python=_PYTHON,
        hash_seed=hash_seed,
        default_ttl_ns=event["default_ttl_ns"],
        schedule=event["schedule"],
        evidence=tuple(event["evidence"]),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store.write_text(folder / "replay.json", store.to_json(document))
    except (OSError, UsageError):
        return None
    return identity


def _replay_path(name: str) -> Path:
    path = Path(name)
    if path.is_file():
        return path
    kept = RUNS / name / "replay.json"
    if kept.is_file():
        return kept
    known = sorted(folder.parent.name for folder in RUNS.glob("*/replay.json"))
    hint = f"there are {', '.join(known[:8])}" if known else f"{RUNS} has none; cachegate check makes them"
    raise UsageError(f"no replay {name!r}: {hint}")


def _spec(text: str) -> Spec:
    try:
        return parse(text)
    except SpecError as error:
        raise UsageError(str(error)) from error


def _absolute(text: str) -> str:
    """The spec with its file as an absolute path, so that it can be replayed from elsewhere."""
    name, mark, query = text.partition("?")
    file, colon, attribute = name.rpartition(":")
    return f"{Path(file).resolve()}{colon}{attribute}{mark}{query}" if file.endswith(".py") else text


def _faults(names: tuple[str, ...]) -> list[str]:
    known = [profile.value for profile in Profile]
    for name in names:
        if name not in known:
            raise UsageError(f"no fault {name!r}; there are {', '.join(known)}")
    return list(names)


def _known_ids(names: tuple[str, ...]) -> list[str]:
    known = [*(rule.id for rule in RULES), *catalogue()]
    for name in names:
        if name not in known:
            raise UsageError(f"no check {name!r}; cachegate check --list shows them all")
    return list(names)


def _quoted(spec: str) -> str:
    return f"'{spec}'" if set(spec) & set("?&*;() ") else spec
