"""Two caches over the wire: a fresh pair of hosts for every pair, asked turn by turn by the same users.

Turns of a quarter of a second cancel what the machine does meanwhile; fresh hosts draw hash seeds and memory anew.
Which of the two is asked first is drawn. Rule S decides from the pairs, as in `gate`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import NamedTuple

from harness.documents import CheckedResult, MetricResult
from harness.gate.judge import Decision, Judge, describe
from harness.gate.policy import (
    CPU_PER_REQUEST,
    LOAD_REPORTED,
    RESPONSE_P50,
    THROUGHPUT,
    Gated,
)
from harness.load import single
from harness.load.document import LoadArmResult, LoadPhaseResult
from harness.load.keys import Promise
from harness.load.single import Load, Outcome
from harness.model import CheckVerdict, Role
from harness.passwords import shown
from harness.stats.metric import Metric

Say = Callable[[str], None]

SATURATED_CORES = 0.85
"""Of a process, above which it is what limits a closed loop."""
LEAST_PAIR_SECONDS = 2.0
"""Under load, of each arm of a pair."""
MOST_PAIRS = 30


class Pair(NamedTuple):
    """A trial of each arm, baseline first."""

    arms: tuple[LoadArmResult, LoadArmResult]
    checks: tuple[list[CheckedResult], list[CheckedResult]]
    outcome: Outcome


class Duel:
    """Pairs until they decide, or so many. load.seconds are those of each arm, of all pairs together."""

    def __init__(
        self, load: Load, texts: tuple[str, str], gated: tuple[Gated, ...], promise: Promise, pairs: int | None = None
    ) -> None:
        self.load = load
        self._texts = texts
        self.specs = (shown(texts[0]), shown(texts[1]))
        """As people may read them."""
        self._promise = promise
        self.pairs: list[Pair] = []
        self.most = pairs or max(1, min(MOST_PAIRS, int(load.seconds / LEAST_PAIR_SECONDS)))
        self._all = pairs is not None
        self._gated = gated
        self._rng = random.Random(load.seed)

    def play(self, say: Say) -> None:
        """Pair after pair, until all is decided, an arm breaks a law, or there have been enough."""
        each = replace(self.load, seconds=2 * max(LEAST_PAIR_SECONDS, self.load.seconds / self.most))
        while len(self.pairs) < self.most:
            number = len(self.pairs) + 1
            pair = self._pair(each, lambda line, number=number: say(f"pair {number}: {line}"))  # type: ignore[misc]  # mypy sees no default
            self.pairs.append(pair)
            if self.guilty(Role.BASELINE) or self.guilty(Role.CANDIDATE):
                return
            if not self._all and self.decision() is not Decision.OPEN:
                return

    def decision(self) -> Decision:
        """Where it stands, on the metrics that say anything here."""
        return self._judged().decision()

    def metrics(self) -> list[MetricResult]:
        """Those that decide."""
        return [judge.result() for judge in self._judged().metrics]

    def reported(self) -> list[MetricResult]:
        """Those that are shown."""
        metrics = [THROUGHPUT, *LOAD_REPORTED] if self.driver_limited else [*LOAD_REPORTED]
        found = []
        for metric in metrics:
            pairs = [values for pair in self.pairs if (values := _values(pair, metric))]
            if pairs:
                baselines, candidates = zip(*pairs, strict=True)
                differences = [metric.difference(*values) for values in pairs]
                found.append(describe(metric, self.load.workload, baselines, candidates, differences))
        return found

    @property
    def driver_limited(self) -> bool:
        """Whether a closed loop waited for the driver: its rate then says nothing of the hosts.

        Where neither was busy, users waited for the caches, and the rate is theirs.
        """
        closed = [phase for pair in self.pairs for arm in pair.arms for phase in arm.phases if phase.pace == "closed"]
        hosts = [phase.host_cpu for phase in closed if phase.host_cpu is not None]
        drivers = [phase.driver_cpu for phase in closed if phase.driver_cpu is not None]
        if not hosts or not drivers:
            return True
        return median(hosts) < SATURATED_CORES <= median(drivers)

    def guilty(self, role: Role) -> CheckedResult | None:
        """The first law or condition that an arm broke."""
        place = list(Role).index(role)
        for pair in self.pairs:
            for check in pair.checks[place]:
                if check.verdict is CheckVerdict.FAIL:
                    return check
        return None

    def checks(self) -> list[CheckedResult]:
        """Each law and condition of each arm, with the worst that any pair showed."""
        found = []
        order = list(CheckVerdict)
        for place, spec in enumerate(self.specs):
            by_id: dict[str, list[CheckedResult]] = {}
            for pair in self.pairs:
                for check in pair.checks[place]:
                    by_id.setdefault(check.id, []).append(check)
            for results in by_id.values():
                worst = max(results, key=lambda check: order.index(check.verdict))
                role = list(Role)[place].value
                told = f"in each of {len(results)} pairs"
                if worst.verdict is not CheckVerdict.PASS:
                    told = f"{role} {spec}: {worst.summary}"
                found.append(worst.model_copy(update={"summary": told}))
        return found

    def _judged(self) -> Judge:
        """The judge of what decides: throughput only where it is not the driver's."""
        rows = [row for row in self._gated if row.metric is not THROUGHPUT or not self.driver_limited]
        judge = Judge(rows, [(self.load.workload, frozenset())])
        for pair in self.pairs:
            values = {row.metric.name: found for row in rows if (found := _values(pair, row.metric))}
            judge.add(self.load.workload, values, {})
        return judge

    def _pair(self, load: Load, say: Say) -> Pair:
        order = [0, 1] if self._rng.random() < 0.5 else [1, 0]
        load = replace(load, seed=self._rng.randrange(2**31))
        outcome = single.run(load, [self._texts[place] for place in order], say, self._promise)
        roles = list(Role)
        arms = [single.arm(outcome, load, order.index(place), roles[place].value) for place in (0, 1)]
        checks = [single.checks(outcome, load, order.index(place), arms[place]) for place in (0, 1)]
        return Pair((arms[0], arms[1]), (checks[0], checks[1]), outcome)


def _values(pair: Pair, metric: Metric) -> tuple[float, float] | None:
    baseline, candidate = (_value(arm, metric) for arm in pair.arms)
    return None if not baseline or not candidate else (baseline, candidate)


def _value(arm: LoadArmResult, metric: Metric) -> float | None:
    if metric is CPU_PER_REQUEST:
        return None if arm.cpu_per_request is None else 1e9 * arm.cpu_per_request
    closed = _phase(arm, "closed")
    if metric is THROUGHPUT:
        return closed.rate if closed else None
    half = _phase(arm, "half")
    if half is None or half.latency is None:
        return None
    times = half.latency.response
    return 1e9 * (times.p50 if metric is RESPONSE_P50 else times.p99)


def _phase(arm: LoadArmResult, pace: str) -> LoadPhaseResult | None:
    return next((phase for phase in arm.phases if phase.pace == pace), None)
