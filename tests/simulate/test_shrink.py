"""Shrinking: to the fewest operations, clients and choices that still show the fault, and no further."""

from __future__ import annotations

import random

import pytest

from harness.history import Op
from harness.simulate.policies import POLICIES
from harness.simulate.schedule import TICKS_PER_SECOND, Profile, Schedule, Shape, Step, draw
from harness.simulate.shrink import shrink, size

ALL = Shape(acts=tuple(map(int, (Op.GET, Op.SET, Op.DELETE, Op.CLEAR))), ttl_share=0.7, profiles=tuple(Profile))


def test_a_seed_is_a_schedule() -> None:
    """The same in every run, another for another seed, and the same after a trip through JSON."""
    schedules = [draw(seed, ALL, POLICIES) for seed in range(50)]
    assert schedules == [draw(seed, ALL, POLICIES) for seed in range(50)]
    assert len(set(schedules)) == 50
    assert [Schedule.from_json(schedule.to_json()) for schedule in schedules] == schedules


def test_every_profile_and_policy_is_drawn() -> None:
    """Nothing that is announced is left out."""
    schedules = [draw(seed, ALL, POLICIES) for seed in range(300)]
    assert {schedule.profile for schedule in schedules} == set(Profile)
    assert {schedule.policy for schedule in schedules} == set(POLICIES)
    assert {len(schedule.clients) for schedule in schedules} == {1, 2, 3, 4}


@pytest.mark.parametrize("seed", range(5))
def test_shrinks_to_what_matters(seed: int) -> None:
    """The fault needs a set with a ttl and, after it, a pause of at least two seconds by any client."""
    rng = random.Random(seed)
    clients = tuple(
        tuple(
            Step(rng.choice([Op.GET, Op.SET, Op.DELETE]), rng.randrange(3), rng.choice([0, 512]), rng.choice([0, 5120]))
            for _ in range(10)
        )
        for _ in range(3)
    )

    def fails(schedule: Schedule) -> Schedule | None:
        steps = [step for client in schedule.clients for step in client]
        first = next((i for i, step in enumerate(steps) if step.act == Op.SET and step.ttl), None)
        shown = first is not None and any(step.pause >= 2 * TICKS_PER_SECOND for step in steps[first + 1 :])
        return schedule._replace(choices=(), trouble=()) if shown else None

    start = Schedule(Profile.CANCEL, clients, "few", seed, choices=(1, 2), trouble=(3,))
    smallest = shrink(start, fails)
    assert fails(smallest)
    assert size(smallest) < size(start)
    assert smallest.operations == 2
    steps = [step for client in smallest.clients for step in client]
    assert [step.pause for step in steps if step.pause] == [2 * TICKS_PER_SECOND]
    assert len(smallest.clients) == 1
    assert smallest.profile is Profile.CALM


def test_nothing_smaller_fails_nothing_changes() -> None:
    """A fault that needs all of it keeps all of it."""
    start = Schedule(Profile.CALM, ((Step(Op.SET), Step(Op.GET)),), "few", 1, choices=(), trouble=())
    assert shrink(start, lambda schedule: schedule if schedule == start else None) == start


def test_plays_are_bounded() -> None:
    """However much could still be tried."""
    played = []

    def fails(schedule: Schedule) -> Schedule | None:
        played.append(schedule)
        return None

    shrink(draw(1, ALL, POLICIES), fails, plays=17)
    assert len(played) == 17
