"""A host broken from within, by its command DEBUG: its loop stalls, its wall clock is stepped, its memory fills."""

from __future__ import annotations

import threading
import time

import psutil

from harness.chaos.faults.process import server_of
from harness.chaos.nemesis import Evidence
from harness.chaos.topology import Topology
from harness.chaos.undo import Undo
from harness.chaos.witness import answers, call

_SHOWS_SECONDS = 0.2
"""That a PING takes in a stall, at least: it may have begun when half of the stall was over."""
_CLOCK_SECONDS = 0.5
"""A wall clock is right if it is within this of ours."""


class Stall:
    """The event loop does nothing else: the process runs, and nobody is answered. Redis and Valkey know it too."""

    name = "loop_stall"
    overlaps = False

    def __init__(self, topology: Topology, seconds: float, which: str = "host") -> None:
        self.target = which
        self._server, self._seconds = server_of(topology, which), seconds
        self._thread: threading.Thread | None = None
        self._took = 0.0

    def undos(self) -> list[Undo]:
        """None: it ends by itself."""
        return []

    def begin(self) -> None:
        """Stall it."""

        def stall() -> None:
            began = time.monotonic()
            call(self._server.url, b"DEBUG", b"SLEEP", b"%g" % self._seconds, seconds=self._seconds + 10)
            self._took = time.monotonic() - began

        self._thread = threading.Thread(target=stall, daemon=True)
        self._thread.start()

    def fired(self) -> Evidence:
        """It runs, and does not answer."""
        assert self._server.pid is not None  # the plan's needs were looked at
        state = psutil.Process(self._server.pid).status()
        ping = answers(self._server.url)
        silent = ping is None or ping >= _SHOWS_SECONDS
        return Evidence(
            silent and state != psutil.STATUS_STOPPED, f"during: process {state}, {'silent' if silent else 'answers'}"
        )

    def end(self) -> None:
        """Wait until it is over."""
        if self._thread is not None:
            self._thread.join(self._seconds + 10)

    def ended(self) -> Evidence:
        """It stalled for as long as it was told to, and answers."""
        ping = answers(self._server.url)
        whole = self._took >= self._seconds
        return Evidence(ping is not None and whole, f"after: it stalled for {self._took:.2f} s, and answers")


class WallStep:
    """The wall clock is wrong, as the process sees it (`time.time`). A cache that lives by the loop's does not care."""

    name = "clock_step"
    overlaps = False

    def __init__(self, topology: Topology, by_seconds: float) -> None:
        self.target = f"host, {by_seconds:+g} s"
        self._topology, self._by = topology, by_seconds
        self._usual = self._wrong()

    def undos(self) -> list[Undo]:
        """None: the clock is that of one process, which is ours."""
        return []

    def begin(self) -> None:
        """Step it."""
        call(self._topology.host.url, b"DEBUG", b"WALL", b"%g" % self._by)

    def fired(self) -> Evidence:
        """What the process takes for the time is as wrong as it was told to be."""
        wrong = self._wrong()
        stepped = abs(wrong - self._usual - self._by) < _CLOCK_SECONDS < abs(wrong - self._usual)
        return Evidence(stepped, f"during: its wall clock is {wrong:+.1f} s from ours")

    def end(self) -> None:
        """Set it right."""
        call(self._topology.host.url, b"DEBUG", b"WALL", b"0")

    def ended(self) -> Evidence:
        """It is right."""
        wrong = self._wrong()
        return Evidence(abs(wrong) < _CLOCK_SECONDS, f"after: {wrong:+.1f} s")

    def _wrong(self) -> float:
        return float(call(self._topology.host.url, b"DEBUG", b"TIME")) - time.time()
