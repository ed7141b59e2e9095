"""timeout: nothing arrives, and the connection closes `timeout` ms after the last byte that did not arrive; 0: never.

As in Toxiproxy the time starts again with each chunk, the end of the stream passes, and the connection closes when the
toxic is removed: a stream with a hole in it is worth nothing to either side.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.toxiproxy.stage import End, Stage
from harness.chaos.toxiproxy.toxics.behaviour import MS, Behaviour


@dataclass(frozen=True, slots=True)
class Settings:
    """In milliseconds."""

    timeout: int = 0


class Timeout(Behaviour[Settings]):
    """Swallows all that comes."""

    _since: float | None = None

    def act(self, stage: Stage, now: float) -> float | None:
        """Swallow, and close when it is time."""
        if self._since is None:
            self._since = now
        while stage.waiting:
            if stage.waiting[0].end is not None:
                stage.pass_on()
                return None
            stage.drop()
            self.acted()
            self._since = now
        if self.settings.timeout <= 0 or stage.over:
            return None
        due = self._since + self.settings.timeout * MS
        if due > now:
            return due
        self.acted()
        stage.close(End.FULL)
        return None

    def change(self, settings: Settings) -> None:
        """The time starts again."""
        super().change(settings)
        self._since = None

    def leave(self, stage: Stage) -> None:
        """Close."""
        stage.close(End.FULL)
