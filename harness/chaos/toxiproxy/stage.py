"""What waits before one toxic, on one direction of one connection, and what the toxic may do with it.

Rules: nothing is lost, every byte either waits in one stage or has been handed on; order is kept, because only the
head of the queue can be handed on; and a stage hands on only while the next one has room.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Protocol


class End(Enum):
    """How a stream ends."""

    HALF = "half"
    """No more from this side; the other direction goes on (FIN)."""
    FULL = "full"
    """The connection closes, once what is on its way has been sent."""
    RESET = "reset"
    """The connection is reset, and what is on its way is lost (RST)."""


class Sink(Protocol):
    """What a stage hands on to: the next stage, or the socket."""

    @property
    def room(self) -> bool:
        """Whether it takes more now."""
        ...

    def receive(self, data: memoryview, now: float) -> None:
        """Take data, room or not: room is asked for before."""
        ...

    def finish(self, end: End, now: float) -> None:
        """Nothing more comes."""
        ...


class Chunk:
    """Bytes that came together, or the end of the stream."""

    __slots__ = ("arrived", "data", "end")

    def __init__(self, data: memoryview, arrived: float, end: End | None = None) -> None:
        self.data = data
        self.arrived = arrived
        self.end = end


_NOTHING = memoryview(b"")


class Stage:
    """The queue before a toxic. `sink` and `now` are set by the link before the toxic looks."""

    __slots__ = ("_capacity", "held", "moves", "now", "over", "sink", "waiting")

    def __init__(self, sink: Sink, capacity_bytes: int) -> None:
        self.sink = sink
        self.now = 0.0
        self.waiting: deque[Chunk] = deque()
        self.held = 0
        """Bytes that wait."""
        self.over = False
        self.moves = 0
        """How often something left: the link goes on for as long as it grows."""
        self._capacity = capacity_bytes

    @property
    def room(self) -> bool:
        """Whether it takes more now."""
        return self.held < self._capacity

    def receive(self, data: memoryview, now: float) -> None:
        """Take data; after the end it is swallowed."""
        if not self.over:
            self.waiting.append(Chunk(data, now))
            self.held += len(data)

    def finish(self, end: End, now: float) -> None:
        """The end of the stream takes its place behind what waits."""
        if not self.over:
            self.waiting.append(Chunk(_NOTHING, now, end))

    def head(self) -> Chunk | None:
        """What is next, if anything is and may be handed on now."""
        return self.waiting[0] if self.waiting and (self.sink.room or self.waiting[0].end) else None

    def pass_on(self, size: int | None = None) -> None:
        """Hand on the head, or its first bytes."""
        chunk = self.waiting[0]
        self.moves += 1
        if chunk.end is not None:
            self.waiting.popleft()
            self.over = True
            self.sink.finish(chunk.end, self.now)
            return
        data = chunk.data
        if size is None or size >= len(data):
            self.waiting.popleft()
        else:
            data, chunk.data = data[:size], data[size:]
        self.held -= len(data)
        self.sink.receive(data, self.now)

    def drop(self) -> None:
        """Swallow the head."""
        self.moves += 1
        self.held -= len(self.waiting.popleft().data)

    def close(self, end: End) -> None:
        """Say that the stream has ended, whatever waits."""
        if not self.over:
            self.moves += 1
            self.over = True
            self.waiting.clear()
            self.held = 0
            self.sink.finish(end, self.now)

    def flush(self) -> None:
        """Hand on all that waits, room or not: the toxic goes, its bytes stay."""
        while self.waiting:
            self.pass_on()
