"""One cache under a scenario's load: hosts and driver started, watched, ended; then everything judged."""

from __future__ import annotations

import math
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harness.documents import CheckedResult
from harness.errors import NothingMeasuredError, UsageError
from harness.load import conditions, laws, reading
from harness.load.connection import BrokenError
from harness.load.document import LoadArmResult, SecondResult
from harness.load.driver import Driver
from harness.load.hosts import Server, servers
from harness.load.keys import Promise, keys_of, removed
from harness.load.plan import Scenario
from harness.load.samples import REQUESTS
from harness.load.watch import Looks
from harness.measure.generate import draw
from harness.measure.workload import parse
from harness.model import CheckVerdict

Say = Callable[[str], None]

_MOST_RECORDED = 1_500_000
"""Operations whose history is kept, about: 120 MB in the drivers, and two seconds to judge."""
_FASTEST = 30_000
"""Requests a second of a driver process in a closed loop, at most, about."""
_LEASE_SECONDS = 3_600.0
"""Beyond a run's time, in which its keys are removed by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked: a scenario with what its user changed."""

    scenario: Scenario
    workload: str
    users: int
    seconds: float
    """Of all phases together."""
    rate: float
    seed: int
    processes: int = 1
    capacity: int | None = None
    one_in: int | None = None
    """The history of one key in so many is kept, 0 for none; None: as many as fit."""

    def sampled(self) -> int:
        """One key in so many."""
        if self.one_in is not None:
            return self.one_in
        rates = [
            _FASTEST * self.processes * (0.5 if phase.pace == "half" else 1.0)
            if isinstance(phase.pace, str)
            else self.rate * phase.pace
            for phase in self.scenario.phases
        ]
        expected = sum(rate * phase.share for rate, phase in zip(rates, self.scenario.phases, strict=True))
        return max(1, math.ceil(expected * self.seconds / _MOST_RECORDED))


class Outcome(NamedTuple):
    """What became of one run of the driver."""

    result: dict[str, Any]
    servers: list[Server]
    infos: list[tuple[dict[str, str], dict[str, str]]]
    """INFO before and after, by server."""
    cpu_seconds: list[float | None]
    """That each server used meanwhile."""
    looks: Looks
    problems: list[str]
    """What went wrong with each host, in words; empty if nothing did."""
    one_in: int
    laws: list[laws.Judged]
    left: tuple[str, ...]
    """What the run could not remove from servers that are not its own, in words."""


def run(load: Load, texts: list[str], say: Say, promise: Promise) -> Outcome:
    """Load the caches or servers of texts, turn by turn if there are two. Nothing is left running.

    promise is asked to remove the keys from servers that are not of this run.

    Raises UsageError, NothingMeasuredError and HarnessError.
    """
    capacity = load.capacity if load.capacity is not None else draw(parse(load.workload), 1).capacity
    one_in = load.sampled()
    with tempfile.TemporaryDirectory(prefix="cachegate-") as folder, servers(texts, capacity) as hosts:
        _enough_descriptors(load.users * len(hosts))
        # Of a server that others use only keys of our own are touched.
        others = [host for host in hosts if host.process is None]
        prefix = f"cachegate:{secrets.token_hex(4)}:" if others else ""
        if len({host.place for host in hosts}) < len(hosts):
            raise UsageError("both are the same server; name another, or a cache")
        before = [_first_info(host) for host in hosts]
        spent = [host.cpu_seconds() for host in hosts]
        lasts = load.scenario.ramp_seconds + load.seconds + _LEASE_SECONDS
        removals = [promise(keys_of(load.workload, host.url, prefix), lasts) for host in others]
        with removed(removals) as left, Driver(
            load.scenario, [host.url for host in hosts], users=load.users, seconds=load.seconds, rate=load.rate,
            workload=load.workload, seed=load.seed, processes=load.processes, one_in=one_in, prefix=prefix,
            folder=Path(folder),
        ) as driver:  # fmt: skip
            looks = Looks(hosts, driver)
            try:
                result = driver.wait(lambda row: say(_progress(row, load, driver.total_seconds)), looks.look)
            finally:
                looks.close()
        result["processes"] = load.processes
        problems: list[str] = []
        after = [_info(host, problems) for host in hosts]
        used = [
            None if then is None or (now := host.cpu_seconds()) is None else now - then
            for host, then in zip(hosts, spent, strict=True)
        ]
        say("judging the answers")
        requests = draw(parse(load.workload), REQUESTS)
        name_key = requests.key_format.format
        judged = [
            laws.judge(
                result,
                place,
                host.promises,
                host.capacity,
                one_in,
                lambda number: prefix + name_key(number),
                laws.crowded(requests, host.memory_bound),
            )
            for place, host in enumerate(hosts)
        ]
        problems = [problem or (host.end() or "") for host, problem in zip(hosts, problems, strict=True)]
        infos = list(zip(before, after, strict=True))
        return Outcome(result, hosts, infos, used, looks, problems, one_in, judged, tuple(left))


def arm(outcome: Outcome, load: Load, place: int, role: str) -> LoadArmResult:
    """What one of the servers did."""
    server, found = outcome.servers[place], reading.totals(outcome.result, place)
    phases = reading.phases(outcome.result, load.scenario, place, outcome.looks)
    last = phases[-1] if phases else None
    operations = found["get_ok"] + found["set_ok"] + found["delete_ok"]
    cpu = outcome.cpu_seconds[place]
    return LoadArmResult(
        role=role,  # type: ignore[arg-type]  # one of the two
        spec=server.text,
        capacity=server.capacity,
        adapted=server.notes,
        operations=operations,
        errors=sum(reading.failures(outcome.result, place).values()),
        achieved_rate=last.rate if last else 0.0,
        latency=last.latency if last else None,
        phases=phases,
        counts=reading.counts(found, *outcome.infos[place]),
        cpu_per_request=cpu / operations if cpu is not None and operations else None,
        cache_seconds=_cache_seconds(outcome, place),
    )


def series(outcome: Outcome) -> tuple[SecondResult, ...]:
    """A row a second, with what the host and the driver cost."""
    costs = outcome.looks.by_second()
    return tuple(SecondResult(**row, **costs.get(row["time"], {})) for row in outcome.result["series"])


def checks(outcome: Outcome, load: Load, place: int, measured_arm: LoadArmResult) -> list[CheckedResult]:
    """The laws and the scenario's conditions."""
    found = reading.totals(outcome.result, place)
    spans = {
        log["name"]: (log["began"], log["ended"])
        for worker in outcome.result["workers"]
        for log in worker["phases"]
        if not log["cut_short"]
    }
    measured = conditions.Measured(
        scenario=load.scenario,
        users=load.users,
        result=outcome.result,
        phases=measured_arm.phases,
        operations=measured_arm.operations,
        failures=reading.failures(outcome.result, place),
        examples=reading.examples(outcome.result, place),
        counts=measured_arm.counts,
        unsure=sum(found[f"{name}_{how}"] for name in ("get", "set", "delete") for how in ("error", "unknown")),
        shared=outcome.servers[place].process is None,
        series=series(outcome),
        spans=spans,
    )
    met = conditions.check(measured)
    return [
        *_lives(outcome, place),
        *(found for found in met if found.id == "driver"),
        *outcome.laws[place].checks,
        _bounded(outcome, place),
        *(found for found in met if found.id != "driver"),
    ]


def _lives(outcome: Outcome, place: int) -> list[CheckedResult]:
    """C0 of the process, if it is ours."""
    server = outcome.servers[place]
    if server.process is None and not outcome.problems[place]:
        return []
    problem = outcome.problems[place]
    return [
        CheckedResult(
            id="C0",
            kind="law",
            title="the host lives, answers, and ends when it is told to",
            verdict=CheckVerdict.FAIL if problem else CheckVerdict.PASS,
            summary=problem or "it lived, and ended when it was told to",
        )
    ]


def _first_info(host: Server) -> dict[str, str]:
    """What INFO says before anything is asked. Raises UsageError, or NothingMeasuredError for a host of ours."""
    try:
        return host.info()
    except BrokenError as error:
        kind = UsageError if host.process is None else NothingMeasuredError
        raise kind(f"{host.text} answers no more: {error}") from error


def _info(host: Server, problems: list[str]) -> dict[str, str]:
    """What INFO says, or nothing and a problem more."""
    died = host.died()
    if died is not None:
        problems.append(died)
        return {}
    try:
        found = host.info()
    except BrokenError as error:
        problems.append(f"{host.text} answers no more: {error}")
        return {}
    problems.append("")
    return found


def _bounded(outcome: Outcome, place: int) -> CheckedResult:
    """C10, as far as it shows from outside."""
    fields: dict[str, Any] = {"id": "C10", "kind": "law", "title": "entries stay within their bound"}
    room = outcome.servers[place].capacity
    sizes = [size for look in outcome.looks.all if (size := look.entries[place]) is not None]
    if room is None or not sizes:
        why = "the cache names no bound on entries" if room is None else "its size was not seen"
        return CheckedResult(**fields, verdict=CheckVerdict.SKIPPED, summary=why)
    told = f"at most {max(sizes):,} entries in {len(sizes)} looks, with room for {room:,}"
    verdict = CheckVerdict.PASS if max(sizes) <= room else CheckVerdict.FAIL
    return CheckedResult(**fields, verdict=verdict, summary=told)


def _cache_seconds(outcome: Outcome, place: int) -> float | None:
    """What a request takes inside the cache, on average, where its host tells."""
    before, after = outcome.infos[place]
    if "cachegate_cache_seconds" not in before or "cachegate_cache_seconds" not in after:
        return None
    names = [f"cachegate_{name}_ok" for name in ("get", "set", "delete", "size")]
    try:
        seconds = float(after["cachegate_cache_seconds"]) - float(before["cachegate_cache_seconds"])
        asked = sum(int(after[name]) - int(before[name]) for name in names)
    except (KeyError, ValueError):
        return None  # another server's, which says what it likes
    return seconds / asked if asked else None


def _progress(row: dict[str, Any], load: Load, total_seconds: float) -> str:
    left = f"{row['elapsed']:.0f} of {total_seconds:.0f} s, "
    errors_ = f", {row['errors']:,} errors" if row["errors"] else ""
    return (
        f"{left}{row['users']:,} of {load.users:,} users, {row['operations']:,}/s, p50 {1e3 * row['p50']:.2f} ms, "
        f"p99 {1e3 * row['p99']:.2f} ms, {row['total']:,} operations{errors_}"
    )


def _enough_descriptors(connections: int) -> None:
    """Raise UsageError if this machine lets no process have so many."""
    import resource  # noqa: PLC0415  # only where it matters

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and connections + 100 > hard:
        raise UsageError(f"{connections:,} connections need more open files than the {hard:,} allowed (ulimit -Hn)")
