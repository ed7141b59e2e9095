"""The course of a race: try all, blocks of all settings, blocks of those left, then the winner against the default.

1. *Trial*: a short block of all settings; what fails here or later is out at once, with its reason.
2. *Complete*: blocks in which all settings run, so many as were fixed before the first of them was looked at. The
   parameters' effects are told from these alone; losers are only kept in mind.
3. *Race*: the losers are dropped, then after every block (`stats.racing`), until it is settled.
4. *Confirm*: the winner's values in the blocks that chose it are the best of many, so too good. It is measured anew
   against the default, in fresh blocks of those two, until the interval is narrow enough.

With full_grid nothing is dropped and nothing confirmed: blocks of all settings until the leader's interval against the
default, which holds for all settings at once, is as narrow.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from math import prod
from typing import Protocol

from harness.gate.policy import (
    ALPHA,
    CONFIDENCE,
    MEMORY,
    TUNE_COMPLETE_TRIALS,
    TUNE_MOST_COMPLETE,
    TUNE_RACE_SHARE,
    Gated,
)
from harness.measure.blocks import Block, Trouble
from harness.stats.effects import blocks_needed
from harness.stats.location import Estimate
from harness.stats.racing import DEFAULT, Race
from harness.tune.evidence import Evidence, Row
from harness.tune.grid import Grid

Say = Callable[[str], None]

_WEIGHINGS = 3
"""Blocks of filled caches, where memory is no objective. Each costs as much as a timed one, and they hardly differ."""
_TIMED = 8
"""Confirming blocks that are also timed where memory decides."""


class Measures(Protocol):
    """What `measure.blocks.Blocks` does."""

    def pilot(self, rng: random.Random, members: Sequence[int]) -> Block:
        """A short block, to try them."""

    def block(self, rng: random.Random, members: Sequence[int]) -> Block:
        """A block of timed trials."""

    def weigh(self, members: Sequence[int]) -> Block:
        """A block of filled caches."""


class Course:
    """One race of a grid's settings by the first of objectives."""

    def __init__(
        self,
        grid: Grid,
        blocks: Measures,
        objectives: Sequence[Gated],
        *,
        seed: int,
        budget_seconds: float,
        precision: float,
        full_grid: bool,
        say: Say,
        began: float,
        noted: Callable[[Block], None] = lambda _block: None,
    ) -> None:
        self.grid = grid
        self.objective = objectives[0]
        self.evidence = Evidence()
        self.confirming = Evidence()
        self.troubles: list[Trouble] = []
        self.complete_blocks = 0
        """Planned."""
        self.trials = 0
        self.full_grid = full_grid
        self._margin = self.objective.metric.threshold(self.objective.margin)
        self.race = Race(len(grid.settings), margin=self._margin, alpha=ALPHA)
        self.precision = precision
        self._precision = self.objective.metric.threshold(precision)
        self._blocks = blocks
        self._by_memory = self.objective.metric is MEMORY
        self._weighs = any(row.metric is MEMORY for row in objectives)
        self._rng = random.Random(seed)
        self.budget_seconds = budget_seconds
        self._began = began
        self._say = say
        self._noted = noted

    @property
    def elapsed_seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._began

    @property
    def best(self) -> int | None:
        """The winner of the race, or while it is open who leads it; None if no setting is left."""
        if not self.race.left:
            return None
        return self.race.leader if self.full_grid or self.race.winner is None else self.race.winner

    @property
    def contender(self) -> int | None:
        """The best of the settings other than the default; None if all of them failed."""
        if self.best not in (None, DEFAULT):
            return self.best
        others = [i for i in range(len(self.grid.settings)) if i not in self.failed | {DEFAULT}]
        known = {
            i: estimate.value
            for i in others
            if (estimate := self.evidence.estimate(self.objective.metric, i, DEFAULT, CONFIDENCE)) is not None
        }
        return min(known, key=lambda i: known[i]) if known else None

    def play(self) -> None:
        """Run it, until it is decided or the budget is spent."""
        self._try_all()
        self._complete()
        if self.full_grid:
            self._full_grid()
            return
        self._race()
        self._confirm()

    def confirmed(self) -> Estimate | None:
        """How much worse than the default the winner is, from blocks that did not choose it.

        In the full grid, where all blocks did, the interval holds for all settings at once.
        """
        contender = self.contender
        if contender is None:
            return None
        if self.full_grid:
            each = 1 - (1 - CONFIDENCE) / (len(self.grid.settings) - 1)
            return self.evidence.estimate(self.objective.metric, contender, DEFAULT, each)
        return self.confirming.estimate(self.objective.metric, contender, DEFAULT, CONFIDENCE)

    @property
    def precise(self) -> bool:
        """Whether the winner is known as well as was asked."""
        found = self.confirmed()
        return found is not None and found.half_width <= self._precision

    # The parts

    def _try_all(self) -> None:
        while self.race.left and self.elapsed_seconds < self.budget_seconds:
            self._say(f"trying {len(self.race.left)} settings")
            if not self._fails(self._blocks.pilot(self._rng, self.race.left)):
                return

    def _complete(self) -> None:
        counts = [len(values) for values in self.grid.parameters.values()]
        least = max(blocks_needed(count, prod(counts) // count, CONFIDENCE) for count in counts)
        affordable = min(TUNE_MOST_COMPLETE, TUNE_COMPLETE_TRIALS // len(self.grid.settings))
        self.complete_blocks = max(least, affordable)
        while self.race.blocks < self.complete_blocks and self._goes_on(self._race_until):
            self._one_block(weighed=self._weighs or self.race.blocks < _WEIGHINGS)
            self._tell(f"block {self.race.blocks} of {self.complete_blocks} with all settings", self._race_until)

    def _race(self) -> None:
        self.race.drop_losers()
        while not self.race.settled and self._goes_on(self._race_until):
            if self._one_block(timed=not self._by_memory, weighed=self._by_memory):
                self.race.drop_losers()
            self._tell(f"block {self.race.blocks}", self._race_until)

    def _full_grid(self) -> None:
        while not self.precise and self._goes_on(self.budget_seconds):
            self._one_block(timed=not self._by_memory, weighed=self._by_memory)
            self._tell(f"block {self.race.blocks} of the full grid", self.budget_seconds)

    def _confirm(self) -> None:
        best = self.best
        if DEFAULT in self.failed or best in (None, DEFAULT):
            return
        assert best is not None
        pair, done = (DEFAULT, best), 0
        while not self.precise and self.elapsed_seconds < self.budget_seconds:
            found = self._measured(pair, timed=not self._by_memory or done < _TIMED, weighed=self._weighs)
            if found is None:
                self._confirm()  # one of the two failed: if it was the winner, the next best is confirmed
                return
            for block in found:
                self.confirming.add(pair, block.values, block.logs)
            done += 1
            self._tell(f"confirming block {done}", self.budget_seconds)

    # Small things

    def _one_block(self, *, timed: bool = True, weighed: bool = False) -> bool:
        """One more block of those left; False if trouble ended it."""
        members = self.race.left
        found = self._measured(members, timed=timed, weighed=weighed)
        if found is None:
            return False
        rows: dict[str, Row] = {}
        for block in found:
            rows |= self.evidence.add(members, block.values, block.logs)
        self.race.add(rows[self.objective.metric.name])
        return True

    def _measured(self, members: Sequence[int], *, timed: bool, weighed: bool) -> list[Block] | None:
        """The blocks asked for; None if a setting failed in one."""
        found = []
        if timed:
            found.append(self._blocks.block(self._rng, members))
        if weighed and not (found and found[0].troubles):
            found.append(self._blocks.weigh(members))
        self.trials += len(members) * len(found)
        failed = [block for block in found if self._fails(block)]
        return None if failed else found

    def _fails(self, block: Block) -> bool:
        """Note a block, and take out those that failed in it."""
        self._noted(block)
        self.troubles += block.troubles
        for trouble in block.troubles:
            self.race.take_out(trouble.setting)
        return bool(block.troubles)

    @property
    def failed(self) -> set[int]:
        """The settings that lied, raised, crashed or hung."""
        return {trouble.setting for trouble in self.troubles}

    @property
    def _race_until(self) -> float:
        return self.budget_seconds * (1.0 if self.full_grid else TUNE_RACE_SHARE)

    def _goes_on(self, until_seconds: float) -> bool:
        return len(self.race.left) > 1 and self.elapsed_seconds < until_seconds

    def _tell(self, what: str, until_seconds: float) -> None:
        if not self.race.left:
            return
        leader = self.grid.settings[self.race.leader]
        self._say(
            f"{what}, {len(self.race.left)} of {len(self.grid.settings)} left, {leader.name} leads, "
            f"{max(0.0, until_seconds - self.elapsed_seconds):.0f} s left"
        )
