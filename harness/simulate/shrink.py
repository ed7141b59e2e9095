"""Shrink a schedule that shows a fault to one that a person can read: fewer operations, clients and switches.

Each step proposes smaller schedules and keeps the first that still shows the same fault. An operation less shifts
what the recorded choices mean, so a proposal is tried with them, without any, and with a few drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter

from harness.simulate.policies import POLICIES
from harness.simulate.schedule import STALL, TICKS_PER_SECOND, WALL, Profile, Schedule, Step

Fails = Callable[[Schedule], Schedule | None]
"""Plays a schedule; as it was played if it still shows the fault, else None."""

_DRAWN_ANEW = 6
_SHIFTS = 6
_TIDY_SECONDS = (1, 2, 10)


PLAYS = 12_000
SECONDS = 10.0
"""Real ones; a schedule that takes half a millisecond is shrunk long before."""


def shrink(schedule: Schedule, fails: Fails, *, plays: int = PLAYS, seconds: float = SECONDS) -> Schedule:
    """The smallest found with at most so many plays and in at most so many seconds."""
    left, end = plays, perf_counter() + seconds

    def attempt(candidate: Schedule) -> Schedule | None:
        nonlocal left
        if perf_counter() > end:
            left = 0
        if left <= 0:
            return None
        left -= 1
        return fails(candidate)

    best = schedule
    while left > 0:
        smaller = _first(best, attempt)
        if smaller is None:
            return best
        best = smaller
    return best


def _first(schedule: Schedule, attempt: Fails) -> Schedule | None:
    """The first proposal that still fails and is really smaller."""
    for candidate in _fewer_operations(schedule):
        for variant in _with_choices(candidate):
            found = attempt(variant)
            if found is not None and size(found) < size(schedule):
                return found
    for candidate in _simpler(schedule):
        found = attempt(candidate)
        if found is not None and size(found) < size(schedule):
            return found
    return None


def size(schedule: Schedule) -> tuple[int, ...]:
    """What a reader has to take in, the most important first."""
    steps = [step for client in (schedule.first, *schedule.clients) for step in client]
    return (
        len(steps),
        sum(bool(client) for client in schedule.clients),
        sum(1 for choice in schedule.trouble or () if choice),
        sum(1 for choice in schedule.choices or () if choice),
        sum(bool(step.cancel) + bool(step.pause) + bool(step.ttl) + bool(step.key) for step in steps),
        sum(step.pause + step.ttl + abs(step.amount) for step in steps),
        sum(step.key + step.cancel for step in steps),
        schedule.profile is not Profile.CALM,
        len(schedule.choices or ()) + len(schedule.trouble or ()),
    )


def _with_choices(schedule: Schedule) -> Iterator[Schedule]:
    yield schedule
    yield schedule._replace(choices=(), trouble=())
    choices, trouble = schedule.choices or (), schedule.trouble or ()
    if any(choices) or any(trouble):
        # What is left out came first, as a rule: then what mattered moves to the front.
        for shift in range(1, _SHIFTS + 1):
            yield schedule._replace(trouble=trouble[shift:])
            yield schedule._replace(choices=choices[shift:], trouble=trouble[shift:])
    if sum(bool(client) for client in schedule.clients) > 1 or schedule.trouble:
        for seed in range(_DRAWN_ANEW):
            drawn = None if schedule.profile is Profile.ERRORS else schedule.trouble
            policy = POLICIES[seed % len(POLICIES)]
            yield schedule._replace(choices=None, trouble=drawn, policy=policy, seed=schedule.seed + seed + 1)


def _fewer_operations(schedule: Schedule) -> Iterator[Schedule]:
    clients, first = schedule.clients, schedule.first
    if first:
        yield schedule._replace(first=())
        for i in range(len(first)):
            yield schedule._replace(first=first[:i] + first[i + 1 :])
    if len(clients) > 1:
        for i in range(len(clients)):
            yield schedule._replace(clients=clients[:i] + clients[i + 1 :])
    longest = max(map(len, clients), default=0)
    length = max(1, longest // 2)
    while True:
        for i, steps in enumerate(clients):
            for at in range(0, len(steps), length):
                yield _with_client(schedule, i, steps[:at] + steps[at + length :])
                if length == 1 and steps[at].pause and at + 1 < len(steps):
                    # Perhaps only its pause matters: the next step waits that long as well.
                    later = steps[at + 1]._replace(pause=steps[at].pause + steps[at + 1].pause)
                    yield _with_client(schedule, i, (*steps[:at], later, *steps[at + 2 :]))
        if length == 1:
            break
        length //= 2
    for i in range(len(clients)):
        for j in range(len(clients)):
            if i != j:
                merged = list(clients)
                merged[i], merged[j] = clients[i] + clients[j], ()
                yield schedule._replace(clients=tuple(filter(None, merged)))


def _simpler(schedule: Schedule) -> Iterator[Schedule]:
    choices, trouble = schedule.choices or (), schedule.trouble or ()
    if any(trouble):
        yield schedule._replace(trouble=())
        for i, choice in enumerate(trouble):
            if choice:
                yield schedule._replace(trouble=(*trouble[:i], 0, *trouble[i + 1 :]))
    if any(choices):
        yield schedule._replace(choices=())
        yield schedule._replace(choices=choices[: len(choices) // 2])
        for i, choice in enumerate(choices):
            if choice:
                yield schedule._replace(choices=(*choices[:i], 0, *choices[i + 1 :]))
    for i, steps in enumerate(schedule.clients):
        for j, step in enumerate(steps):
            for simpler in _simpler_steps(step):
                yield _with_client(schedule, i, (*steps[:j], simpler, *steps[j + 1 :]))
    for old in (1, 2, 3, 4):  # one key in place of another, everywhere
        if any(step.key == old for steps in schedule.clients for step in steps):
            renamed = tuple(
                tuple(step._replace(key=old - 1) if step.key == old else step for step in steps)
                for steps in schedule.clients
            )
            yield schedule._replace(clients=renamed)
    yield from _shorter_times(schedule)
    if schedule.profile is not Profile.CALM and schedule.room is None:
        yield schedule._replace(profile=Profile.CALM)


def _simpler_steps(step: Step) -> Iterator[Step]:
    if step.pause:
        yield step._replace(pause=0)
    if step.cancel:
        yield step._replace(cancel=0)
        yield step._replace(cancel=step.cancel - 1)
    if step.ttl:
        yield step._replace(ttl=0)
    if step.key:
        yield step._replace(key=0)
    if step.act in (STALL, WALL) and abs(step.amount) > 1:
        for seconds in _TIDY_SECONDS:
            yield step._replace(amount=seconds * TICKS_PER_SECOND * (1 if step.amount > 0 else -1))


def _shorter_times(schedule: Schedule) -> Iterator[Schedule]:
    """Another length for all pauses, or for all ttls, of one length: what expires together stays together."""
    for field in ("pause", "ttl"):
        lengths = {getattr(step, field) for steps in schedule.clients for step in steps} - {0}
        for length in sorted(lengths):
            for shorter in (TICKS_PER_SECOND, 2 * TICKS_PER_SECOND, 10 * TICKS_PER_SECOND):
                if shorter < length:
                    yield schedule._replace(
                        clients=tuple(
                            tuple(
                                step._replace(**{field: shorter}) if getattr(step, field) == length else step
                                for step in steps
                            )
                            for steps in schedule.clients
                        )
                    )


def _with_client(schedule: Schedule, index: int, steps: tuple[Step, ...]) -> Schedule:
    clients = (*schedule.clients[:index], steps, *schedule.clients[index + 1 :])
    return schedule._replace(clients=clients)
