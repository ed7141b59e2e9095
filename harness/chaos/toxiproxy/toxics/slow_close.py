"""slow_close: the end of the stream arrives `delay` milliseconds late; its bytes do not."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.toxiproxy.stage import Stage
from harness.chaos.toxiproxy.toxics.behaviour import MS, Behaviour


@dataclass(frozen=True, slots=True)
class Settings:
    """In milliseconds."""

    delay: int = 0


class SlowClose(Behaviour[Settings]):
    """Waits at the end."""

    def act(self, stage: Stage, now: float) -> float | None:
        """Hand on all but the end."""
        while (head := stage.head()) is not None:
            if head.end is not None:
                due = head.arrived + self.settings.delay * MS
                if due > now:
                    return due
                self.acted()
            stage.pass_on()
        return None
