"""A race: which of some settings is best, told after every block, the losers dropped as soon as they are known.

In a block every setting that is still in has a value, worse positive; only differences within a block count. For two
settings the sign of their difference bets as in `sequential`: W[i > j] is the wealth against "i is not worse than j".
Each may be looked at after every block, and betting may stop at any time (a dropped setting is bet on no more).

Rules, for an error of alpha in dropping (half of it each for 1 and 2), and of alpha in settling (3):
1. A setting is *beaten* once the mean of W[i > j] over all other settings j reaches 2/alpha. If i is the best, every
   one of these games is fair or worse, and so is their mean, whichever j leads meanwhile and however the data chose
   it: by Ville's inequality the mean ever reaches 2/alpha with probability at most alpha/2. It is never less than
   the correction for as many comparisons (one of them at (k - 1) times that), and needs no leader.
2. A setting offers *no gain* once the wealth against "the default is worse than it by margin or more" reaches
   2/alpha. That is one game a setting. So the best is dropped with probability at most alpha: wrongly beaten, or
   called no gain although it is better than the default by more than the margin.
3. The race is *settled* once one setting is left, or the default or the leader is known to be no more than margin worse
   than each of the others left: wealth (k - 1)/alpha each, because any of k - 1 settings could be called so wrongly.

Assumes what rule S does: noise symmetric about its median. Source: Ville 1939; Ramdas et al. 2023 (game-theoretic
statistics); racing: Maron and Moore 1994; naming the best at a fixed confidence: Jamieson and Talwalkar 2016.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.stats.sequential import log_wealth

DEFAULT = 0
"""The setting that the others are to be better than."""


class Fate(enum.StrEnum):
    """What became of a setting."""

    IN = "in"
    BEATEN = "beaten"
    NO_GAIN = "no gain"
    OUT = "out"
    """Taken out from outside: it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """One setting that left the race, after how many blocks, and by which (None where all of them together did)."""

    setting: int
    fate: Fate
    blocks: int
    by: int | None


class Race:
    """count settings, of which `DEFAULT` is the default. margin is on the scale of the values."""

    def __init__(self, count: int, *, margin: float, alpha: float) -> None:
        if count < 2:
            raise ValueError("a race needs two settings")
        if margin <= 0 or not 0 < alpha < 1:
            raise ValueError("a race needs a margin above 0 and an alpha between 0 and 1")
        self.count = count
        self.blocks = 0
        self.drops: list[Drop] = []
        self._margin = margin
        self._drop_at_log = math.log(2 / alpha)
        self._settle_at_log = math.log((count - 1) / alpha)
        self._in = list(range(count))
        self._rows: list[dict[int, float]] = []
        # By pair (i, j): blocks in which i was worse than j, and worse or less worse than by the margin.
        self._worse = np.zeros((count, count), dtype=np.int64)
        self._beyond = np.zeros((count, count), dtype=np.int64)
        self._within = np.zeros((count, count), dtype=np.int64)

    @property
    def left(self) -> tuple[int, ...]:
        """The settings that are still in."""
        return tuple(self._in)

    @property
    def leader(self) -> int:
        """Of those left, the one whose values are best: the lowest median of its distance from their mean."""
        if not self._rows:
            return self._in[0]
        values = np.array([[row[i] for i in self._in] for row in self._rows])
        middles = np.median(values - values.mean(axis=1, keepdims=True), axis=0)
        return self._in[int(np.argmin(middles))]

    @property
    def winner(self) -> int | None:
        """Who is known to be no more than the margin worse than each of the others left (rule 3); None before that.

        The default where that is known of it, because then there is no reason to leave it.
        """
        for one in dict.fromkeys([i for i in self._in if i == DEFAULT] + [self.leader]):
            if all(self.no_worse(one, other) for other in self._in if other != one):
                return one
        return None

    @property
    def settled(self) -> bool:
        """Whether there is nothing more to find out."""
        return not self._in or self.winner is not None

    def no_worse(self, one: int, other: int) -> bool:
        """Whether one is known to be no more than the margin worse than other."""
        return log_wealth(int(self._within[one, other]), int(self._beyond[one, other])) >= self._settle_at_log

    def add(self, values: Mapping[int, float]) -> None:
        """Count one block: a value of every setting that is in. Raises ValueError where one is missing."""
        if missing := [i for i in self._in if i not in values]:
            raise ValueError(f"a block has no value of settings {missing}")
        self.blocks += 1
        self._rows.append({i: values[i] for i in self._in})
        for i in self._in:
            for j in self._in:
                difference = values[i] - values[j]
                self._worse[i, j] += difference > 0
                self._beyond[i, j] += difference > self._margin
                self._within[i, j] += difference < self._margin

    def take_out(self, setting: int) -> None:
        """Drop a setting for a reason of the caller's; it neither wins nor beats any more."""
        if setting in self._in:
            self._in.remove(setting)
            self.drops.append(Drop(setting=setting, fate=Fate.OUT, blocks=self.blocks, by=None))

    def drop_losers(self) -> list[Drop]:
        """Drop whom rules 1 and 2 drop by now; the last one stays. Whether it is asked after every block is free."""
        beaten = {i: strongest for i in self._in if (strongest := self._beaten_by(i)) is not None}
        found = [Drop(setting=i, fate=Fate.BEATEN, blocks=self.blocks, by=by) for i, by in beaten.items()]
        if DEFAULT in self._in and DEFAULT not in beaten:
            found += [
                Drop(setting=i, fate=Fate.NO_GAIN, blocks=self.blocks, by=DEFAULT)
                for i in self._in
                if i != DEFAULT and i not in beaten and self._no_gain(i)
            ]
        if found and len(found) == len(self._in):
            found = [drop for drop in found if drop.setting != self.leader]
        for drop in found:
            self._in.remove(drop.setting)
        self.drops += found
        return found

    def _beaten_by(self, i: int) -> int | None:
        """Who has the most evidence against i, if all of it together is enough to drop i."""
        wealth = {j: log_wealth(int(self._worse[i, j]), int(self._worse[j, i])) for j in range(self.count) if j != i}
        highest = max(wealth.values())
        mean = highest + math.log(sum(math.exp(value - highest) for value in wealth.values()) / len(wealth))
        return max(wealth, key=lambda j: wealth[j]) if mean >= self._drop_at_log else None

    def _no_gain(self, i: int) -> bool:
        within, beyond = int(self._within[DEFAULT, i]), int(self._beyond[DEFAULT, i])
        return log_wealth(within, beyond) >= self._drop_at_log
