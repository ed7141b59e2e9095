"""The runs of `check` and `replay`, each as a table of contents. Decides by the results of checks alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cache_impls.registry import Spec, SpecError, parse
from harness.check import replays
from harness.check.checkers import catalogue
from harness.check.checkers.agreement import EDGES_NS
from harness.check.rules import RULES
from harness.check.run import Events, run
from harness.check.verdicts import BLOCKS, CLIENTS, CheckRequest, results, verdict, warnings_of, why_unjudged
from harness.documents import (
    ArmResult,
    CheckDocument,
    DrivenResult,
    ExploredResult,
    ReplayDocument,
    StalenessResult,
)
from harness.errors import HarnessError, UsageError
from harness.measure import workload as workloads
from harness.measure.environment import environment
from harness.measure.generate import draw
from harness.model import CheckVerdict
from harness.simulate.policies import POLICIES
from harness.simulate.schedule import Profile

Say = Callable[[str], None]

_REQUESTS = 50_000
"""Of a workload, beside its preload and warm-up."""
EXIT_CODES = {CheckVerdict.PASS: 0, CheckVerdict.FAIL: 1, CheckVerdict.UNKNOWN: 2, CheckVerdict.SKIPPED: 2}


def check(request: CheckRequest, say: Say) -> CheckDocument:
    """Try every rule, explore schedules for the budget, and say what was found. Raises UsageError."""
    began = time.monotonic()
    spec = _spec(request.spec)
    faults, only = _faults(request.faults), _known_ids(request.only)
    hash_seed = request.seed % 2**32
    job: dict[str, Any] = {
        "spec": request.spec,
        "seed": request.seed,
        "seconds": request.budget_seconds,
        "schedules": request.schedules,
        "profiles": faults,
        "only": only,
    }
    with TemporaryDirectory(prefix="cachegate-") as folder:
        job["workloads"] = list(_workloads(request, Path(folder)))
        found = run(job, hash_seed, say)
        if found.real is not None and found.bad is None:
            why, knobs = found.real, found.knobs
            found = run(job | {"real": True}, hash_seed, say)
            found.real, found.knobs = why, knobs
    if found.bad is not None:
        raise UsageError(found.bad)
    checks = results(found, request, hash_seed)
    decided, reason = verdict(checks, found, request)
    return CheckDocument(
        verdict=decided,
        reason=reason,
        exit_code=EXIT_CODES[decided],
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
            workloads=tuple(
                DrivenResult(name=event["name"], operations=event["operations"], clients=request.clients)
                for event in found.recorded
            ),
            staleness=tuple(
                StalenessResult(up_to_seconds=None if edge is None else edge / 1e9, writes=writes)
                for edge, writes in zip((*EDGES_NS, None), found.staleness, strict=False)
            ),
        ),
        checks=tuple(checks),
        strict=request.counts_manners,
        warnings=tuple(warnings_of(found)),
    )


def replay(name: str, spec: str | None, say: Say) -> tuple[ReplayDocument, CheckVerdict, str]:
    """Play a recorded schedule again: the document with the history of now, and whether the law is still broken.

    Raises UsageError for a file that is none, of another Python, whose cache is not there, or is code that only the
    file names.
    """
    document = replays.read(name)
    text = spec or replays.trusted(document, name)
    _spec(text)
    job = {"spec": text, "seed": 0, "replay": document.model_dump(mode="json")}
    found = run(job, document.hash_seed, say)
    if found.bad is not None:
        raise UsageError(f"{name} cannot be replayed: {found.bad}")
    if found.internal is not None:
        raise HarnessError(why_unjudged(found))
    if found.replayed is None:
        failed = found.blocked is not None or (found.bound or found.died) is not None
        why = found.bound or found.real or found.died or BLOCKS
        return document, CheckVerdict.FAIL if failed else CheckVerdict.UNKNOWN, why
    again = document.model_copy(
        update={"spec": text, "evidence": tuple(found.replayed["evidence"]), "message": found.replayed["message"]}
    )
    if found.replayed["message"]:
        return again, CheckVerdict.FAIL, found.replayed["message"]
    return again, CheckVerdict.PASS, f"{text} keeps {document.check} on this schedule"


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


def _spec(text: str) -> Spec:
    try:
        return parse(text)
    except SpecError as error:
        raise UsageError(str(error)) from error


def _workloads(request: CheckRequest, folder: Path) -> Iterator[dict[str, Any]]:
    """A file of requests for each workload. Raises UsageError for one that is none."""
    if not request.workloads and (request.capacity is not None or request.clients != CLIENTS):
        raise UsageError("--clients and --capacity are of a workload: name one with --workload")
    if request.history is not None and len(request.workloads) != 1:
        raise UsageError("--history saves the history of one workload: name exactly one with --workload")
    for number, name in enumerate(request.workloads):
        requests = draw(workloads.parse(name), _REQUESTS, request.capacity)
        file = folder / f"requests-{number}"
        requests.write(file)
        yield {
            "name": requests.name,
            "file": str(file),
            "room": requests.capacity,
            "clients": request.clients,
            "key_format": requests.key_format,
            "history": None if request.history is None else str(request.history),
        }


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
