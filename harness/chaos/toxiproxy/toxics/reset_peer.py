"""reset_peer: `timeout` milliseconds after the first byte (or the end) the connection is reset on both sides, with RST.

As in Toxiproxy a connection on which nothing comes is left alone. Nothing arrives any more once the time runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.toxiproxy.stage import End, Stage
from harness.chaos.toxiproxy.toxics.behaviour import MS, Behaviour


@dataclass(frozen=True, slots=True)
class Settings:
    """In milliseconds."""

    timeout: int = 0


class ResetPeer(Behaviour[Settings]):
    """Holds all that comes, so that it is there if the toxic is removed in time."""

    _began: float | None = None

    def act(self, stage: Stage, now: float) -> float | None:
        """Reset when it is time."""
        if self._began is None:
            if not stage.waiting:
                return None
            self._began = now
        due = self._began + self.settings.timeout * MS
        if due > now:
            return due
        if not stage.over:
            self.acted()
            stage.close(End.RESET)
        return None
