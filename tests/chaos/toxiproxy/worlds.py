"""A world for links that stands still until a test moves it, and both ends of a link that write down what happens."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

from harness.chaos.toxiproxy.link import Link
from harness.chaos.toxiproxy.stage import End
from harness.chaos.toxiproxy.toxics.registry import KINDS, Toxic


class Timer:
    """One that can be stopped."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """It is not called."""
        self.call = None


class World:
    """Time and timers."""

    def __init__(self) -> None:
        self.time = 100.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = count()

    def now(self) -> float:
        """Seconds."""
        return self.time

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Written down."""
        timer = Timer(call)
        heapq.heappush(self._timers, (self.time + seconds, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass, and call what is due in its order."""
        end = self.time + seconds
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            self.time = max(self.time, due)
            if timer.call is not None:
                timer.call()
        self.time = end

    @property
    def waiting(self) -> int:
        """Timers that will be called."""
        return sum(timer.call is not None for _, _, timer in self._timers)


class Ends:
    """The source and the target of a link."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.room = True
        self.held = False
        self.arrived: list[tuple[float, bytes]] = []
        self.ended: list[tuple[float, End]] = []

    @property
    def data(self) -> bytes:
        """All that arrived."""
        return b"".join(data for _, data in self.arrived)

    def receive(self, data: memoryview, now: float) -> None:
        """Write it down."""
        assert not self.ended
        self.arrived.append((round(self.world.time - 100, 6), bytes(data)))

    def finish(self, end: End, now: float) -> None:
        """Write it down."""
        self.ended.append((round(self.world.time - 100, 6), end))

    def hold(self) -> None:
        """The link wants no more."""
        self.held = True

    def go_on(self) -> None:
        """It does again."""
        self.held = False


class Bench:
    """A link between its ends, in its world, with chance that is seeded."""

    def __init__(self, seed: int = 1) -> None:
        self.world = World()
        self.ends = Ends(self.world)
        self.link = Link(self.ends, self.ends, self.world, lambda name: Random(f"{seed}/{name}"))
        self.toxics: list[Toxic] = []

    def add(self, kind: str, toxicity: float = 1.0, name: str = "", **attributes: int) -> Toxic:
        """A toxic at the end of the chain."""
        settings: Any = KINDS[kind].settings(**attributes)
        toxic = Toxic(name=name or kind, type=kind, stream="upstream", toxicity=toxicity, settings=settings)
        self.toxics.append(toxic)
        self.link.follow(self.toxics)
        return toxic

    def change(self, toxic: Toxic, **attributes: int) -> None:
        """Other settings."""
        toxic.settings = KINDS[toxic.type].settings(**attributes)
        self.link.follow(self.toxics)

    def remove(self, toxic: Toxic) -> None:
        """One less."""
        self.toxics.remove(toxic)
        self.link.follow(self.toxics)

    def send(self, data: bytes) -> None:
        """As a connection does it."""
        if self.link.acting:
            self.link.push(data)
        elif not self.ends.ended:
            self.ends.receive(memoryview(data), self.world.time)
