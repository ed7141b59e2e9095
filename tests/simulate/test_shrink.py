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


def test_a_pause_is_handed_on() -> None:
    """The fault needs a clear a second after a set; that the second went by before a read in between is chance."""

    def fails(schedule: Schedule) -> Schedule | None:
        waited: int | None = None
        for step in (step for client in schedule.clients for step in client):
            waited = None if waited is None else waited + step.pause
            if step.act == Op.CLEAR and waited is not None and waited >= TICKS_PER_SECOND:
                return schedule._replace(choices=(), trouble=())
            if step.act == Op.SET:
                waited = 0
        return None

    steps = (Step(Op.SET), Step(Op.GET, pause=TICKS_PER_SECOND), Step(Op.CLEAR))
    smallest = shrink(Schedule(Profile.CALM, (steps,), "few", 1, choices=(), trouble=()), fails)
    assert smallest.clients == ((Step(Op.SET), Step(Op.CLEAR, pause=TICKS_PER_SECOND)),)


def test_what_comes_first_is_drawn_and_shrunk() -> None:
    """For caches with stages: moves and entries before the clients come, gone where they do not matter."""
    shape = ALL._replace(acts=(*ALL.acts, int(Op.MOVE)), stages=6)
    schedules = [draw(seed, shape, POLICIES) for seed in range(50)]
    assert any(step.act == Op.SET for schedule in schedules for step in schedule.first)
    assert any(step.act == Op.MOVE for schedule in schedules for step in schedule.first)
    assert [Schedule.from_json(schedule.to_json()) for schedule in schedules] == schedules
    assert not any(draw(seed, ALL, POLICIES).first for seed in range(50))

    def fails(schedule: Schedule) -> Schedule | None:
        moved = any(step.act == Op.MOVE and step.amount == 3 for step in schedule.first)
        return schedule._replace(choices=(), trouble=()) if moved else None

    start = next(schedule for schedule in schedules if fails(schedule) and len(schedule.first) > 2)
    smallest = shrink(start._replace(choices=(), trouble=()), fails)
    assert smallest.first == (Step(Op.MOVE, amount=3),)
    assert smallest.operations == 1
