"""What the check process does, as a table of contents: look at the cache, try the rules, explore, or replay."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from cache_impls.registry import Adapted, SpecError, parse
from harness.check import watchdog
from harness.check.checkers import CHECKERS
from harness.check.checkers.parameters import without_effect
from harness.check.clocks import Clocks, find_clocks, inside
from harness.check.explore import BULK, BlockedScheduleError, Builds, Explorer, How, Violation
from harness.check.knobs import turn_knobs
from harness.check.recorded import around, record
from harness.check.rules import RULES, Broken
from harness.check.rules.lab import BLOCKS, keep, keep_really
from harness.check.rules.rule import NotApplicable
from harness.check.spacetime import diagram, operation
from harness.check.watchdog import BlockedError
from harness.clock import WorkloadClock
from harness.history import NO_TTL
from harness.simulate.loop import NeedsRealLoopError
from harness.simulate.real import RealClock
from harness.simulate.schedule import Profile, Schedule

Emit = Callable[..., None]
_REAL_BULK = 20
"""Schedules on a real loop, at most, between two lines of progress; `_REAL_SECONDS` of them if they are slow."""
_REAL_SECONDS = 2.0


class BlockedRuleError(Exception):
    """A rule or a workload in which the cache does not give control back: every other would cost as much time."""


def run(job: dict[str, Any], clock: WorkloadClock, real_sleep: Callable[[float], None], emit: Emit) -> None:
    """Run a job: `spec`, `seed`, `seconds` or `schedules`, `profiles`, `only`; or `replay`."""
    warnings.simplefilter("ignore")  # a cache's own affair; what it leaves undone is found by the checks
    blocked_by_sleep = _sleep_in_virtual_time(clock)
    try:
        builds = Builds(parse(job["spec"]))
        sample = inside(clock, builds)
    except (SpecError, NeedsRealLoopError) as error:
        emit("bad", message=str(error))
        return
    emit(
        "cache",
        adapted=sample.notes,
        promises=sample.promises._asdict(),
        capabilities=[flag.name for flag in sample.capabilities],
    )
    try:
        if "replay" in job:
            _replay(job, builds, clock, emit)
        else:
            _check(job, builds, clock, real_sleep, emit)
    except NeedsRealLoopError as error:
        emit("real", message=str(error))
    except BlockedRuleError:
        emit("blocked")
    except BlockedScheduleError as error:
        emit("blocked", schedule=error.schedule.to_json())
    if blocked_by_sleep:
        emit("slept", seconds=sum(blocked_by_sleep), times=len(blocked_by_sleep))


def _check(
    job: dict[str, Any], builds: Builds, clock: WorkloadClock, real_sleep: Callable[[float], None], emit: Emit
) -> None:
    only = set(job["only"])
    clocks = find_clocks(builds, clock, real_sleep)
    emit("clock", native=clocks.native)
    enough = set(job.get("enough", ()))
    idle = (not only or "C12" in only) and _turn(builds, clock, emit)
    if idle and "C12" in enough:
        return
    failed = _conform(builds, clock, emit, only, native=clocks.native)
    if failed and "conformance" in enough:
        return
    if only and not only & {"C13", *(checker.ID for checker in CHECKERS)}:
        return
    explorer = Explorer(
        builds,
        clock,
        seed=job["seed"],
        profiles=tuple(map(Profile, job["profiles"])),
        default_ttl_ns=_default_ttl_ns(clocks, builds, clock),
        has_ttl=not clocks.native,
        only=only,
        how=How(**job.get("how", {})),
    )
    _explore(job, explorer, emit, _default_ttl_ns(clocks, builds, clock))
    for workload in job.get("workloads", ()):
        _record(workload, explorer, builds, clock, emit)


def _record(workload: dict[str, Any], explorer: Explorer, builds: Builds, clock: WorkloadClock, emit: Emit) -> None:
    """Drive a workload, and judge its history by every law that holds of the cache and was not seen broken yet."""
    emit("alive", doing=f"driving {workload['name']}")
    recording = record(builds.with_default_room, workload, clock, explorer.default_ttl_ns)
    if workload["history"]:
        with suppress(OSError):  # no room: whoever asked for it is told that there is none, and the laws are judged
            recording.history.save(Path(workload["history"]))
    if recording.stuck:
        told = {"check": "C0", "workload": workload["name"], "message": recording.stuck, "evidence": [], "count": 1}
        emit("violation", **told)
        explorer.broken.add("C0")
    for checker, findings in explorer.judge(recording.history):
        history, rows, oddities, raised = around(recording, findings[0])
        words = [operation(history, row, oddities, raised) for row in rows]
        emit(
            "violation",
            check=checker.ID,
            workload=workload["name"],
            message=findings[0].message.format(*words),
            evidence=diagram(history, workload["clients"], oddities, raised),
            count=len(findings),
        )
    emit("recorded", name=workload["name"], operations=len(recording.history), crashed=explorer.crashed)


def _default_ttl_ns(clocks: Clocks, builds: Builds, clock: WorkloadClock) -> int:
    """What was found; not of a cache whose ttls are declared to be inexact, where one try tells too little."""
    promises = inside(clock, builds).promises
    return NO_TTL if promises.ttl_jitter or promises.stale_seconds else clocks.default_ttl_ns


def run_really(job: dict[str, Any], emit: Emit) -> None:
    """As `run`, on a real event loop: rules that need no time to pass, and real concurrency."""
    try:
        _run_really(job, emit)
    except (BlockedRuleError, BlockedScheduleError):
        emit("blocked")  # no schedule with it: on a real loop none can be played again


def _run_really(job: dict[str, Any], emit: Emit) -> None:
    builds = Builds(parse(job["spec"]))
    only = set(job["only"])

    async def look() -> Adapted:
        cache = builds(None)
        if cache.initialize is not None:
            try:
                await cache.initialize()
            except SpecError:
                raise
            except Exception:  # the cache's: the rules meet it again, and tell it
                return cache
        return cache

    try:
        sample = asyncio.run(look())
    except SpecError as error:
        emit("bad", message=str(error))
        return
    emit("cache", adapted=sample.notes, promises=sample.promises._asdict(), capabilities=[])
    for rule in RULES:
        if only and rule.id not in only:
            continue
        why = rule.applies(sample.capabilities, sample.promises)
        if why is None and (rule.timed or rule.simulated):
            why = "it needs virtual time, and this cache runs on a real event loop"
        verdict, summary = _tried(why, partial(keep_really, rule, builds, builds.with_parameters))
        emit("rule", id=rule.id, verdict=verdict, summary=summary)
        if summary is BLOCKS:
            raise BlockedRuleError
    if only and not only & {"C13", *(checker.ID for checker in CHECKERS)}:
        return

    def alive() -> None:
        watchdog.alive()
        emit("alive", doing="on a real event loop")

    profiles = tuple(map(Profile, job["profiles"]))
    explorer = Explorer(builds, RealClock(), seed=job["seed"], profiles=profiles, only=only, sample=sample, alive=alive)
    _explore(job, explorer, emit, NO_TTL)


def _explore(job: dict[str, Any], explorer: Explorer, emit: Emit, default_ttl_ns: int) -> None:
    if not explorer.shape.profiles:
        faults = ", ".join(job["profiles"])
        emit("bad", message=f"{faults}: no such fault fits this cache; it has no parts, or no bound")
        return
    emit("shape", profiles=list(explorer.shape.profiles), skipped=explorer.skipped)
    began = perf_counter()
    enough, bulk = set(job.get("enough", ())), 1 if job.get("real") else BULK
    while explorer.tally.schedules < job["schedules"] and (spent := perf_counter() - began) < job["seconds"]:
        if job.get("real") and explorer.tally.schedules:
            bulk = max(1, min(_REAL_BULK, int(_REAL_SECONDS * explorer.tally.schedules / spent)))
        for violation in explorer.violations(bulk):
            emit("violation", **_told(violation, explorer), default_ttl_ns=default_ttl_ns)
        emit("progress", schedules=explorer.tally.schedules, operations=explorer.tally.operations)
        if enough & explorer.broken:
            break
    staleness = explorer.staleness.tolist() if explorer.stages else []
    emit("explored", problems=explorer.tally.problems(), crashed=explorer.crashed, staleness=staleness)


def _conform(builds: Builds, clock: WorkloadClock, emit: Emit, only: set[str], *, native: bool) -> int:
    """Try the rules; how many are broken."""
    failed = 0
    sample = inside(clock, builds)
    for rule in RULES:
        if only and rule.id not in only:
            continue
        why = rule.applies(sample.capabilities, sample.promises)
        if why is None and native and rule.timed:
            why = "its clock is native: time cannot be made to pass"
        verdict, summary = _tried(why, partial(keep, rule, builds, clock, builds.with_parameters))
        if summary is BLOCKS:
            emit("rule", id=rule.id, verdict=verdict, summary=summary)
            raise BlockedRuleError
        failed += verdict == "fail"
        emit("rule", id=rule.id, verdict=verdict, summary=summary)
    return failed


def _tried(why_not: str | None, attempt: Callable[[], None]) -> tuple[str, str]:
    """Verdict and summary of a rule."""
    if why_not is not None:
        return "skipped", why_not
    try:
        attempt()
    except NotApplicable as error:
        return "skipped", str(error)
    except Broken as error:
        return "fail", BLOCKS if isinstance(error.__cause__, BlockedError) else str(error)
    return "pass", "kept"


def _turn(builds: Builds, clock: WorkloadClock, emit: Emit) -> bool:
    """Turn the knobs; whether one has no effect."""
    try:
        turned = turn_knobs(builds, clock)
    except BlockedError:
        return False  # the rules will meet it again, and tell
    idle = without_effect(turned.tried)
    emit(
        "knobs", tried=[one.parameter for one in turned.tried], idle=idle, steady=turned.steady, numeric=turned.numeric
    )
    return bool(idle)


def _replay(job: dict[str, Any], builds: Builds, clock: WorkloadClock, emit: Emit) -> None:
    replay = job["replay"]
    checker = next(checker for checker in CHECKERS if replay["check"] == checker.ID)
    explorer = Explorer(builds, clock, default_ttl_ns=replay["default_ttl_ns"])
    schedule = Schedule.from_json(replay["schedule"])
    lacking = explorer.lacks(schedule)
    if lacking:
        emit("bad", message=f"{job['spec']} has no {', '.join(lacking)}, which the schedule asks for")
        return
    again, findings, history = explorer.replay(checker, schedule)
    lines = diagram(history, len(schedule.clients), again.oddities, again.raised)
    message = ""
    if findings:
        words = [operation(history, row, again.oddities, again.raised) for row in findings[0].rows]
        message = findings[0].message.format(*words)
    emit("replayed", message=message, evidence=lines)


def _told(violation: Violation, explorer: Explorer) -> dict[str, Any]:
    history, oddities, raised = violation.history, violation.oddities, violation.raised
    words = [operation(history, row, oddities, raised) for row in violation.rows]
    return {
        "check": violation.check,
        "message": violation.message.format(*words),
        "schedule": violation.schedule.to_json(),
        "evidence": diagram(history, len(violation.schedule.clients), oddities, raised),
        "after": violation.after,
        "operations": violation.schedule.operations,
        "original_operations": violation.original_operations,
        "schedules": explorer.tally.schedules,
        "again": violation.again,
    }


def _sleep_in_virtual_time(clock: WorkloadClock) -> list[float]:
    """time.sleep blocks the loop; here it costs virtual time. What was slept is noted."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance_by(seconds)

    setattr(time, "sleep", sleep)  # noqa: B010  # typeshed allows no assignment to a function
    return slept
