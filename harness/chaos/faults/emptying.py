"""A cache that is empty all at once: flushed, or filled with what expires in the same instant."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from harness.chaos.nemesis import Evidence
from harness.chaos.topology import Topology
from harness.chaos.undo import Undo
from harness.chaos.witness import answers, call
from harness.history import MISS, NO_KEY, NO_TTL, Op, Outcome
from harness.load.connection import command, connect
from harness.load.samples import FILLER, REQUESTS
from harness.measure.generate import draw
from harness.measure.workload import parse

_CLIENT = FILLER + 1
_NS = 1_000_000_000


class Flush:
    """Everything is removed; what is asked next has to be fetched from behind the cache."""

    name = "flush"
    overlaps = True

    def __init__(self, topology: Topology, rows: list[tuple[int, ...]]) -> None:
        self.target = "host"
        self._topology, self._rows = topology, rows
        self._answer = b""

    def undos(self) -> list[Undo]:
        """None: users fill it."""
        return []

    def begin(self) -> None:
        """Flush it, as an operation of the history."""
        start_ns, outcome = time.monotonic_ns(), Outcome.UNKNOWN
        try:
            self._answer = call(self._topology.host.url, b"FLUSHALL")
            if self._answer == b"OK":
                outcome = Outcome.OK
        finally:
            self._rows.append(_row(Op.CLEAR, NO_KEY, MISS, NO_TTL, start_ns, outcome))

    def fired(self) -> Evidence:
        """It said so."""
        return Evidence(self._answer == b"OK", f"FLUSHALL answered {self._answer.decode()}")

    def end(self) -> None:
        """Nothing."""

    def ended(self) -> Evidence:
        """It answers."""
        return Evidence(answers(self._topology.host.url) is not None, "it answers")


class MassExpiry:
    """Every key is written with the same short ttl, so that all end in the same instant."""

    name = "mass_expiry"
    overlaps = True

    def __init__(
        self,
        topology: Topology,
        rows: list[tuple[int, ...]],
        next_tag: Callable[[], int],
        workload: str,
        ttl_seconds: float,
    ) -> None:
        self.target = f"host, all keys after {ttl_seconds:g} s"
        self._topology, self._rows, self._ttl, self._next_tag = topology, rows, ttl_seconds, next_tag
        requests = draw(parse(workload), REQUESTS)
        self._format: Any = requests.key_format.format
        self._size_of = dict(zip(requests.key.tolist(), requests.size.tolist(), strict=True))
        self._asked = self._accepted = 0

    def undos(self) -> list[Undo]:
        """None: users fill it."""
        return []

    def begin(self) -> None:
        """Write them all, as operations of the history."""
        connection = connect(self._topology.host.url)
        ttl_ms = b"%d" % round(self._ttl * 1000)
        try:
            for number, size in self._size_of.items():
                self._asked += 1
                tag = self._next_tag()
                key = self._format(number).encode()
                head = b"%d.%b." % (tag, key)
                start_ns, outcome = time.monotonic_ns(), Outcome.UNKNOWN
                try:
                    value = head + b"x" * max(0, size - len(head))
                    if connection.call(command(b"SET", key, value, b"PX", ttl_ms)) in (b"OK", "OK"):
                        outcome = Outcome.OK
                        self._accepted += 1
                finally:
                    self._rows.append(_row(Op.SET, number, tag, round(self._ttl * _NS), start_ns, outcome))
        finally:
            connection.close()

    def fired(self) -> Evidence:
        """All were accepted."""
        whole = self._accepted == self._asked > 0
        return Evidence(whole, f"{self._accepted:,} of {self._asked:,} keys written to expire together")

    def end(self) -> None:
        """Nothing."""

    def ended(self) -> Evidence:
        """It answers."""
        return Evidence(answers(self._topology.host.url) is not None, "it answers")


def _row(op: Op, key: int, tag: int, ttl_ns: int, start_ns: int, outcome: Outcome = Outcome.OK) -> tuple[int, ...]:
    """As users leave it (`samples.COLUMNS`)."""
    return (0, int(op), key, tag, ttl_ns, _CLIENT, 0, start_ns, time.monotonic_ns(), int(outcome))


def forgotten(start_ns: int, end_ns: int) -> tuple[int, ...]:
    """A row for a process that ended and began anew: whether what it held is gone, nobody knows."""
    return (0, int(Op.CLEAR), NO_KEY, MISS, NO_TTL, _CLIENT, 0, start_ns, end_ns, int(Outcome.UNKNOWN))
