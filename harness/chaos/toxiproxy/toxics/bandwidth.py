"""bandwidth: at most `rate` KB a second (a KB is 1,000 bytes). At 0 nothing passes until that is changed."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.toxiproxy.stage import Stage
from harness.chaos.toxiproxy.toxics.behaviour import MS, Behaviour

_PIECE_MS = 100
_LAG = 0.1
"""Seconds: who could not send for longer than this does not catch up on it, else a stall would end in a burst."""


@dataclass(frozen=True, slots=True)
class Settings:
    """In KB a second."""

    rate: int = 0


class Bandwidth(Behaviour[Settings]):
    """What is slow goes in pieces of 100 ms."""

    _free = 0.0
    """When the line has sent what it has."""
    _due: float | None = None

    def act(self, stage: Stage, now: float) -> float | None:
        """Hand on what the line had time to send."""
        rate = self.settings.rate
        while (head := stage.head()) is not None:
            if head.end is None:
                if rate <= 0:
                    return None
                size = min(len(head.data), rate * _PIECE_MS)
                if self._due is None:
                    self._due = max(self._free, head.arrived, now - _LAG) + size / rate * MS
                if self._due > now:
                    return self._due
                self._free, self._due = self._due, None
                self.acted()
                stage.pass_on(size)
            else:
                stage.pass_on()
        return None

    def change(self, settings: Settings) -> None:
        """The piece on the line starts anew."""
        super().change(settings)
        self._due = None
