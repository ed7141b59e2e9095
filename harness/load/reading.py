"""From what the processes measured to what is reported: phases, operations, counts. Pure."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from harness.load.document import (
    CountsResult,
    LatencyResult,
    LoadPhaseResult,
    OperationResult,
    TimesResult,
)
from harness.load.histogram import Times
from harness.load.plan import Phase, Scenario
from harness.load.samples import NAMES, TARGETS
from harness.load.watch import Looks

_OPERATIONS = tuple(NAMES.values())
_FAILED = ("error", "refused", "unknown")
_COUNT = re.compile("-?[0-9]{1,18}")
"""What a server may tell as a count."""


def phases(result: dict[str, Any], scenario: Scenario, place: int, looks: Looks | None) -> tuple[LoadPhaseResult, ...]:
    """Each phase that every process finished, of the target at place."""
    found = []
    for number, phase in enumerate(scenario.phases, 1):
        logs = [log for worker in result["workers"] for log in worker["phases"] if log["number"] == number]
        if logs and len(logs) == len(result["workers"]) and not any(log["cut_short"] for log in logs):
            found.append(_phase(result, phase, number, place, logs, looks))
    return tuple(found)


def _phase(
    result: dict[str, Any], phase: Phase, number: int, place: int, logs: list[dict[str, Any]], looks: Looks | None
) -> LoadPhaseResult:
    where = str(number * TARGETS + place)
    counts = result["counts"].get(where, {})
    seconds = sum(log["active_seconds"][place] for log in logs) / len(logs)
    answered = sum(counts.get(f"{name}_ok", 0) for name in _OPERATIONS)
    errors = sum(counts.get(f"{name}_{how}", 0) for name in _OPERATIONS for how in _FAILED)
    errors += counts.get("wrong", 0)
    reads = counts.get("hits", 0) + counts.get("misses", 0)
    began, ended = max(log["began"] for log in logs), min(log["ended"] for log in logs)
    cores: dict[str, float | None] = {"host_cpu": None, "driver_cpu": None, "other_cpu": None}
    if looks is not None:
        cores = looks.cores(began, ended, place)
    late = Times.of(*(log["late"] for log in logs))
    turns = len(result["orders"]["targets"])
    return LoadPhaseResult(
        name=phase.name,
        pace=str(phase.pace),
        began=began,
        seconds=seconds,
        target_rate=sum(log["rate"] for log in logs) / len(logs) if phase.pace != "closed" else None,
        begun=counts.get("slots", 0) if phase.pace != "closed" else None,
        operations=answered,
        rate=answered / seconds if seconds else 0.0,
        errors=errors,
        hit_ratio=counts["hits"] / reads if reads else None,
        latency=_latency(result, [f"{where}/{name}" for name in _OPERATIONS]),
        by_operation=tuple(
            OperationResult(
                name=name,  # type: ignore[arg-type]  # the three of NAMES
                answered=counts.get(f"{name}_ok", 0),
                errors=sum(counts.get(f"{name}_{how}", 0) for how in _FAILED),
                latency=_latency(result, [f"{where}/{name}"]),
            )
            for name in _OPERATIONS
            if any(counts.get(f"{name}_{how}", 0) for how in ("ok", *_FAILED))
        ),
        host_cpu=None if cores["host_cpu"] is None else cores["host_cpu"] * turns,  # of the time it was asked
        driver_cpu=cores["driver_cpu"],
        driver_late=TimesResult(**late.summary()) if late.count else None,
        other_cpu=cores["other_cpu"],
    )


def _latency(result: dict[str, Any], places: list[str]) -> LatencyResult | None:
    said = [result["times"][place] for place in places if place in result["times"]]
    if not said:
        return None
    service = Times.of(*(each["service"] for each in said))
    response = Times.of(*(each["response"] for each in said))
    return LatencyResult(
        service=TimesResult(**service.summary()),
        response=TimesResult(**response.summary()),
        encoded=response.encode(),
    )


def totals(result: dict[str, Any], place: int) -> Counter[str]:
    """All that the clients counted on the target at place, phases and what came before and after."""
    found: Counter[str] = Counter()
    for where, counts in result["counts"].items():
        if int(where) % TARGETS == place:
            found.update(counts)
    return found


def counts(clients: Counter[str], before: dict[str, str], after: dict[str, str]) -> tuple[CountsResult, ...]:
    """The same operations as the clients, the host and the cache counted them."""

    def grown(*names: str) -> int | None:
        counted = [(before.get(name, "0"), after.get(name, "")) for name in names]
        if not all(_COUNT.fullmatch(count) for both in counted for count in both):
            return None
        return sum(int(now) - int(then) for then, now in counted)

    cache_reads, cache_hits = grown("cache_hits", "cache_misses"), grown("cache_hits")
    if cache_reads is None:  # a Redis or Valkey
        cache_reads, cache_hits = grown("keyspace_hits", "keyspace_misses"), grown("keyspace_hits")
    rows = (
        ("reads", clients["get_ok"], grown("cachegate_get_ok"), cache_reads),
        ("hits", clients["hits"], None, cache_hits),
        ("writes", clients["set_ok"], grown("cachegate_set_ok"), grown("cache_sets")),
        ("deletes", clients["delete_ok"], grown("cachegate_delete_ok"), None),
        ("removed", clients["removed"], None, grown("cache_deletes")),
    )
    return tuple(CountsResult(name=name, clients=own, host=host, cache=cache) for name, own, host, cache in rows)


def failures(result: dict[str, Any], place: int) -> dict[str, int]:
    """What failed on the target at place, and how often."""
    return {key.partition("/")[2]: count for key, count in result["failures"].items() if _is_of(key, place)}


def examples(result: dict[str, Any], place: int) -> tuple[str, ...]:
    """Some of what failed there, in words."""
    return tuple(
        f"{key.partition('/')[2]}: {text}"
        for key, texts in result["examples"].items()
        if _is_of(key, place)
        for text in texts
    )


def _is_of(key: str, place: int) -> bool:
    return key.startswith(f"{place}/")
