"""A bad network: a link of the topology is cut, or a toxic put on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Literal

from harness.chaos.nemesis import Evidence
from harness.chaos.topology import Link
from harness.chaos.undo import Undo
from harness.chaos.witness import BULK_BYTES, PATIENCE_SECONDS, Seen, look

_SHOWS = 0.8
"""Of a delay: what the witness must see of it."""
_TRIES = 20
"""Connections, for a toxic that acts on some."""

STREAMS = {"both": ("upstream", "downstream"), "to": ("upstream",), "from": ("downstream",)}
"""Which way is cut -> Toxiproxy's streams: upstream is from the client to the server."""


class Cut:
    """Nothing passes: swallowed (a cable is cut) or refused (nobody listens)."""

    name = "partition"
    overlaps: bool

    def __init__(self, link: Link, direction: Literal["both", "to", "from"], how: Literal["swallow", "refuse"]) -> None:
        self.target = f"{link.name}, {'both ways' if direction == 'both' else f'the way {direction}'}"
        if how == "refuse":
            self.target = f"{link.name}, refused"
        self.overlaps = how == "swallow"  # who enables a proxy ends whatever has disabled it
        self._link, self._how = link, how
        self._streams = STREAMS[direction]
        self._names: list[str] = []
        self._down = False

    def undos(self) -> list[Undo]:
        """None: a proxy is taken away with its run."""
        return []

    def begin(self) -> None:
        """Cut it."""
        if self._how == "refuse":
            self._link.proxy.disable()
            self._down = True
            return
        for stream in self._streams:
            name = _name("cut")
            self._link.proxy.add_toxic("timeout", stream=stream, name=name, timeout=0)
            self._names.append(name)

    def fired(self) -> Evidence:
        """No answer."""
        seen = look(self._link.url)
        return Evidence(seen.ping is None and _acts(self._link, self._names), f"during: {seen.told()}")

    def end(self) -> None:
        """Let it pass again. What was swallowed is lost, and its connections with it."""
        if self._down:
            self._link.proxy.enable()
        while self._names:
            self._link.proxy.remove_toxic(self._names.pop())

    def ended(self) -> Evidence:
        """An answer."""
        return healed(self._link)


class Toxic:
    """One of Toxiproxy's toxics, by its name and attributes."""

    overlaps = True

    def __init__(
        self,
        link: Link,
        kind: str,
        stream: Literal["upstream", "downstream"],
        toxicity: float,
        attributes: dict[str, int],
    ) -> None:
        told = ", ".join(f"{name} {value}" for name, value in attributes.items())
        self.name = kind
        self.target = f"{link.name}, {stream}" + (f", {told}" if told else "")
        if toxicity < 1:
            self.target += f", {100 * toxicity:g} % of the connections"
        self._link, self._kind, self._stream = link, kind, stream
        self._toxicity, self._attributes = toxicity, attributes
        self._usual = link.usual
        self._toxic_name = _name(kind)
        self._on = False

    def undos(self) -> list[Undo]:
        """None: a proxy is taken away with its run."""
        return []

    def begin(self) -> None:
        """Put it on."""
        self._link.proxy.add_toxic(
            self._kind, stream=self._stream, toxicity=self._toxicity, name=self._toxic_name, **self._attributes
        )
        self._on = True

    def fired(self) -> Evidence:
        """What a connection is like, beside what it was like before."""
        shows = SHOWS[self._kind]
        if shows(self._usual, self._usual, self._attributes):
            return Evidence(False, f"a connection is like that without it: {_details(self._usual)}")
        for _ in range(1 if self._toxicity >= 1 else _TRIES):
            seen = look(self._link.url)
            if shows(self._usual, seen, self._attributes) and _acts(self._link, [self._toxic_name]):
                return Evidence(True, f"before: {self._usual.told()}; during: {_details(seen)}")
        return Evidence(False, f"before: {self._usual.told()}; during: {_details(seen)}, as before")

    def end(self) -> None:
        """Take it off."""
        if self._on:
            self._on = False
            self._link.proxy.remove_toxic(self._toxic_name)

    def ended(self) -> Evidence:
        """An answer, and no toxic left."""
        if self._toxic_name in self._link.proxy.toxics():
            return Evidence(False, "the toxic is still there")
        return healed(self._link)


_numbers = itertools.count(1)


def _name(what: str) -> str:
    """A toxic's, of no other fault: several of a kind may overlap."""
    return f"{what}-{next(_numbers)}"


def _acts(link: Link, names: list[str]) -> bool:
    """Whether the server, if it counts, says that one of these has acted: another fault may look alike."""
    acted = link.proxy.acted()
    return acted is None or not names or any(acted.get(name, 0) for name in names)


def healed(link: Link) -> Evidence:
    """Whether a connection works to its end."""
    seen = look(link.url)
    return Evidence(seen.problem is None, f"after: {seen.told()}")


def _details(seen: Seen) -> str:
    if seen.ping is None:
        return seen.told()
    parts = [seen.told()]
    if seen.bulk is not None:
        pieces = "one piece" if seen.pieces == 1 else f"{seen.pieces} pieces"
        parts.append(f"{BULK_BYTES:,} bytes there and back {1e3 * seen.bulk:.1f} ms in {pieces}")
    if seen.close is not None:
        parts.append(f"close {1e3 * seen.close:.1f} ms")
    if seen.problem is not None:
        parts.append(seen.problem)
    return ", ".join(parts)


Attributes = dict[str, int]


def _slower(usual: Seen, seen: Seen, attributes: Attributes) -> bool:
    least = _SHOWS * (attributes.get("latency", 0) - attributes.get("jitter", 0)) / 1e3
    if seen.ping is None:
        return least >= PATIENCE_SECONDS
    return usual.ping is not None and seen.ping >= usual.ping + max(least, 1e-3)


def _narrow(_usual: Seen, seen: Seen, attributes: Attributes) -> bool:
    rate = attributes.get("rate", 0)
    if not rate:
        return seen.ping is None
    needs = BULK_BYTES / (rate * 1_000)
    return seen.ping is not None and (seen.bulk is None or seen.bulk >= _SHOWS * needs)


def _closes_late(usual: Seen, seen: Seen, attributes: Attributes) -> bool:
    needs = _SHOWS * attributes.get("delay", 0) / 1e3
    if seen.bulk is None:
        return False
    return needs >= PATIENCE_SECONDS if seen.close is None else seen.close >= needs + (usual.close or 0.0)


def _broken(_usual: Seen, seen: Seen, _attributes: Attributes) -> bool:
    return seen.problem is not None


def _in_slices(usual: Seen, seen: Seen, _attributes: Attributes) -> bool:
    return seen.pieces > usual.pieces or (usual.bulk is not None and seen.bulk is None)


SHOWS: dict[str, Callable[[Seen, Seen, Attributes], bool]] = {
    "latency": _slower,
    "bandwidth": _narrow,
    "slow_close": _closes_late,
    "timeout": _broken,
    "reset_peer": _broken,
    "slicer": _in_slices,
    "limit_data": _broken,
}
"""How each shows to a witness that tries a connection before and during it."""
