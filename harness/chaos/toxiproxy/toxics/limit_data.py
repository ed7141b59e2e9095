"""limit_data: the connection closes after `bytes` bytes have passed."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.toxiproxy.stage import End, Stage
from harness.chaos.toxiproxy.toxics.behaviour import Behaviour


@dataclass(frozen=True, slots=True)
class Settings:
    """A number of bytes."""

    bytes: int = 0


class LimitData(Behaviour[Settings]):
    """Counts from the moment when it came to the connection, whatever its limit is changed to."""

    _passed = 0

    def act(self, stage: Stage, now: float) -> float | None:  # noqa: ARG002  # no time passes here
        """Hand on up to the limit."""
        while (head := stage.head()) is not None:
            if head.end is None:
                size = min(len(head.data), max(0, self.settings.bytes - self._passed))
                self._passed += size
                if size:
                    stage.pass_on(size)
                if self._passed >= self.settings.bytes:
                    self.acted()
                    stage.close(End.FULL)
            else:
                stage.pass_on()
        return None
