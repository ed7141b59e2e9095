"""Which of the ready callbacks runs next: few preemptions, changing priorities, or chance.

Most bugs of interleaving need few switches at the right places (Musuvathi and Qadeer 2007), and few constraints
among tasks (Burckhardt et al. 2010, "A randomized scheduler with probabilistic guarantees of finding bugs");
uniform chance switches all the time and seldom holds a task back for long. `tests/zoo/policies.py` compares them
by the schedules that each fault of the zoo takes (results/zoo/policies.md).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from harness.simulate.loop import Choose, Handle

POLICIES = ("few", "priority", "uniform")


def chooser(policy: str, seed: int, given: Sequence[int] | None, taken: list[int]) -> Choose:
    """The choice of a policy, or of what is given (0 beyond its end); each is noted in taken."""
    if given is not None:
        return _replay(given, taken)
    choose = _MAKERS[policy](random.Random(seed ^ 0x5EED))

    def noting(ready: list[Handle]) -> int:
        index = choose(ready)
        taken.append(index)
        return index

    return noting


def _replay(given: Sequence[int], taken: list[int]) -> Choose:
    left = iter(given)

    def choose(ready: list[Handle]) -> int:
        index = min(next(left, 0), len(ready) - 1)
        taken.append(index)
        return index

    return choose


def _uniform(rng: random.Random) -> Choose:
    pick = rng.random
    return lambda ready: int(pick() * len(ready))


def _few(rng: random.Random) -> Choose:
    """First come, first served, but with a small chance, drawn for the schedule, that another goes first."""
    pick = rng.random
    chance = (0.02, 0.1, 0.3)[int(pick() * 3)]
    return lambda ready: int(pick() * len(ready)) if pick() < chance else 0


def _priority(rng: random.Random) -> Choose:
    """Each task has a priority, and the highest runs; now and then the one that runs falls to the lowest."""
    pick = rng.random
    priorities: dict[Any, float] = {}
    chance = (0.02, 0.1, 0.2)[int(pick() * 3)]
    lowest = 0.0

    def choose(ready: list[Handle]) -> int:
        nonlocal lowest
        best, best_priority = 0, -1e9
        for index, handle in enumerate(ready):
            task = handle.task
            priority = priorities.get(task)
            if priority is None:
                priority = priorities[task] = pick()
            if priority > best_priority:
                best, best_priority = index, priority
        if pick() < chance:
            lowest -= 1.0
            priorities[ready[best].task] = lowest
        return best

    return choose


_MAKERS: dict[str, Callable[[random.Random], Choose]] = {"few": _few, "priority": _priority, "uniform": _uniform}
