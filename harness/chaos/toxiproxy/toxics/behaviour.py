"""What every toxic has: settings that its user may change, and a behaviour on each connection that it acts on.

A behaviour is asked whenever something came, something was sent, or the time has come that it named. It looks at
`stage.head()`, hands on what may go, and answers with the time at which it wants to be asked again (None: when there is
something new). It reads no clock and sets no timer; chance is the `Random` that it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import ClassVar, Generic, TypeVar

from harness.chaos.toxiproxy.stage import Stage

S = TypeVar("S")

MS = 1e-3
US = 1e-6
_SMALL_BYTES = 64 * 1024


class Behaviour(Generic[S]):
    """One toxic on one direction of one connection."""

    capacity_bytes: ClassVar[int] = _SMALL_BYTES
    """So much may wait before the sender feels it."""

    def __init__(self, settings: S, rng: Random, acted: Callable[[], None]) -> None:
        self.settings = settings
        self.rng = rng
        self.acted = acted
        """To be called for each chunk or connection that it changed: the evidence that it did something."""

    def act(self, stage: Stage, now: float) -> float | None:
        """Hand on what may go now; when to be asked again."""
        raise NotImplementedError

    def change(self, settings: S) -> None:
        """Go on with other settings; what was decided about the head by the old ones is forgotten."""
        self.settings = settings

    def leave(self, stage: Stage) -> None:
        """The toxic is removed: what waits is handed on."""
        stage.flush()
