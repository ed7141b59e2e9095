"""One direction of one connection: the chain of toxics through which its bytes pass, changed in mid-flow.

    source -> [stage latency] -> [stage bandwidth] -> target

Without toxics there is no stage: the source hands its bytes to the target's transport, and flow control goes straight
from one to the other. Rules: a stage is served whenever it could do something (bytes came, the target can be written to
again, the time came that its toxic named); the source is read no further while the first stage is full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any, Protocol

from harness.chaos.toxiproxy.stage import End, Sink, Stage
from harness.chaos.toxiproxy.toxics.behaviour import Behaviour
from harness.chaos.toxiproxy.toxics.registry import KINDS, Toxic

Chances = Callable[[str], Random]
"""The name of a toxic -> its source of chance on this connection."""


class Alarm(Protocol):
    """A timer that can be stopped: asyncio's handles are such."""

    def cancel(self) -> None:
        """Stop it."""
        ...


class World(Protocol):
    """The clock and the timers, so that tests may hold both."""

    def now(self) -> float:
        """Seconds that never go back."""
        ...

    def after(self, seconds: float, call: Callable[[], None]) -> Alarm:
        """Call later; somewhat too early does no harm."""
        ...


class Source(Protocol):
    """Where bytes come from."""

    def hold(self) -> None:
        """Read no further."""
        ...

    def go_on(self) -> None:
        """Read again."""
        ...


class Acting:
    """A toxic that acts on this link."""

    __slots__ = ("behaviour", "stage", "toxic", "wake")

    def __init__(self, toxic: Toxic, rng: Random, sink: Sink) -> None:
        self.toxic = toxic
        self.behaviour: Behaviour[Any] = KINDS[toxic.type].behaviour(toxic.settings, rng, toxic.count)
        self.stage = Stage(sink, self.behaviour.capacity_bytes)
        self.wake: float | None = None


class Link:
    """The chain. It is empty for most connections, and then nothing here runs."""

    def __init__(self, source: Source, target: Sink, world: World, chances: Chances) -> None:
        self.acting: list[Acting] = []
        self._source = source
        self._target = target
        self._world = world
        self._chances = chances
        self._drawn: dict[Toxic, tuple[float, Random]] = {}
        self._alarm: Alarm | None = None
        self._held = False

    def follow(self, toxics: Iterable[Toxic]) -> None:
        """Let these act, in this order, each if chance would have it; those that acted and are gone leave."""
        now = self._world.now()
        drawn: dict[Toxic, tuple[float, Random]] = {}
        for toxic in toxics:
            drawn[toxic] = self._drawn.get(toxic) or self._draw(toxic)
        self._drawn = drawn
        # One draw for each toxic and connection: more toxicity later only adds connections.
        wanted = [toxic for toxic, (chance, _) in drawn.items() if chance < toxic.toxicity]
        for acting in [acting for acting in self.acting if acting.toxic not in wanted]:
            acting.stage.now = now
            acting.behaviour.leave(acting.stage)
            self.acting.remove(acting)
            self._connect()
        there = {acting.toxic: acting for acting in self.acting}
        self.acting = [there.get(toxic) or Acting(toxic, drawn[toxic][1], self._target) for toxic in wanted]
        self._connect()
        for acting in self.acting:
            if acting.behaviour.settings is not acting.toxic.settings:
                acting.behaviour.change(acting.toxic.settings)
        self.serve()

    def push(self, data: bytes) -> None:
        """Bytes from the source, for the first stage."""
        self.acting[0].stage.receive(memoryview(data), self._world.now())
        self.serve()

    def finish(self, end: End) -> None:
        """The end of what the source sends."""
        first = self.acting[0].stage if self.acting else self._target
        first.finish(end, self._world.now())
        self.serve()

    def serve(self) -> None:
        """Let each toxic do what it can now; again for as long as that makes room for another."""
        now = self._world.now()
        moved = bool(self.acting)
        while moved:
            moved = False
            for acting in self.acting:
                stage, before = acting.stage, acting.stage.moves
                stage.now = now
                acting.wake = acting.behaviour.act(stage, now)
                moved = moved or stage.moves != before
        self._set_alarm(now)
        self.govern()

    def end(self) -> None:
        """The connection is gone: so is all that waits."""
        self.acting = []
        self._target = _NOWHERE
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _draw(self, toxic: Toxic) -> tuple[float, Random]:
        rng = self._chances(toxic.name)
        return rng.random(), rng

    def _connect(self) -> None:
        sink = self._target
        for acting in reversed(self.acting):
            acting.stage.sink = sink
            sink = acting.stage

    def _set_alarm(self, now: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        wakes = [acting.wake for acting in self.acting if acting.wake is not None]
        if wakes:
            self._alarm = self._world.after(max(0.0, min(wakes) - now), self.serve)

    def govern(self) -> None:
        """Hold the source while nobody takes what it sends."""
        room = self.acting[0].stage.room if self.acting else self._target.room
        if room == self._held:
            self._held = not room
            (self._source.hold if self._held else self._source.go_on)()


class _Nowhere:
    """The target of a link that has ended."""

    room = True

    def receive(self, data: memoryview, now: float) -> None:
        """Swallow."""

    def finish(self, end: End, now: float) -> None:
        """Nothing is left to end."""


_NOWHERE = _Nowhere()
