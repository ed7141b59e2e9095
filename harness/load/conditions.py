"""What a scenario requires beside the laws: each a function of what was measured, with what it says when not met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.documents import CheckedResult
from harness.load.document import CountsResult, LoadPhaseResult, SecondResult
from harness.load.plan import CONDITIONS, Condition, Scenario
from harness.model import CheckVerdict

REACHED_SHARE = 0.99
"""Of a rate, below which it was not reached."""
BUSY_CORES = 0.9
"""Of a process of the driver, above which its users wait for each other and not for the cache."""
LEAST_OPERATIONS = 50
"""Of a phase."""
LATE_SECONDS = 0.01
"""One user in a hundred woken later than this: response times would be the driver's."""
_RECOVERED_RATIO = 2.0
_RECOVERED_FLOOR_SECONDS = 0.002
"""p99 of a second below which nobody waits, whatever it was before."""
_SETTLE_SHARE = 0.1
_GROWTH = 0.05
_GROWTH_BYTES = 4 * 1024 * 1024
"""Below which an allocator's rounding is growth enough."""
_LEAST_SECONDS = 8
"""Of the series, without which nothing can be said of its second half."""

Answer = tuple[CheckVerdict, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What conditions look at."""

    scenario: Scenario
    users: int
    result: dict[str, Any]
    phases: tuple[LoadPhaseResult, ...]
    operations: int
    """That were answered."""
    failures: dict[str, int]
    examples: tuple[str, ...]
    counts: tuple[CountsResult, ...]
    unsure: int
    """Operations of which nobody knows whether they took effect."""
    shared: bool
    """Whether the server is not of this run, so that others may use it."""
    series: tuple[SecondResult, ...]
    spans: dict[str, tuple[float, float]]
    """When each phase began and ended, in seconds of the epoch."""


def missing(result: dict[str, Any]) -> int:
    """Processes of the driver that never told how they ended."""
    return int(result["processes"]) - len(result["workers"])


def check(measured: Measured) -> list[CheckedResult]:
    """One result for each condition of the scenario but `lawful` (the laws have results of their own)."""
    found = []
    if (died := missing(measured.result)) > 0:
        found.append(
            CheckedResult(
                id="driver",
                kind="condition",
                title="every process of the driver tells how it ended",
                verdict=CheckVerdict.UNKNOWN,
                summary=f"{died} of {measured.result['processes']} processes of the driver died; run it again",
            )
        )
    for name in measured.scenario.conditions:
        if name in _CHECKS:
            verdict, summary = _CHECKS[name](measured)
            found.append(
                CheckedResult(
                    id="C11" if name == "counts_agree" else name,
                    kind="law" if name == "counts_agree" else "condition",
                    title=CONDITIONS[name],
                    verdict=verdict,
                    summary=summary,
                    evidence=measured.examples if verdict is CheckVerdict.FAIL and name == "no_errors" else (),
                )
            )
    return found


def _no_errors(measured: Measured) -> Answer:
    if measured.failures:
        told = ", ".join(f"{count:,} times {what}" for what, count in sorted(measured.failures.items()))
        return CheckVerdict.FAIL, f"{told}; {measured.operations:,} operations were answered"
    if not measured.operations:
        return CheckVerdict.UNKNOWN, "nothing was asked"
    cut = f", {measured.unsure:,} cut off at the end" if measured.unsure else ""
    return CheckVerdict.PASS, f"{measured.operations:,} operations, all answered{cut}"


def _counts_agree(measured: Measured) -> Answer:
    if missing(measured.result):
        return CheckVerdict.UNKNOWN, "what a process of the driver that died had counted is not known"
    compared = 0
    for row in measured.counts:
        for who, counted in (("the host", row.host), ("the cache", row.cache)):
            if counted is None:
                continue
            compared += 1
            if not row.clients <= counted <= row.clients + measured.unsure:
                told = f"{row.name}: the clients count {row.clients:,}, {who} {counted:,}"
                if measured.shared:
                    return CheckVerdict.SKIPPED, f"{told}; somebody else seems to use this server"
                return CheckVerdict.FAIL, told
    if not compared:
        return CheckVerdict.SKIPPED, "neither the server nor its cache publishes counters"
    if measured.unsure:
        return CheckVerdict.PASS, f"within the {measured.unsure:,} operations that may have taken effect"
    told = ", ".join(f"{row.clients:,} {row.name}" for row in measured.counts if row.clients)
    return CheckVerdict.PASS, told or "nothing was counted"


def _on_schedule(measured: Measured) -> Answer:
    paced = [phase for phase in measured.phases if phase.target_rate is not None]
    if len(measured.phases) < len(measured.scenario.phases):
        return CheckVerdict.UNKNOWN, "the run ended before its last phase; give it more with --run-time"
    for phase in measured.phases:
        if phase.operations < LEAST_OPERATIONS:
            return CheckVerdict.UNKNOWN, (
                f"{phase.name}: {phase.operations} operations were answered, too few to say anything of; "
                "give it more with --run-time"
            )
    for phase in paced:
        assert phase.target_rate is not None
        asked = _requests(phase)
        if asked < REACHED_SHARE * phase.target_rate:
            return CheckVerdict.UNKNOWN, (
                f"{phase.name}: {phase.target_rate:,.0f} requests a second could not be reached, "
                f"{asked:,.0f} were; ask for less with --rate, or drive with more --processes"
            )
        if phase.driver_cpu is not None and phase.driver_cpu > BUSY_CORES:
            return CheckVerdict.UNKNOWN, (
                f"{phase.name}: the driver was busy {100 * phase.driver_cpu:.0f} % of the time, so requests waited "
                "for it; ask for less with --rate, or drive with more --processes"
            )
        if phase.driver_late is not None and phase.driver_late.p99 > LATE_SECONDS:
            return CheckVerdict.UNKNOWN, (
                f"{phase.name}: one user in a hundred was woken {1e3 * phase.driver_late.p99:.0f} ms late or more by "
                "the driver itself; run on a quieter machine"
            )
    if not paced:
        return CheckVerdict.PASS, "every user as fast as it could"
    reached = ", ".join(f"{_requests(phase):,.0f} a second in {phase.name}" for phase in paced)
    late = max((phase.driver_late.p99 for phase in paced if phase.driver_late is not None), default=0.0)
    return CheckVerdict.PASS, f"{reached}; p99 of the driver's own lateness {1e3 * late:.2f} ms"


def _requests(phase: LoadPhaseResult) -> float:
    """Requests a second that came."""
    return (phase.begun or 0) / phase.seconds if phase.seconds else 0.0


def _all_connected(measured: Measured) -> Answer:
    users = sum(worker["users"] for worker in measured.result["workers"])
    lost = sum(worker["lost_connections"] for worker in measured.result["workers"])
    refused = measured.failures.get("not connected", 0)
    if users < measured.users:
        return CheckVerdict.FAIL, f"{users:,} of {measured.users:,} users came; give them longer with --run-time"
    if lost or refused:
        return CheckVerdict.FAIL, f"{lost:,} connections were lost, {refused:,} refused"
    return CheckVerdict.PASS, f"{users:,} connections, none lost"


def _recovers(measured: Measured) -> Answer:
    names = [phase.name for phase in measured.scenario.phases]
    if any(name not in measured.spans for name in (names[0], names[-1])):
        return CheckVerdict.UNKNOWN, "the run ended before its last phase"
    before = [row.p99 for row in _inside(measured, names[0])]
    began, ended = measured.spans[names[-1]]
    settled = began + _SETTLE_SHARE * (ended - began)
    after = [row for row in _inside(measured, names[-1]) if row.time >= settled]
    if not before or not after:
        return CheckVerdict.UNKNOWN, "too few whole seconds; give it longer with --run-time"
    usual, now = float(np.median(before)), float(np.median([row.p99 for row in after]))
    told = f"p99 {1e3 * usual:.2f} ms before, {1e3 * now:.2f} ms after"
    if now > max(_RECOVERED_RATIO * usual, _RECOVERED_FLOOR_SECONDS):
        return CheckVerdict.FAIL, told
    slow = max(_RECOVERED_RATIO * usual, _RECOVERED_FLOOR_SECONDS)
    back = next((row.time for row in _inside(measured, names[-1]) if row.p99 <= slow), None)
    return CheckVerdict.PASS, f"{told}; as before {max(0.0, back - began):.0f} s after it" if back else told


def _inside(measured: Measured, name: str) -> list[SecondResult]:
    began, ended = measured.spans[name]
    return [row for row in measured.series if began <= row.time and row.time + 1 <= ended]


def _flat_memory(measured: Measured) -> Answer:
    rows = [row.host_memory_bytes for row in measured.series if row.host_memory_bytes is not None]
    if len(rows) < _LEAST_SECONDS:
        return CheckVerdict.UNKNOWN, "the memory of the server is not known, or for too short"
    half = rows[len(rows) // 2 :]
    quarter = max(1, len(half) // 4)
    began, ended = float(np.median(half[:quarter])), float(np.median(half[-quarter:]))
    told = f"{began / 1e6:.1f} MB at half time, {ended / 1e6:.1f} MB at the end"
    grew = ended - began > max(_GROWTH * began, _GROWTH_BYTES)
    return (CheckVerdict.FAIL if grew else CheckVerdict.PASS), told


_CHECKS: dict[Condition, Callable[[Measured], Answer]] = {
    "no_errors": _no_errors,
    "counts_agree": _counts_agree,
    "on_schedule": _on_schedule,
    "all_connected": _all_connected,
    "recovers": _recovers,
    "flat_memory": _flat_memory,
}
