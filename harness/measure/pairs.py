"""Pairs: one trial of each arm, side by side, as the metrics' values.

`Bench` holds one workload on two arms and makes a pair when asked. The order of turns, the hash seed and the
processor of each pair come from the run's seed. A `null` trial takes turns in every pair; what it costs an
operation is the harness's own cost, and is taken off both arms.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cache_impls.registry import Spec, parse
from harness.measure.requests import Requests
from harness.measure.ring import TrialDiedError, run_ring
from harness.measure.trial import ArmSample, Job, Trial
from harness.model import Role
from harness.stats.paired import paired_log_ratio

WARM_BATCHES = 15
TURNS = 80
TAIL_EVERY = 4
BATCHES = WARM_BATCHES + 2 * TURNS + TURNS // TAIL_EVERY
"""All batches of a trial: warm-up, then to warm and to time each turn, and timed singly."""
BATCH = 250
"""Requests a batch, unless the caches are so slow that a batch would take longer than `BATCH_SECONDS`."""
BATCH_SECONDS = 0.005
MIN_BATCH = 20
ENTRIES = 20_000
"""Entries in a memory trial, whatever the workload's capacity. With 2,048 small ones the memory that a fresh
interpreter already holds for reuse hid a third of the bytes an entry; with 20,000 it is a few in a hundred."""

NULL_EVERY = 4
"""Pairs between two `null` trials. What the harness costs hardly changes (within 2 % here), and a third process
slows the start of the other two."""

_FLOOR = 1.0
"""Least value of a time (ns) or size (B): a ratio needs a positive number, and less is below what shows."""

_QUICK_WARM_BATCHES = 2
_QUICK_TURNS = 4

Mode = Literal["pairs", "precise"]
IncidentKind = Literal["wrong answer", "error", "counter", "crash"]
Values = dict[str, tuple[float, float]]
"""By metric: the baseline's value and the candidate's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An error, a wrong answer, a disagreeing counter or a crash of one arm."""

    role: Role
    kind: IncidentKind
    count: int
    operations: int
    """Out of how many."""
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What one pair of trials showed; values only where both arms gave one."""

    values: Values = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    """Where the pair shows more than its two values: how much worse the candidate was, turn by turn."""
    incidents: tuple[Incident, ...] = ()
    harness_ns: float | None = None
    start_seconds: tuple[float, ...] = ()
    samples: tuple[ArmSample, ...] = ()
    """One of the baseline, one of the candidate."""


class Bench:
    """One workload on two arms. `requests_file` holds the written requests."""

    def __init__(
        self,
        requests: Requests,
        requests_file: Path,
        baseline: Spec,
        candidate: Spec,
        *,
        mode: Mode = "pairs",
        concurrency: int = 1,
        processors: list[int] | None = None,
        limit_seconds: float = 30.0,
    ) -> None:
        self.requests = requests
        self.batch = min(BATCH, requests.measurable // BATCHES)
        self._file = requests_file
        self._specs = (baseline, candidate)
        self._null = parse("null")
        self._mode = mode
        self._concurrency = concurrency
        self._processors = processors or []
        self._limit_seconds = limit_seconds
        self._harness: list[dict[str, float]] = []
        """What the null trials have shown so far."""
        self._pairs = 0
        self._native_clock: dict[Role, bool] = {}
        """Found by the pilot."""

    @property
    def measured_requests(self) -> int:
        """Requests that a trial measures: in timed batches and in those timed singly."""
        return self.batch * (TURNS + TURNS // TAIL_EVERY)

    def pilot(self, rng: random.Random) -> Pair:
        """A short pair: shows whether the caches work at all, and fits the batch to their speed."""
        pair = self._pair(rng, quick=True)
        self._native_clock = {role: s.native_clock for role, s in zip(_ROLES, pair.samples, strict=False)}
        if pair.values:
            slowest_ns = max(pair.values["operation_time"])
            self.batch = max(MIN_BATCH, min(self.batch, int(BATCH_SECONDS * 1e9 / slowest_ns)))
        return pair

    def time_pair(self, rng: random.Random) -> Pair:
        """One pair of timed trials."""
        return self._pair(rng, quick=False)

    def memory_pair(self, rng: random.Random) -> Pair:
        """One pair of filled caches, weighed: bytes an entry."""
        hash_seed = _hash_seed(rng)
        jobs = [
            Job(
                kind="memory",
                specs=(spec,),
                requests=self._file,
                capacity=max(self.requests.capacity, ENTRIES),
                hash_seed=hash_seed,
                entries=ENTRIES,
                key_format=self.requests.key_format,
                limit_seconds=self._limit_seconds,
            )
            for spec in self._specs
        ]
        try:
            baseline, candidate = run_ring(jobs)
        except TrialDiedError as error:
            return Pair(incidents=(_crash(_ROLES[error.member], error),))
        if baseline is None or candidate is None:
            return Pair()
        sizes = [max(_FLOOR, (t.filled_bytes - t.empty_bytes) / ENTRIES) for t in (baseline, candidate)]
        return Pair(values={"memory": (sizes[0], sizes[1])})

    def _pair(self, rng: random.Random, *, quick: bool) -> Pair:
        members = self._members()
        if self._pairs % NULL_EVERY == 0:
            members.append(((self._null,), (True,), ()))
        self._pairs += 1
        hash_seed = _hash_seed(rng)
        turns = draw_turns(rng, len(members), _QUICK_TURNS if quick else TURNS)
        cpu = rng.choice(self._processors) if self._processors else None
        jobs = [
            Job(
                kind="time",
                specs=specs,
                measured=measured,
                requests=self._file,
                capacity=self.requests.capacity,
                hash_seed=hash_seed,
                turns=turns,
                batch=self.batch,
                concurrency=self._concurrency,
                needs=self.requests.needs,
                native_clock=self._clocks(specs, roles),
                # A null that filled would charge the fills to the harness.
                look_aside=None if roles else False,
                cpu=cpu,
                limit_seconds=self._limit_seconds,
                warm_batches=_QUICK_WARM_BATCHES if quick else WARM_BATCHES,
                tail_every=TAIL_EVERY,
            )
            for specs, measured, roles in members
        ]
        try:
            trials = run_ring(jobs)
        except TrialDiedError as error:
            roles = members[error.member][2] or (Role.BASELINE,)
            # Both arms share a process in precise mode: the candidate is the one under suspicion.
            return Pair(incidents=(_crash(roles[-1], error),))
        return self._read(trials, [roles for _, _, roles in members])

    def _members(self) -> list[tuple[tuple[Spec, ...], tuple[bool, ...], tuple[Role, ...]]]:
        """The processes of a pair: specs, which are measured, and whose they are."""
        baseline, candidate = self._specs
        if self._mode == "pairs":
            return [
                ((baseline,), (True,), (Role.BASELINE,)),
                ((candidate,), (True,), (Role.CANDIDATE,)),
            ]
        # A decoy is filled first, because whoever is filled first is slower; then both orders.
        measured = (False, True, True)
        return [
            ((baseline, baseline, candidate), measured, (Role.BASELINE, Role.CANDIDATE)),
            ((baseline, candidate, baseline), measured, (Role.CANDIDATE, Role.BASELINE)),
        ]

    def _clocks(self, specs: tuple[Spec, ...], roles: tuple[Role, ...]) -> tuple[bool | None, ...]:
        """What is known of the specs' clocks: the decoys, in front, and the null trial are not judged."""
        unjudged = len(specs) - len(roles)
        return (True,) * unjudged + tuple(self._native_clock.get(role) for role in roles)

    def _read(self, trials: list[Trial | None], roles: list[tuple[Role, ...]]) -> Pair:
        of_role: dict[Role, list[ArmSample]] = {Role.BASELINE: [], Role.CANDIDATE: []}
        incidents: list[Incident] = []
        for trial, members in zip(trials, roles, strict=True):
            if trial is None:
                continue
            for role, sample in zip(members, trial.arms[-len(members) :] if members else (), strict=True):
                of_role[role].append(sample)
                incidents += _incidents(role, sample)
        starts = tuple(trial.start_seconds for trial in trials if trial is not None)
        if any(trial is None or trial.gave_up for trial in trials):
            return Pair(incidents=tuple(incidents), start_seconds=starts)
        self._harness += [
            measurements(trial.arms[0], self._concurrency)
            for trial, members in zip(trials, roles, strict=True)
            if trial is not None and not members
        ]
        costs = {
            name: float(np.median([cost[name] for cost in self._harness])) for name in ("operation_time", "cpu_time")
        }
        values: Values = {}
        per_role = {
            role: [measurements(sample, self._concurrency, costs) for sample in samples]
            for role, samples in of_role.items()
        }
        for name in per_role[Role.BASELINE][0]:
            sides = [[found[name] for found in per_role[role] if name in found] for role in _ROLES]
            if all(len(side) == len(per_role[Role.BASELINE]) for side in sides):
                values[name] = (_middle(name, sides[0]), _middle(name, sides[1]))
        turns = [
            [turn_times(sample, self._concurrency, costs["operation_time"]) for sample in of_role[role]]
            for role in _ROLES
        ]
        by_turn = [paired_log_ratio(*sides) for sides in zip(*turns, strict=True)]
        return Pair(
            values=values,
            differences={"operation_time": float(np.mean(by_turn))},
            incidents=tuple(incidents),
            harness_ns=costs["operation_time"],
            start_seconds=starts,
            samples=(of_role[Role.BASELINE][0], of_role[Role.CANDIDATE][0]),
        )


_ROLES = (Role.BASELINE, Role.CANDIDATE)


def draw_turns(rng: random.Random, members: int, rounds: int) -> tuple[int, ...]:
    """Whose turn it is: rounds in which each of the members has one, in an order drawn anew for each."""
    return tuple(member for _ in range(rounds) for member in rng.sample(range(members), members))


def turn_times(sample: ArmSample, concurrency: int, harness_ns: float = 0.0) -> NDArray[np.float64]:
    """Nanoseconds an operation of each turn, net of harness_ns.

    With one client, look-aside fills are timed apart; several clients' fills overlap with operations and stay in.
    """
    batch_ns = sample.batch_ns - sample.fill_ns if concurrency == 1 else sample.batch_ns
    turns = batch_ns / sample.batch - harness_ns
    return np.asarray(np.maximum(turns, _FLOOR), dtype=np.float64)


def measurements(sample: ArmSample, concurrency: int, harness: dict[str, float] | None = None) -> dict[str, float]:
    """The metrics of one trial: nanoseconds an operation net of harness, and ratios.

    A metric that the trial cannot show (no gets, no fills) is left out.
    """
    costs = harness or {}
    turns = turn_times(sample, concurrency, costs.get("operation_time", 0.0))
    operations = sample.batch * len(sample.batch_cpu_ns)
    found = {
        "operation_time": float(np.median(turns)),
        "cpu_time": float(sample.batch_cpu_ns.sum()) / operations - costs.get("cpu_time", 0.0),
        "tail": float(np.quantile(sample.operation_ns, 0.99)),
        "mean_time": float(turns.mean()),
        "best_time": float(np.quantile(turns, 0.1)),
        "p999": float(np.quantile(sample.operation_ns, 0.999)),
    }
    found = {name: max(_FLOOR, value) for name, value in found.items()}
    if sample.measured_fills and concurrency == 1:
        found["fill_time"] = float(sample.fill_ns.sum()) / sample.measured_fills
    if sample.measured_gets:
        found["hit_ratio"] = sample.measured_hits / sample.measured_gets
    return found


def _middle(name: str, values: list[float]) -> float:
    """The mean of several processes of one pair: geometric, as their ratio is what counts."""
    if len(values) == 1 or name == "hit_ratio":
        return float(np.mean(values))
    return float(np.exp(np.mean(np.log(values))))


def _incidents(role: Role, sample: ArmSample) -> list[Incident]:
    counts = sample.counts
    operations = counts["gets"] + counts["sets"] + counts["fills"] + counts["errors"]
    kinds: tuple[tuple[IncidentKind, int, tuple[str, ...]], ...] = (
        ("wrong answer", sample.wrong, sample.wrong_examples),
        ("error", counts["errors"], sample.errors),
        ("counter", len(sample.disagreements), sample.disagreements),
    )
    return [
        Incident(role=role, kind=kind, count=count, operations=operations, example=examples[0])
        for kind, count, examples in kinds
        if count
    ]


def _crash(role: Role, error: TrialDiedError) -> Incident:
    return Incident(role=role, kind="crash", count=1, operations=1, example=str(error))


def _hash_seed(rng: random.Random) -> int:
    return rng.randrange(1, 2**32)
