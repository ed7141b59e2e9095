"""The real loop: slow is not hung, and what waits for ever is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cache_impls.dialects import Adapted, adapt
from harness.history import History, Op, Outcome
from harness.simulate import real
from harness.simulate.schedule import Profile, Schedule, Step
from harness.simulate.tape import Tape

LATENCY_SECONDS = 0.01


class Remote:
    """Each operation takes real time; a get of `b` never ends."""

    def __init__(self) -> None:
        self._entries: dict[str, Any] = {}

    async def get(self, key: str) -> Any:
        """The value of key."""
        if key == "b":
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(LATENCY_SECONDS)
        return self._entries.get(key)

    async def set(self, key: str, value: Any) -> None:
        """Store value."""
        await asyncio.sleep(LATENCY_SECONDS)
        self._entries[key] = value


def play(monkeypatch: pytest.MonkeyPatch, steps: list[Step]) -> tuple[History, int]:
    """What one client did, with little patience; how often the loop was seen to turn."""
    monkeypatch.setattr(real, "HUNG_SECONDS", 20 * LATENCY_SECONDS)
    monkeypatch.setattr(real, "_GLANCE_SECONDS", 2 * LATENCY_SECONDS)
    tape, seen = Tape(real.RealClock()), [0]

    def build(_room: int | None) -> Adapted:
        return adapt(Remote())

    def alive() -> None:
        seen[0] += 1

    real.RealPlayer(build, tape, (), alive).play(Schedule(Profile.CALM, (tuple(steps),), "few", 1))
    return tape.take(), seen[0]


def test_slow_is_not_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule of three times the patience, in which operations end all the time."""
    history, alive = play(monkeypatch, [Step(Op.SET, 0)] * 60)
    assert set(history.outcome) == {Outcome.OK}
    assert len(history) == 61
    assert alive > 10


def test_one_that_never_returns_is_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cancelled when nothing has ended for so long."""
    history, _ = play(monkeypatch, [Step(Op.SET, 0), Step(Op.GET, 1)])
    assert list(history.outcome) == [Outcome.OK, Outcome.HUNG]
