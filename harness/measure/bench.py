"""A bench: one workload on two arms, which makes a pair of trials when asked.

The order of turns and the processor of each pair come from the run's seed. A `null` trial takes turns in some
pairs; what it costs an operation is the harness's own cost, and is taken off both arms.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cache_impls.registry import Spec, parse
from harness.measure.pairs import (
    FLOOR,
    ROLES,
    Incident,
    Pair,
    Values,
    incidents_of,
    measurements,
    middle,
    turn_times,
)
from harness.measure.requests import Requests
from harness.measure.ring import Interpreters, TrialDiedError
from harness.measure.trial import ArmSample, Job, Mode, Trial
from harness.model import Role
from harness.stats.paired import paired_log_ratio

WARM_BATCHES = 45
TURNS = 240
"""Of one client. Many short turns tell more than few long ones in the same time: 80 of 250 requests left a pair's
operation time a spread of 1.1 to 1.5 %, 240 of 87 one of 0.8 to 1.0 % (four runs of 25 to 40 s each, in turn)."""
TAIL_EVERY = 4
BATCHES = WARM_BATCHES + 2 * TURNS + TURNS // TAIL_EVERY
"""All batches of a trial: warm-up, then to warm and to time each turn, and timed singly."""
BATCH = 80
"""Requests a batch, unless the caches are so slow that a batch would take longer than `BATCH_SECONDS`."""
CROWD = 3
"""Several clients: so many times longer turns, and fewer; starting the clients is a part of each batch."""
BATCH_SECONDS = 0.002
MIN_BATCH = 8
ENTRIES = 20_000
"""Entries in a memory trial, whatever the workload's capacity. With 2,048 small ones the memory that a fresh
interpreter already holds for reuse hid a third of the bytes an entry; with 20,000 it is a few in a hundred."""
WEIGHED_BYTES = 64_000_000
"""Of their values; fewer entries where they would be more, as there is a bound of 100 MB in many caches."""

NULL_EVERY = 4
"""Pairs between two `null` trials. What the harness costs is a tenth of an operation, so its median over the run is
enough, and a third process slows the start of the other two."""

_QUICK_WARM_BATCHES = 2
_QUICK_TURNS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seat:
    """One process of a pair: whose it is, and its job."""

    roles: tuple[Role, ...]
    """Of the measured arms; none for the null trial."""
    job: Job


class Bench:
    """One workload on two arms. requests_file holds the written requests."""

    def __init__(
        self,
        requests: Requests,
        requests_file: Path,
        arms: tuple[Spec, Spec],
        interpreters: Interpreters,
        *,
        mode: Mode = "pairs",
        concurrency: int = 1,
        processors: list[int] | None = None,
        limit_seconds: float = 30.0,
    ) -> None:
        self.requests = requests
        longer = 1 if concurrency == 1 else CROWD
        self.batch = min(BATCH, requests.measurable // BATCHES) * longer
        self._turns, self._warm_batches = TURNS // longer, WARM_BATCHES // longer
        self._file = requests_file
        self._arms = arms
        self._interpreters = interpreters
        self._null = parse("null")
        self._mode = mode
        self._concurrency = concurrency
        self._processors = processors or []
        self._limit_seconds = limit_seconds
        self._harness: list[dict[str, float]] = []
        """What the null trials have shown so far."""
        self._timed_pairs = 0
        self._entries = entries_to_weigh(requests)
        """In a memory trial; fewer if a spec sets a bound of its own, so that both arms hold the same."""
        self._native_clock: dict[Role, bool] = {}
        """Found by the pilot."""

    @property
    def measured_requests(self) -> int:
        """Requests that a trial measures: in timed batches and in those timed singly."""
        return self.batch * (self._turns + self._turns // TAIL_EVERY)

    def pilot(self, rng: random.Random) -> Pair:
        """A short pair: shows whether the caches work at all, and fits the batch to their speed."""
        pair = self._run(self._timed(rng, quick=True), [])
        self._native_clock = {role: s.native_clock for role, s in zip(ROLES, pair.samples, strict=False)}
        own_bounds = [s.capacity for s in pair.samples if s.capacity not in (None, self.requests.capacity)]
        self._entries = min([self._entries, *own_bounds])
        if pair.values:
            slowest_ns = max(pair.values["operation_time"])
            self.batch = max(min(MIN_BATCH, self.batch), min(self.batch, int(BATCH_SECONDS * 1e9 / slowest_ns)))
        return pair

    def pair(self, rng: random.Random, *, timed: bool = True, memory: bool = True) -> Pair:
        """One pair: timed trials, filled caches to be weighed (bytes an entry), or both in one go."""
        return self._run(self._timed(rng, quick=False) if timed else [], self._weighed() if memory else [])

    def _timed(self, rng: random.Random, *, quick: bool) -> list[_Seat]:
        # The pilot has a process for each arm even in precise mode: so a crash has an owner.
        plan = self._plan("pairs" if quick else self._mode)
        if self._timed_pairs % NULL_EVERY == 0:
            plan.append(((self._null,), ()))
        self._timed_pairs += 1
        turns = draw_turns(rng, len(plan), _QUICK_TURNS if quick else self._turns)
        cpu = rng.choice(self._processors) if self._processors else None
        return [
            _Seat(
                roles=roles,
                job=Job(
                    kind="time",
                    specs=specs,
                    measured=(False,) * (len(specs) - max(1, len(roles))) + (True,) * max(1, len(roles)),
                    requests=self._file,
                    capacity=self.requests.capacity,
                    turns=turns,
                    batch=self.batch,
                    warm_batches=_QUICK_WARM_BATCHES if quick else self._warm_batches,
                    tail_every=TAIL_EVERY,
                    concurrency=self._concurrency,
                    needs=self.requests.needs,
                    native_clock=self._clocks(specs, roles),
                    # A null that filled would charge the fills to the harness.
                    look_aside=None if roles else False,
                    cpu=cpu,
                    limit_seconds=self._limit_seconds,
                ),
            )
            for specs, roles in plan
        ]

    def _plan(self, mode: Mode) -> list[tuple[tuple[Spec, ...], tuple[Role, ...]]]:
        """The specs and roles of each timed process."""
        baseline, candidate = self._arms
        if mode == "pairs":
            return [((baseline,), (Role.BASELINE,)), ((candidate,), (Role.CANDIDATE,))]
        # A decoy is filled first, because whoever is filled first is slower; then both orders.
        return [
            ((baseline, baseline, candidate), (Role.BASELINE, Role.CANDIDATE)),
            ((baseline, candidate, baseline), (Role.CANDIDATE, Role.BASELINE)),
        ]

    def _weighed(self) -> list[_Seat]:
        return [
            _Seat(
                roles=(role,),
                job=Job(
                    kind="memory",
                    specs=(spec,),
                    requests=self._file,
                    capacity=max(self.requests.capacity, ENTRIES),
                    entries=self._entries,
                    key_format=self.requests.key_format,
                    limit_seconds=self._limit_seconds,
                ),
            )
            for role, spec in zip(ROLES, self._arms, strict=True)
        ]

    def _clocks(self, specs: tuple[Spec, ...], roles: tuple[Role, ...]) -> tuple[bool | None, ...]:
        """What is known of the specs' clocks: the decoys, in front, and the null trial are not judged."""
        unjudged = len(specs) - len(roles)
        return (True,) * unjudged + tuple(self._native_clock.get(role) for role in roles)

    def _run(self, timed: list[_Seat], weighed: list[_Seat]) -> Pair:
        seats = [*timed, *weighed]
        turns = timed[0].job.turns if timed else ()
        try:
            trials = self._interpreters.run([seat.job.taking(turns) for seat in seats])
        except TrialDiedError as error:
            # Both arms share a process in precise mode: the candidate is the one under suspicion.
            roles = seats[error.member].roles or (Role.BASELINE,)
            role = Role.CANDIDATE if Role.CANDIDATE in roles else roles[0]
            return Pair(incidents=(_crash(role, error),))
        incidents = tuple(
            incident
            for seat, trial in zip(seats, trials, strict=True)
            for role, sample in _measured(seat, trial)
            for incident in incidents_of(role, sample)
        )
        for seat, trial in zip(seats, trials, strict=True):
            if trial is not None and trial.gave_up and not incidents:
                # Of a decoy, which is the baseline once more.
                role = Role.BASELINE if Role.BASELINE in seat.roles else Role.CANDIDATE
                found_error = Incident(role=role, kind="error", count=1, operations=1, example=trial.gave_up)
                incidents = (found_error,)
        starts = tuple(trial.start_seconds for trial in trials[: len(timed)] if trial is not None)
        complete = [trial for trial in trials if trial is not None and trial.gave_up is None]
        if len(complete) < len(seats):
            return Pair(incidents=incidents, start_seconds=starts)
        found = self._read_timed(timed, complete[: len(timed)]) if timed else Pair()
        values = found.values | _read_weighed(complete[len(timed) :])
        return Pair(
            values=values,
            differences=found.differences,
            incidents=incidents,
            harness_ns=found.harness_ns,
            start_seconds=starts,
            samples=found.samples,
        )

    def _read_timed(self, seats: list[_Seat], trials: list[Trial]) -> Pair:
        of_role: dict[Role, list[ArmSample]] = {Role.BASELINE: [], Role.CANDIDATE: []}
        for seat, trial in zip(seats, trials, strict=True):
            for role, sample in _measured(seat, trial):
                of_role[role].append(sample)
            if not seat.roles:
                self._harness.append(measurements(trial.arms[0], self._concurrency))
        costs = {
            name: float(np.median([cost[name] for cost in self._harness])) for name in ("operation_time", "cpu_time")
        }
        found = {
            role: [measurements(sample, self._concurrency, costs) for sample in samples]
            for role, samples in of_role.items()
        }
        values: Values = {}
        for name in found[Role.BASELINE][0]:
            sides = [[process[name] for process in found[role] if name in process] for role in ROLES]
            if all(len(side) == len(found[Role.BASELINE]) for side in sides):
                values[name] = (middle(name, sides[0]), middle(name, sides[1]))
        turns = [
            [turn_times(sample, self._concurrency, costs["operation_time"]) for sample in of_role[role]]
            for role in ROLES
        ]
        by_process = [paired_log_ratio(*sides) for sides in zip(*turns, strict=True)]
        return Pair(
            values=values,
            differences={"operation_time": float(np.mean(by_process))},
            harness_ns=costs["operation_time"],
            samples=(of_role[Role.BASELINE][0], of_role[Role.CANDIDATE][0]),
        )


def _measured(seat: _Seat, trial: Trial | None) -> list[tuple[Role, ArmSample]]:
    """The measured arms of a timed trial; decoys come before them."""
    if trial is None or not trial.arms or not seat.roles:
        return []
    return list(zip(seat.roles, trial.arms[-len(seat.roles) :], strict=True))


def _read_weighed(trials: list[Trial]) -> Values:
    if not trials:
        return {}
    baseline, candidate = (max(FLOOR, trial.bytes_an_entry) for trial in trials)
    return {"memory": (baseline, candidate)}


def entries_to_weigh(requests: Requests) -> int:
    """The entries of a memory trial: `ENTRIES`, or as many as have `WEIGHED_BYTES`."""
    return max(1, min(ENTRIES, int(WEIGHED_BYTES / requests.size[:ENTRIES].mean())))


def draw_turns(rng: random.Random, members: int, rounds: int) -> tuple[int, ...]:
    """Whose turn it is: rounds in which each of the members has one, in an order drawn anew for each."""
    return tuple(member for _ in range(rounds) for member in rng.sample(range(members), members))


def _crash(role: Role, error: TrialDiedError) -> Incident:
    return Incident(role=role, kind="crash", count=1, operations=1, example=str(error))
