"""Exploration: finds what is there, shrinks it, accuses nobody without a fault, and is the same for a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from conftest import VirtualTime

from cache_impls.registry import parse
from harness.check import watchdog
from harness.check.checkers import CHECKERS, expiry
from harness.check.explore import BlockedScheduleError, Builds, Explorer
from harness.check.spacetime import diagram
from harness.history import NO_TTL
from harness.simulate.schedule import Profile, Schedule

Explore = Callable[..., Explorer]


@pytest.fixture
def explore(virtual_time: VirtualTime) -> Explore:
    """An explorer of a spec, in this process."""

    def make(spec: str, seed: int = 1, default_ttl: float | None = 300) -> Explorer:
        default_ttl_ns = NO_TTL if default_ttl is None else round(default_ttl * 1e9)
        return Explorer(Builds(parse(spec)), virtual_time.clock, seed=seed, default_ttl_ns=default_ttl_ns)

    return make


FINDS = {
    "tests/zoo/broken.py:AnswersStale": ("C1", 3),
    "tests/zoo/broken.py:NeverExpires": ("C2", 3),
    "tests/zoo/faults/expiry.py:GhostTimerAfterClear": ("C3", 6),
    "tests/zoo/faults/tiers.py:ReadRepairRace": ("C4", 6),
    "tests/zoo/faults/races.py:ConnectionDesync": ("C5", 6),
    "tests/zoo/faults/races.py:DropsSameTick": ("C6", 4),
    "tests/zoo/faults/loading.py:Stampede": ("C7", 4),
    "tests/zoo/faults/migrations.py:UnlockedWrites": ("C8", 6),
    "tests/zoo/faults/lifecycle.py:SweeperLeft": ("C10", 2),
    "tests/zoo/faults/counters.py:ExpiredMissUncounted": ("C11", 6),
    "tests/zoo/faults/races.py:LockLeaked": ("C0", 6),
}


@pytest.mark.parametrize("spec", FINDS)
def test_finds_and_shrinks(explore: Explore, spec: str) -> None:
    """Within some bulks, down to a history that a person can read, which shows the fault each time it is played."""
    check, most = FINDS[spec]
    explorer = explore(spec, default_ttl=None if "migrations" in spec else 300)
    for _ in range(40):
        found = {violation.check: violation for violation in explorer.bulk()}
        if check in found:
            break
    violation = found[check]
    assert violation.schedule.operations <= most
    checker = next(checker for checker in CHECKERS if check == checker.ID)
    for _ in range(3):
        played, findings, history = explorer.replay(checker, Schedule.from_json(violation.schedule.to_json()))
        assert findings
        assert diagram(history, len(violation.schedule.clients), played.oddities, played.raised)


UNUSUAL = [
    f"tests/zoo/unusual.py:{name}"
    for name in (
        "ManySweepersCache",
        "WrappingLoaderCache",
        "UnheardLoadCache",
        "QuietDeleteCache",
        "KeywordLoadCache",
        "LoadWithoutTtlCache",
        "UnseededEvictionCache",
        "ForgottenFlightsCache",
        "DoorkeeperCache",
        "SmallByDefaultCache",
    )
]


@pytest.mark.parametrize("spec", ["improved", "improved?num_shards=1", "tests/zoo/plain.py:PlainCache", *UNUSUAL])
def test_accuses_nobody_without_a_fault(explore: Explore, spec: str) -> None:
    """A thousand schedules of each, in which all kinds of trouble happen."""
    explorer = explore(spec)
    for _ in range(4):
        assert explorer.bulk() == []
    assert explorer.tally.schedules == 1000
    assert explorer.tally.problems() == []
    assert set(explorer.shape.profiles) == set(Profile) - {Profile.ERRORS}


def test_a_seed_is_a_history(explore: Explore) -> None:
    """To the last row, choices included; another seed is another."""
    rows = []
    for seed in (1, 1, 2):
        explorer = explore("tests/zoo/suspending.py:TwoTierCache", seed)
        for number in range(60):
            explorer._play(explorer.schedule(number))
        rows.append(explorer._tape.take().rows)
    assert np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_what_is_declared_is_not_judged(explore: Explore) -> None:
    """Weak consistency takes a cache out of C1, C3 and C4, with the reason."""
    explorer = explore("tests/zoo/decoys.py:LaggingReplicaCache")
    assert {"C1", "C3", "C4"} <= set(explorer.skipped)
    assert "late" in explorer.skipped["C1"]
    assert "C6" not in explorer.skipped
    assert explorer.bulk() == []


def test_one_that_blocks_is_interrupted(explore: Explore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the schedule in which it did."""
    monkeypatch.setattr("harness.check.explore.limited", lambda: watchdog.limited(0.2))
    explorer = explore("tests/zoo/hostile.py:Blocks")
    with pytest.raises(BlockedScheduleError) as caught:
        explorer.bulk()
    assert caught.value.schedule.operations


def test_one_that_is_not_the_same_twice(explore: Explore) -> None:
    """A finding that does not come again is shown as it was, whole."""
    explorer = explore("tests/zoo/broken.py:ForgetsAtRandom")
    for _ in range(40):
        found = {violation.check: violation for violation in explorer.bulk()}
        if "C3" in found:
            break
    assert not found["C3"].again
    assert "misses what" in found["C3"].message
    assert len(found["C3"].history) >= 2


def test_a_checker_that_fails_judges_nothing(explore: Explore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noted, and the others go on."""

    def fail(*_: object) -> None:
        raise IndexError("off by one")

    monkeypatch.setattr(expiry, "find", fail)
    explorer = explore("tests/zoo/broken.py:AnswersStale")
    assert "C1" in {violation.check for _ in range(8) for violation in explorer.bulk()}
    assert explorer.crashed == {"C2": "IndexError: off by one"}
