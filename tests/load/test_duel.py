"""Two caches: what pairs decide, from arms made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from arms import arm

from harness.documents import CheckedResult
from harness.gate.judge import Decision
from harness.gate.policy import LOAD_GATED
from harness.load.duel import Duel, Pair
from harness.load.plan import scenario
from harness.load.single import Load
from harness.model import CheckVerdict, Role, Verdict
from harness.session_load import _verdict_of_two


def check(verdict: CheckVerdict) -> list[CheckedResult]:
    return [CheckedResult(id="C1", kind="law", title="fresh", verdict=verdict, summary="so it was")]


class Played(Duel):
    """A duel whose pairs are given."""

    def __init__(self, make: Callable[[int], Pair], pairs: int | None = None) -> None:
        load = Load(scenario=scenario("stress"), workload="ycsb-b", users=10, seconds=60, rate=0, seed=1)
        super().__init__(load, ("old", "new"), LOAD_GATED, lambda _keys, _seconds: lambda: None, pairs)
        self._make = make
        self.play(lambda _: None)

    def _pair(self, _load: Any, _say: Any) -> Pair:
        return self._make(len(self.pairs))


def pairs(
    ratio: float, *, throughput: float = 1.0, cores: float = 0.95, driver: float = 0.9, cpu: float | None = 2e-5,
    bad: tuple[CheckVerdict, CheckVerdict] = (CheckVerdict.PASS, CheckVerdict.PASS),
) -> Callable[[int], Pair]:  # fmt: skip
    """A candidate whose cpu a request is so many times the baseline's, a little more or less in each pair."""

    def make(number: int) -> Pair:
        noise = 1 + 0.01 * (number % 3 - 1)
        arms = (
            arm("baseline", cpu, 50_000, cores, driver),
            arm("candidate", None if cpu is None else cpu * ratio * noise, 50_000 * throughput * noise, cores, driver),
        )
        return Pair(arms, (check(bad[0]), check(bad[1])), None)  # type: ignore[arg-type]  # nobody looks at it

    return make


@pytest.mark.parametrize(
    ("make", "decision", "verdict"),
    [
        (pairs(1.0), Decision.PASSED, Verdict.PROCEED),
        (pairs(1.2), Decision.FAILED, Verdict.ROLLBACK),
        (pairs(1.0, throughput=0.8), Decision.FAILED, Verdict.ROLLBACK),
        (pairs(1.05), Decision.OPEN, Verdict.INCONCLUSIVE),
        (pairs(1.0, cpu=None, cores=0.1), Decision.OPEN, Verdict.INCONCLUSIVE),
    ],
)
def test_pairs_decide(make: Callable[[int], Pair], decision: Decision, verdict: Verdict) -> None:
    """By processor time a request and throughput; at the margin, and of servers that tell neither, nothing."""
    duel = Played(make)
    assert duel.decision() is decision
    assert _verdict_of_two(duel)[0] is verdict


def test_throughput_of_the_driver_decides_nothing() -> None:
    """Where the hosts had time to spare it is not theirs: shown, not judged."""
    duel = Played(pairs(1.0, throughput=0.8, cores=0.5))
    assert duel.decision() is Decision.PASSED
    assert [metric.name for metric in duel.metrics()] == ["cpu_per_request"]
    assert "throughput" in [metric.name for metric in duel.reported()]


def test_a_cache_that_waits_is_slow() -> None:
    """Neither host nor driver was busy: it is the cache that users waited for."""
    assert Played(pairs(1.0, throughput=0.8, cores=0.1, driver=0.1)).decision() is Decision.FAILED


def test_a_lie_ends_it() -> None:
    """At the first pair: of the candidate a ROLLBACK, of the baseline nothing to compare with."""
    liar, honest = CheckVerdict.FAIL, CheckVerdict.PASS
    duel = Played(pairs(1.0, bad=(honest, liar)))
    assert len(duel.pairs) == 1
    assert duel.guilty(Role.CANDIDATE) is not None
    assert _verdict_of_two(duel)[0] is Verdict.ROLLBACK
    verdict, why = _verdict_of_two(Played(pairs(1.0, bad=(liar, honest))))
    assert (verdict, "nothing to compare with" in why) == (Verdict.INCONCLUSIVE, True)


def test_a_stored_result_has_all_its_pairs() -> None:
    """Decided or not: `compare` needs them."""
    assert len(Played(pairs(1.2), pairs=20).pairs) == 20
    assert len(Played(pairs(1.2)).pairs) < 20


def test_the_worst_of_all_pairs_is_told() -> None:
    """A law that could not be judged once is not kept."""
    duel = Played(pairs(1.0, bad=(CheckVerdict.PASS, CheckVerdict.UNKNOWN)))
    assert [found.verdict for found in duel.checks()] == [CheckVerdict.PASS, CheckVerdict.UNKNOWN]
    verdict, why = _verdict_of_two(duel)
    assert (verdict, "C1" in why) == (Verdict.INCONCLUSIVE, True)
