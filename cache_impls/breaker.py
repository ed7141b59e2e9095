"""A circuit breaker: after some failures in a row it lets nobody through for a while, then one who tries.

Pure: the time is an argument, so it holds in any clock. Rules:
1. Closed, everybody passes; so many failures in a row open it, and a success begins the count anew.
2. Open, nobody passes until its time is over. Then it is half open: one passes, the probe, and nobody else until the
   probe is back. Its success closes the breaker, its failure opens it for another time.
3. Who passed before the last change of state has nothing to say: a slow failure of yesterday opens nothing today.
4. A probe that was cancelled has tried nothing: the next to come is the probe.
"""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    """Whether requests pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Opens after so many failures in a row, for so many seconds."""

    def __init__(self, failures: int, seconds: float) -> None:
        self._most = failures
        self._seconds = seconds
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False
        self._era = 0
        """How often it has changed: who passed in another has nothing to say."""

    def enter(self, now: float) -> int | None:
        """A pass, to be given back to `leave`; None for nobody."""
        if self._open_until is not None:
            if self._probing or now < self._open_until:
                return None
            self._probing = True
        return self._era

    def leave(self, era: int, now: float, *, well: bool | None) -> None:
        """Give a pass back: it went well, or not, or nobody can tell (None)."""
        if era != self._era:
            return
        self._probing = False
        if well is None:
            return
        if well:
            self._failures = 0
            if self._open_until is not None:
                self._open_until = None
                self._era += 1
            return
        self._failures += 1
        if self._open_until is not None or self._failures >= self._most:
            self._failures = 0
            self._open_until = now + self._seconds
            self._era += 1

    def reset(self) -> None:
        """Begin anew, as on another clock one must: who passed before has nothing to say."""
        self._failures, self._open_until, self._probing = 0, None, False
        self._era += 1

    def state(self, now: float) -> State:
        """What it does with who comes now."""
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if now < self._open_until else State.HALF_OPEN
