"""A contest: two arms on some workloads, made ready, tried out, and measured a pair at a time.

It measures and keeps count; it decides nothing. `session` asks it for pairs for as long as it wants them.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from harness.documents import ArmResult, SkippedResult, WorkloadResult
from harness.errors import UsageError
from harness.measure import workload as workloads
from harness.measure.bench import BATCH, BATCHES, Bench
from harness.measure.environment import Watch, processors
from harness.measure.generate import draw
from harness.measure.pairs import Incident, Pair
from harness.measure.ring import Interpreters
from harness.measure.trial import ArmSample, LacksCapabilityError, Mode
from harness.model import Arm, Notice, incident_notice

Say = Callable[[str], None]

MEMORY = "memory"
_REQUESTS = BATCH * BATCHES


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a contest is held."""

    workloads: tuple[str, ...]
    seed: int
    capacity: int | None = None
    """Overrides every workload's own."""
    concurrency: int = 1
    mode: Mode = "pairs"
    limit_seconds: float = 30.0
    """How long a cache may take for a turn before it counts as hung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An incident, and on which workload."""

    workload: str
    incident: Incident


class Contest:
    """Two arms on some workloads. A context manager: the files of requests live while it is open."""

    def __init__(self, baseline: Arm, candidate: Arm, options: Options, say: Say) -> None:
        self.arms = (baseline, candidate)
        self.options = options
        self.findings: list[Finding] = []
        self.skipped: list[SkippedResult] = []
        self.harness_ns: dict[str, list[float]] = {}
        self.start_seconds: list[float] = []
        self.benches: dict[str, Bench] = {}
        self.not_applicable: dict[str, frozenset[str]] = {}
        """By workload, the metrics that it cannot show."""
        self._say = say
        self._rng = random.Random(options.seed)
        self._interpreters = Interpreters(options.seed)
        self._samples: dict[str, tuple[ArmSample, ...]] = {}
        self._incidents: Counter[tuple[int, str]] = Counter()
        """By the arm's position and the name that its cache gives them."""
        self._began = time.monotonic()
        self._processors = processors()
        self.watch = Watch()

    def __enter__(self) -> Contest:
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cachegate-")))
            stack.enter_context(self._interpreters)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def elapsed_seconds(self) -> float:
        """Since the contest was made."""
        return time.monotonic() - self._began

    @property
    def pinned(self) -> bool:
        """Whether trials are held to a processor."""
        return bool(self._processors)

    def prepare(self) -> None:
        """Draw the requests, try both arms on each workload, and set aside what an arm cannot do.

        Stops at the first incident. Raises UsageError for a spec or workload that is wrong.
        """
        drawn = [draw(workloads.parse(name), _REQUESTS, self.options.capacity) for name in self._unique_names()]
        for number, requests in enumerate(drawn):
            if requests.measurable < BATCHES:
                raise UsageError(
                    f"workload {requests.name!r} leaves {requests.measurable} requests to measure; "
                    f"at least {BATCHES} are needed"
                )
            self._say(f"trying {self.arms[0].spec.text} and {self.arms[1].spec.text} on {requests.name}")
            file = self._folder / f"requests-{number}"
            requests.write(file)
            bench = Bench(
                requests,
                file,
                (self.arms[0].spec, self.arms[1].spec),
                self._interpreters,
                mode=self.options.mode,
                concurrency=self.options.concurrency,
                processors=self._processors,
                limit_seconds=self.options.limit_seconds,
            )
            try:
                pair = bench.pilot(self._rng)
            except LacksCapabilityError as error:
                self.skipped.append(SkippedResult(workload=requests.name, reason=str(error)))
                continue
            self.benches[requests.name] = bench
            self.not_applicable[requests.name] = frozenset({"hit_ratio"} - pair.values.keys())
            self._note(requests.name, pair)
            if self.findings:
                return

    def pair(self, name: str, *, timed: bool = True, memory: bool = True) -> Pair:
        """One pair on workload name: timed trials, filled caches, or both."""
        return self._note(name, self.benches[name].pair(self._rng, timed=timed, memory=memory))

    def arm_results(self) -> tuple[ArmResult, ...]:
        """Both arms as they were measured."""
        results = []
        for position, arm in enumerate(self.arms):
            samples = {name: samples[position] for name, samples in self._samples.items() if len(samples) > position}
            notes = dict.fromkeys(note for sample in samples.values() for note in sample.notes)
            capacities = {name: _entry_bound(sample) for name, sample in samples.items()}
            results.append(
                ArmResult(
                    role=arm.role.value,
                    spec=arm.spec.text,
                    target=arm.spec.target,
                    parameters=arm.spec.parameters,
                    capacities=capacities,
                    adapted=tuple(notes),
                    ttl_exercised=not any(sample.native_clock for sample in samples.values()),
                )
            )
        return tuple(results)

    def workload_results(self) -> tuple[WorkloadResult, ...]:
        """What was asked."""
        results = []
        for name, bench in self.benches.items():
            requests = bench.requests
            results.append(
                WorkloadResult(
                    name=name,
                    title=workloads.parse(name).title,
                    digest=requests.digest(),
                    capacity=requests.capacity,
                    preload=requests.preload,
                    warmup=requests.warmup,
                    requests=bench.measured_requests,
                    batch=bench.batch,
                    seconds=requests.seconds,
                    look_aside=requests.look_aside,
                    concurrency=self.options.concurrency,
                )
            )
        return tuple(results)

    def notices(self) -> list[Notice]:
        """What qualifies the result, from what the trials told."""
        found = [
            incident_notice(self.arms[position].spec.text, name, count)
            for (position, name), count in self._incidents.items()
        ]
        for arm in self.arm_results():
            if self._samples and not arm.ttl_exercised:
                found.append(
                    Notice(
                        message=f"{arm.spec}: ttl not exercised (its clock is not the event loop's)",
                        remedy="make it read the loop's time or time.monotonic to have expiry measured",
                    )
                )
            unbounded = [name for name, bound in arm.capacities.items() if bound is None]
            if unbounded:
                found.append(
                    Notice(
                        message=f"{arm.spec} takes no entry bound, so it kept all of {', '.join(unbounded)}",
                        remedy="give its factory a max_entries parameter to compare at one capacity",
                    )
                )
        return found

    def _note(self, name: str, pair: Pair) -> Pair:
        self.findings += [Finding(workload=name, incident=incident) for incident in pair.incidents]
        self.start_seconds += pair.start_seconds
        if pair.harness_ns is not None:
            self.harness_ns.setdefault(name, []).append(pair.harness_ns)
        if pair.samples:
            self._samples[name] = pair.samples
        for position, sample in enumerate(pair.samples):
            self._incidents.update({(position, what): count for what, count in sample.incidents.items()})
        self.watch.sample()
        return pair

    def median_harness_ns(self) -> dict[str, float]:
        """The harness's own cost an operation, by workload."""
        return {name: float(np.median(costs)) for name, costs in self.harness_ns.items()}

    def _unique_names(self) -> list[str]:
        return list(dict.fromkeys(self.options.workloads))


def _entry_bound(sample: ArmSample) -> int | None:
    return sample.capacity if isinstance(sample.capacity, int) else None
