"""Rule S: a sign test that may be looked at after every pair.

d is how much worse the candidate of a pair is, m the margin. If the true median of d is m, then sign(d - m)
is a fair coin, and the product of (1 + b sign(d - m)) over pairs is a fair game for any bet b in (0, 1): its
expected value stays 1. So does the mean over several bets. By Ville's inequality such a wealth reaches 1/alpha
with probability at most alpha, however often one looks and whenever one stops. Wealth against "not worse than m"
decides FAIL, wealth against "not better than m" decides PASS.

Assumes pairs in random order with noise symmetric about its median; needs no variance and no fixed count.
Source: Ramdas et al. 2023 (game-theoretic statistics), Lindon et al. 2022.
"""

from __future__ import annotations

import math
from functools import lru_cache

BETS = (0.3, 0.5, 0.7, 0.85, 0.95)
"""Small bets win when d - m is often of either sign, large ones when it is nearly always of one."""


@lru_cache(maxsize=16_384)
def log_wealth(wins: int, losses: int) -> float:
    """Natural logarithm of the mean over `BETS` of (1 + bet)^wins (1 - bet)^losses."""
    logs = [wins * math.log1p(bet) + losses * math.log1p(-bet) for bet in BETS]
    highest = max(logs)
    return highest + math.log(sum(math.exp(value - highest) for value in logs) / len(BETS))


class SignRule:
    """Evidence from pairs that come one at a time, against one margin.

    threshold is the margin on the scale of d. FAIL needs wealth fail_at, PASS needs pass_at; both > 1. What
    has been decided stays decided: the guarantee is for the first crossing.
    """

    def __init__(self, threshold: float, *, fail_at: float, pass_at: float) -> None:
        if fail_at <= 1 or pass_at <= 1:
            raise ValueError("a decision needs wealth above 1")
        self._threshold = threshold
        self._fail_at_log = math.log(fail_at)
        self._pass_at_log = math.log(pass_at)
        self.above = 0
        self.below = 0
        self.decision: bool | None = None
        """True: passed. False: failed. None: undecided."""

    def add(self, difference: float) -> bool | None:
        """Count one pair; the decision so far. A d exactly at the margin bets on nothing."""
        if difference > self._threshold:
            self.above += 1
        elif difference < self._threshold:
            self.below += 1
        if self.decision is None:
            if log_wealth(self.above, self.below) >= self._fail_at_log:
                self.decision = False
            elif log_wealth(self.below, self.above) >= self._pass_at_log:
                self.decision = True
        return self.decision

    def pairs_to_decide(self) -> int | None:
        """How many more pairs would decide, if they fall as those so far; None if none ever would."""
        if self.decision is not None:
            return 0
        pairs = self.above + self.below
        if pairs == 0:
            return None
        wins, needed = max((self.below, self._pass_at_log), (self.above, self._fail_at_log), key=lambda side: side[0])
        share = wins / pairs
        for more in range(1, 20_000):
            expected = round(share * (pairs + more))
            if log_wealth(expected, pairs + more - expected) >= needed:
                return more
        return None
