"""A block: some settings of one cache side by side in one fresh interpreter, a fork each, taking short turns.

All share a hash seed and a memory layout, both drawn anew for the next block, and each round of turns has an order
of its own, so what differs within a block differs by the settings. Values of different blocks are not comparable;
differences within blocks are. As in `bench` the harness's own cost, from `null` trials, is taken off all.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cache_impls.registry import Spec, parse
from harness.errors import HarnessError
from harness.measure.bench import (
    BATCH,
    BATCH_SECONDS,
    CROWD,
    ENTRIES,
    MIN_BATCH,
    NULL_EVERY,
    TAIL_EVERY,
    draw_turns,
)
from harness.measure.pairs import FLOOR, Incident, incidents_of, measurements, turn_times
from harness.measure.requests import Requests
from harness.measure.ring import Interpreters, TrialDiedError
from harness.measure.trial import ArmSample, Job, Trial
from harness.model import Role
from harness.stats.paired import side_by_side

MAX_SETTINGS = 60
"""In one block: with the null trial as many as `child.MAX_FDS` has room for."""
TURNS = 80
"""Of each of many settings. Who wins is told by the signs of a dozen blocks, so blocks have to be short; but getting
ready costs a trial as much as 50 turns. Of 16 settings 40 turns took 1.6 to 2 s a block and left a difference a spread
of 0.8 to 1.3 %, 160 turns 3.7 to 4.5 s and 0.5 to 0.9 % (two runs, other work beside them)."""
PAIR_TURNS = 160
"""Of two settings, where the size of a difference is wanted: its spread squared times the seconds of a block was, with
40, 80, 160 and 240 turns, 0.25, 0.10, 0.07 and 0.06."""
WARM_SHARE = 0.19
"""Batches to warm up, for each turn: as in `bench`."""
BATCHES = int(PAIR_TURNS * (2 + WARM_SHARE)) + PAIR_TURNS // TAIL_EVERY
"""All batches of a trial, at most."""

_QUICK_WARM_BATCHES = 2
_QUICK_TURNS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An incident of one setting."""

    setting: int
    incident: Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What a block showed. Columns have a row a member; a block that trouble ended has none."""

    members: tuple[int, ...]
    values: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """By metric: ns, bytes or a ratio, of each member."""
    logs: tuple[float, ...] = ()
    """How far each member's operation time lies above the middle of the block, as a logarithm, turn by turn."""
    troubles: tuple[Trouble, ...] = ()
    samples: dict[int, ArmSample] = field(default_factory=dict)
    start_seconds: tuple[float, ...] = ()


class Blocks:
    """One workload on several settings. requests_file holds the written requests."""

    def __init__(
        self,
        requests: Requests,
        requests_file: Path,
        settings: Sequence[Spec],
        interpreters: Interpreters,
        *,
        concurrency: int = 1,
        processors: list[int] | None = None,
        limit_seconds: float = 30.0,
        turns: int = TURNS,
    ) -> None:
        longer = 1 if concurrency == 1 else CROWD
        self.requests = requests
        self.batch = min(BATCH, requests.measurable // BATCHES) * longer
        self._longer = longer
        self._turns = turns
        self._file = requests_file
        self._settings = settings
        self._interpreters = interpreters
        self._null = parse("null")
        self._concurrency = concurrency
        self._processors = processors or []
        self._limit_seconds = limit_seconds
        self._harness: list[dict[str, float]] = []
        self._timed = 0
        self.entries = ENTRIES
        """Of which a filled cache is weighed; fewer if a setting has a smaller bound, so that all hold the same."""
        self._native_clock: dict[int, bool] = {}

    @property
    def measured_requests(self) -> int:
        """Requests that a trial of many settings measures: in timed batches and in those timed singly."""
        turns = self._turns // self._longer
        return self.batch * (turns + turns // TAIL_EVERY)

    @property
    def harness_ns(self) -> float | None:
        """The harness's own cost an operation; None before the first null trial."""
        return self._costs()["operation_time"] if self._harness else None

    def pilot(self, rng: random.Random, members: Sequence[int]) -> Block:
        """A short block: shows whether the settings work at all, and fits the batch to their speed."""
        block = self._time(rng, members, quick=True)
        self._native_clock |= {i: sample.native_clock for i, sample in block.samples.items()}
        bounds = [sample.capacity for sample in block.samples.values()]
        self.entries = min([ENTRIES, *(b for b in bounds if isinstance(b, int) and b != self.requests.capacity)])
        if block.values:
            slowest_ns = max(block.values["operation_time"])
            self.batch = max(min(MIN_BATCH, self.batch), min(self.batch, int(BATCH_SECONDS * 1e9 / slowest_ns)))
        return block

    def block(self, rng: random.Random, members: Sequence[int]) -> Block:
        """One block of timed trials. Raises UsageError and LacksCapabilityError as `Interpreters.run`."""
        return self._time(rng, members, quick=False)

    def weigh(self, members: Sequence[int]) -> Block:
        """One block of filled caches: bytes an entry."""
        jobs = [
            Job(
                kind="memory",
                specs=(self._settings[i],),
                requests=self._file,
                capacity=max(self.requests.capacity, ENTRIES),
                entries=self.entries,
                key_format=self.requests.key_format,
                limit_seconds=self._limit_seconds,
            )
            for i in members
        ]
        trials = self._run(jobs, members)
        if isinstance(trials, Block):
            return trials
        weights = tuple(max(FLOOR, trial.bytes_an_entry) for trial in trials)
        return Block(members=tuple(members), values={"memory": weights})

    def _time(self, rng: random.Random, members: Sequence[int], *, quick: bool) -> Block:
        with_null = not self._harness or self._timed % NULL_EVERY == 0
        self._timed += 1
        rounds = _QUICK_TURNS if quick else (self._turns if len(members) > 2 else PAIR_TURNS) // self._longer
        turns = draw_turns(rng, len(members) + with_null, rounds)
        cpu = rng.choice(self._processors) if self._processors else None

        def job(spec: Spec, *, native_clock: bool | None, look_aside: bool | None) -> Job:
            return Job(
                kind="time",
                specs=(spec,),
                requests=self._file,
                capacity=self.requests.capacity,
                turns=turns,
                batch=self.batch,
                warm_batches=_QUICK_WARM_BATCHES if quick else int(WARM_SHARE * rounds),
                tail_every=TAIL_EVERY,
                concurrency=self._concurrency,
                needs=self.requests.needs,
                native_clock=(native_clock,),
                look_aside=look_aside,
                cpu=cpu,
                limit_seconds=self._limit_seconds,
            )

        jobs = [job(self._settings[i], native_clock=self._native_clock.get(i), look_aside=None) for i in members]
        if with_null:
            # A null that filled would charge the fills to the harness.
            jobs.append(job(self._null, native_clock=True, look_aside=False))
        trials = self._run(jobs, members)
        return trials if isinstance(trials, Block) else self._read(members, trials)

    def _run(self, jobs: list[Job], members: Sequence[int]) -> list[Trial] | Block:
        """All trials, or the block without values that trouble made of them."""
        try:
            trials = self._interpreters.run(jobs)
        except TrialDiedError as error:
            if error.member >= len(members):
                raise HarnessError(f"the null trial {error}") from error
            crash = Incident(role=Role.CANDIDATE, kind="crash", count=1, operations=1, example=str(error))
            return Block(members=tuple(members), troubles=(Trouble(setting=members[error.member], incident=crash),))
        complete = [trial for trial in trials if trial is not None and trial.gave_up is None]
        if len(complete) == len(jobs):
            return complete
        return Block(members=tuple(members), troubles=tuple(_troubles(zip(members, trials, strict=False))))

    def _read(self, members: Sequence[int], trials: list[Trial]) -> Block:
        samples = {i: trial.arms[0] for i, trial in zip(members, trials, strict=False)}
        self._harness += [measurements(trial.arms[0], self._concurrency) for trial in trials[len(members) :]]
        costs = self._costs()
        found = [measurements(sample, self._concurrency, costs) for sample in samples.values()]
        shared = [name for name in found[0] if all(name in values for values in found)]
        turns = [turn_times(sample, self._concurrency, costs["operation_time"]) for sample in samples.values()]
        return Block(
            members=tuple(members),
            values={name: tuple(values[name] for values in found) for name in shared},
            logs=tuple(float(value) for value in side_by_side(np.array(turns))),
            troubles=tuple(_troubles(zip(members, trials, strict=False))),
            samples=samples,
            start_seconds=tuple(trial.start_seconds for trial in trials),
        )

    def _costs(self) -> dict[str, float]:
        return {
            name: float(np.median([cost[name] for cost in self._harness])) for name in ("operation_time", "cpu_time")
        }


def _troubles(trials: Iterable[tuple[int, Trial | None]]) -> Iterable[Trouble]:
    for setting, trial in trials:
        if trial is None or not trial.arms:
            continue
        found = incidents_of(Role.CANDIDATE, trial.arms[0])
        if trial.gave_up is not None and not found:
            found = [Incident(role=Role.CANDIDATE, kind="error", count=1, operations=1, example=trial.gave_up)]
        yield from (Trouble(setting=setting, incident=incident) for incident in found)
