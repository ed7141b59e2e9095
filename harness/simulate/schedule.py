"""A schedule: what each client does and when, what goes wrong, and which callback runs when several could.

It is data: drawn from a seed, written to a file, shrunk, played again. Times are ticks of 1/512 s, which floats and
nanoseconds both hold exactly, so "at the deadline" means at the deadline.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from harness.history import Op

TICKS_PER_SECOND = 512
NANOSECONDS_PER_TICK = 1_000_000_000 // TICKS_PER_SECOND

OPERATIONS = 30
"""A schedule's operations. Longer ones find no more, and cost more to shrink."""

STALL, WALL = int(Op.STALL), int(Op.WALL)

_SECONDS = (1, 2, 10)
_TTLS = tuple(seconds * TICKS_PER_SECOND for seconds in _SECONDS)
_PAUSES = (
    *(1, 256),
    *(ttl + late for ttl in _TTLS for late in (-1, 0, 1)),
    *(seconds * TICKS_PER_SECOND for seconds in (5, 15, 30, 31, 60, 61, 301)),
)
_WALL_STEPS = tuple(seconds * TICKS_PER_SECOND for seconds in (-3600, -5, 5, 3600))


class Profile(enum.StrEnum):
    """What may go wrong in a schedule."""

    CALM = "calm"
    CANCEL = "cancel"
    """Operations are cancelled at one of their awaits."""
    STALL = "stall"
    """The loop is blocked: time passes and no timer runs."""
    CLOCK = "clock"
    """The wall clock is set forward and back."""
    ROOM = "room"
    """There is room for fewer entries than keys."""
    ERRORS = "errors"
    """The parts of a composite fail, are slow and time out."""


class Step(NamedTuple):
    """One act of a client."""

    act: int
    key: int = 0
    ttl: int = 0
    """Ticks; 0 for none."""
    pause: int = 0
    """Ticks to wait before it."""
    cancel: int = 0
    """Cancel it after so many turns of the loop; 0 for never."""
    amount: int = 0
    """Of a stall or a step of the wall clock, in ticks; of a move, the place of the stage."""


class Schedule(NamedTuple):
    """Everything that decides what happens."""

    profile: Profile
    clients: tuple[tuple[Step, ...], ...]
    policy: str
    seed: int
    """For choices beyond those in the lists."""
    room: int | None = None
    """The bound on entries, where the profile sets one."""
    choices: tuple[int, ...] | None = None
    """Which ready callback ran each time; None to draw them, `()` for first come, first served."""
    trouble: tuple[int, ...] | None = None
    """What happened to each call of a part of a composite; None to draw it."""
    first: tuple[Step, ...] = ()
    """What the first client does before the others come: a migration is found at some stage, with entries of others."""

    @property
    def operations(self) -> int:
        """The number of acts."""
        return len(self.first) + sum(map(len, self.clients))

    def to_json(self) -> dict[str, Any]:
        """As plain lists."""
        return self._asdict() | {
            "profile": self.profile.value,
            "clients": [[list(step) for step in steps] for steps in self.clients],
            "first": [list(step) for step in self.first],
        }

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Schedule:
        """What `to_json` gave. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            profile=Profile(found["profile"]),
            clients=tuple(tuple(Step(*map(int, step)) for step in steps) for steps in found["clients"]),
            policy=str(found["policy"]),
            seed=int(found["seed"]),
            room=found["room"],
            choices=None if found["choices"] is None else tuple(map(int, found["choices"])),
            trouble=None if found["trouble"] is None else tuple(map(int, found["trouble"])),
            first=tuple(Step(*map(int, step)) for step in found.get("first", ())),
        )


class Shape(NamedTuple):
    """What schedules for a cache may contain."""

    acts: tuple[int, ...]
    ttl_share: float
    """Of sets that have a ttl of their own."""
    profiles: tuple[Profile, ...]
    stages: int = 0
    """Of a migration; 0 for any other cache."""
    few_keys: bool = True
    """Whether operations gather on few keys."""
    swarm: bool = True
    """Whether each schedule leaves out some kinds of operation (Groce et al. 2012, "Swarm testing"): faults of rare
    operations show where those are not rare, and faults that a `clear` would hide where there is none."""


_MOVED_SHARE, _FIRST_STAGE_SHARE, _MOVED_AGAIN = 0.8, 0.5, 0.2
"""How often a migration moves before and after the entries that it begins with, half of the times to its first stage,
where most begin; and between two of them."""
_CANCELLING = (Profile.CANCEL, Profile.ERRORS)
_ALWAYS = (int(Op.GET), int(Op.SET))
_KEPT, _LOADS_KEPT = 0.7, 0.85
"""How often a swarm keeps a kind of operation. Loads more often: most faults of loads need another kind beside them."""
_KEYS, _KEYS_LOADED, _MANY_KEYS = (1, 1, 2, 3), (2, 3, 5, 5), 5
"""How many keys there are. A load comes only after a miss, and few keys that are loaded are soon all there."""
_WEIGHTS = {
    Op.GET: 12, Op.SET: 9, Op.DELETE: 3, Op.CLEAR: 1, Op.SIZE: 1, Op.GET_OR_LOAD: 8, Op.MOVE: 1,
}  # fmt: skip


@lru_cache
def _weighted(acts: tuple[int, ...]) -> list[int]:
    return [act for act in acts for _ in range(_WEIGHTS[Op(act)])]


def draw(seed: int, shape: Shape, policies: Sequence[str], operations: int = OPERATIONS) -> Schedule:
    """The schedule of a seed. Few keys and few clients: faults need operations that meet."""
    rng = random.Random(seed)
    pick = rng.random
    profile = shape.profiles[int(pick() * len(shape.profiles))]
    acts = _weighted(
        tuple(act for act in shape.acts if act in _ALWAYS or pick() < (_LOADS_KEPT if act == Op.GET_OR_LOAD else _KEPT))
        if shape.swarm
        else shape.acts
    )
    count_clients = (1, 2, 2, 3, 3, 4)[int(pick() * 6)]
    room = 1 + int(pick() * 4) if profile is Profile.ROOM else None
    few = _KEYS_LOADED if Op.GET_OR_LOAD in acts else _KEYS
    keys = _MANY_KEYS if room or not shape.few_keys else few[int(pick() * len(few))]
    restless = (0.05, 0.2, 0.4)[int(pick() * 3)]
    trouble = (0.1, 0.3)[int(pick() * 2)]
    clients = []
    for _ in range(count_clients):
        steps = []
        for _ in range(operations // count_clients):
            act = acts[int(pick() * len(acts))]
            key = int(pick() * keys)
            ttl = _TTLS[int(pick() * 3)] if pick() < shape.ttl_share else 0
            pause = _PAUSES[int(pick() * len(_PAUSES))] if pick() < restless else 0
            cancel = amount = 0
            if act == Op.MOVE:
                amount = int(pick() * shape.stages)
            elif profile in _CANCELLING and pick() < trouble:
                cancel = 1 + int(pick() * 4)
            elif profile is Profile.STALL and pick() < trouble:
                steps.append(Step(STALL, amount=_PAUSES[int(pick() * len(_PAUSES))]))
            elif profile is Profile.CLOCK and pick() < trouble:
                steps.append(Step(WALL, amount=_WALL_STEPS[int(pick() * len(_WALL_STEPS))]))
            steps.append(Step(act, key, ttl, pause, cancel, amount))
        clients.append(tuple(steps))
    return Schedule(
        profile=profile,
        clients=tuple(clients),
        policy=policies[int(pick() * len(policies))],
        seed=seed,
        room=room,
        first=_moved(pick, shape.stages, keys) if shape.stages else (),
    )


def _moved(pick: Callable[[], float], stages: int, keys: int) -> tuple[Step, ...]:
    """Nothing, or a stage; and perhaps entries written there before the migration moved on."""
    steps = []
    if pick() < _MOVED_SHARE:
        steps.append(Step(Op.MOVE, amount=0 if pick() < _FIRST_STAGE_SHARE else int(pick() * stages)))
    for key in range(keys):
        steps.append(Step(Op.SET, key, _TTLS[int(pick() * 3)]))
        if pick() < _MOVED_AGAIN:
            steps.append(Step(Op.MOVE, amount=int(pick() * stages)))
    if pick() < _MOVED_SHARE:
        steps.append(Step(Op.MOVE, amount=int(pick() * stages)))
    return tuple(steps)
