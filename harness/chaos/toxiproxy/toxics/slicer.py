"""slicer: data arrive in small pieces of `average_size` +/- `size_variation` bytes, `delay` microseconds apart.

An average of 0 slices nothing. (Toxiproxy itself does not survive that, nor a variation as large as the average.)
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.toxiproxy.stage import Stage
from harness.chaos.toxiproxy.toxics.behaviour import US, Behaviour

_APART = 1.0
"""At least a microsecond: pieces that leave in the same instant would be put together again on their way."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Bytes, bytes, microseconds."""

    average_size: int = 0
    size_variation: int = 0
    delay: int = 0


class Slicer(Behaviour[Settings]):
    """Cuts from the head."""

    _next = 0.0

    def act(self, stage: Stage, now: float) -> float | None:
        """Hand on a piece, if the last one is long enough ago."""
        settings = self.settings
        while (head := stage.head()) is not None:
            if head.end is not None or settings.average_size <= 0:
                stage.pass_on()
                continue
            if self._next > now:
                return self._next
            spread = max(0, settings.size_variation)
            size = max(1, settings.average_size + self.rng.randint(-spread, spread))
            if size < len(head.data):
                self.acted()
            self._next = now + max(_APART, settings.delay) * US
            stage.pass_on(size)
        return None

    def change(self, settings: Settings) -> None:
        """The next piece goes at once."""
        super().change(settings)
        self._next = 0.0
