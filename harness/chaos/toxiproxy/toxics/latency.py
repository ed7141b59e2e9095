"""latency: everything arrives later, by `latency` +/- `jitter` milliseconds. The end of the stream does not wait.

A delay line, not a pause after each chunk: chunks that came together leave together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.chaos.toxiproxy.stage import Stage
from harness.chaos.toxiproxy.toxics.behaviour import MS, Behaviour


@dataclass(frozen=True, slots=True)
class Settings:
    """Both in milliseconds."""

    latency: int = 0
    jitter: int = 0


class Latency(Behaviour[Settings]):
    """Keeps the order: a chunk that drew a short delay waits for the one before it."""

    # Room for a second at 256 Mbit/s: a line that is full slows its sender down, which is bandwidth, not latency.
    capacity_bytes: ClassVar[int] = 32 * 1024 * 1024
    _delay: float | None = None

    def act(self, stage: Stage, now: float) -> float | None:
        """Hand on what has waited long enough."""
        while (head := stage.head()) is not None:
            if head.end is None:
                if self._delay is None:
                    spread = self.settings.jitter
                    self._delay = max(0.0, self.settings.latency + self.rng.uniform(-spread, spread)) * MS
                due = head.arrived + self._delay
                if due > now:
                    return due
                if self._delay:
                    self.acted()
                self._delay = None
            stage.pass_on()
        return None

    def change(self, settings: Settings) -> None:
        """What waits already draws anew."""
        super().change(settings)
        self._delay = None
