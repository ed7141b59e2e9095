"""The kinds of toxics by the names that clients know them by. A new kind is a file beside this one and a row here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from harness.chaos.toxiproxy.toxics import (
    bandwidth,
    latency,
    limit_data,
    reset_peer,
    slicer,
    slow_close,
    timeout,
)
from harness.chaos.toxiproxy.toxics.behaviour import Behaviour


class Kind(NamedTuple):
    """The settings are whole numbers with a default each: what JSON carries."""

    settings: type[Any]
    behaviour: type[Behaviour[Any]]


KINDS = {
    "bandwidth": Kind(bandwidth.Settings, bandwidth.Bandwidth),
    "latency": Kind(latency.Settings, latency.Latency),
    "limit_data": Kind(limit_data.Settings, limit_data.LimitData),
    "reset_peer": Kind(reset_peer.Settings, reset_peer.ResetPeer),
    "slicer": Kind(slicer.Settings, slicer.Slicer),
    "slow_close": Kind(slow_close.Settings, slow_close.SlowClose),
    "timeout": Kind(timeout.Settings, timeout.Timeout),
}


@dataclass(eq=False, slots=True, kw_only=True)
class Toxic:
    """A toxic as its user asked for it. It is one thing however it changes: compared by identity."""

    name: str
    type: str
    stream: str
    toxicity: float
    """The share of connections that it acts on."""
    settings: Any
    acted: list[int] = field(default_factory=lambda: [0])
    """Chunks and connections that it changed, in one cell that outlives the toxic as evidence."""

    @property
    def direction(self) -> str:
        """upstream (what clients send) or downstream."""
        return self.stream.lower()

    def count(self) -> None:
        """One more."""
        self.acted[0] += 1
