"""Phases, one after the other, in every process by itself: each knows its own rate, so nothing has to be agreed on."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

import gevent
import numpy as np

from harness.load.drive import Drive
from harness.load.histogram import Times
from harness.load.samples import TARGETS

ON_TIME = 5_000.0
"""Requests a second that a process sends when they are due with half a core to spare (measured: 0.52 of one). Sleeping
until each is due costs more than the request: in a closed loop the same process sends 78,000."""
_LEAST_RATE = 1.0
"""Where the closed phase reached nothing. Never 0, which would be a closed loop."""
_WARM_SHARE = 0.25
"""Of a closed phase, before what it reaches counts for the half of it."""


class Conductor:
    """Leads a drive through its scenario.

    take counts the rows so far: it is called where phases meet. done is called when the last has ended.
    """

    def __init__(self, drive: Drive, take: Callable[[], object], done: Callable[[], None]) -> None:
        self._done = done
        self._drive = drive
        self._take = take
        self._greenlets: list[Any] = []
        self._reached = 0.0
        """Requests a second of all processes in the last closed phase, if all are as this one."""
        self._active_ns = [0] * TARGETS
        self._turned_ns = monotonic_ns()
        self._open: dict[str, Any] | None = None
        self.log: list[dict[str, Any]] = []
        """Of each phase that ended: its name, when it began and ended, its rate, and the seconds each target had."""

    def begin(self) -> None:
        """All users are there: the first phase begins, if it has not."""
        if self._greenlets:
            return
        self._greenlets.append(gevent.spawn(self._phases))
        if len(self._drive.targets) > 1:
            self._greenlets.append(gevent.spawn(self._turns))

    def end(self) -> None:
        """No more phases."""
        self._close(cut_short=True)
        for greenlet in self._greenlets:
            greenlet.kill(block=False)
        self._greenlets.clear()

    def _phases(self) -> None:
        drive, seconds = self._drive, self._drive.orders.run_seconds
        for number, phase in enumerate(drive.scenario.phases, 1):
            rate = 0.0
            if phase.pace == "half":
                rate = min(
                    max(_LEAST_RATE, self._reached / 2), ON_TIME * drive.orders.users / max(1, len(drive.clients))
                )
            elif phase.pace != "closed":
                rate = drive.orders.rate * phase.pace
            self._take()
            drive.enter(number)
            drive.set_rate(rate)
            self._open = {"name": phase.name, "number": number, "rate": rate, "began": time.time()}
            self._turn_clock()
            self._active_ns = [0] * TARGETS
            drive.pacer.late_ns = array("q")
            if seconds is None:
                return
            lasts = seconds * phase.share
            gevent.sleep(lasts * _WARM_SHARE)
            if phase.pace == "closed":
                self._measure(lasts * (1 - _WARM_SHARE), number)
            else:
                gevent.sleep(lasts * (1 - _WARM_SHARE))
            self._close()
        self._take()
        drive.enter(len(drive.scenario.phases) + 1)  # what comes after the last is not measured
        self._done()

    def _close(self, *, cut_short: bool = False) -> None:
        opened = self._open
        if opened is None:
            return
        self._turn_clock()
        ended = time.time()
        self.log.append(
            {
                "name": opened["name"],
                "number": opened["number"],
                "rate": opened["rate"],
                "began": opened["began"],
                "ended": ended,
                "active_seconds": [ns / 1e9 for ns in self._active_ns[: len(self._drive.targets)]],
                "late": self._late(),
                "cut_short": cut_short,
            }
        )
        self._open = None

    def _late(self) -> dict[str, Any]:
        """How late users were woken in this phase, as a histogram."""
        pacer = self._drive.pacer
        late_ns, pacer.late_ns = pacer.late_ns, array("q")
        times = Times()
        times.add(np.frombuffer(late_ns, dtype=np.int64))
        return times.to_plain()

    def _measure(self, seconds: float, phase: int) -> None:
        """Half of what the slower target reaches is a load that both can bear."""
        drive = self._drive
        places = range(len(drive.targets))
        operations, active_ns = self._so_far(phase)
        gevent.sleep(seconds)
        operations_then, active_then_ns = self._so_far(phase)
        reached = min(
            1e9 * (operations_then[place] - operations[place]) / max(1, active_then_ns[place] - active_ns[place])
            for place in places
        )
        self._reached = reached * drive.orders.users / max(1, len(drive.clients))

    def _so_far(self, phase: int) -> tuple[list[int], list[int]]:
        """By target: operations of a phase, and nanoseconds for which it was asked."""
        self._take()
        self._turn_clock()
        answered = self._drive.samples.answered
        return [answered[phase * TARGETS + place] for place in range(TARGETS)], list(self._active_ns)

    def _turns(self) -> None:
        while True:
            gevent.sleep(self._drive.orders.turn_seconds)
            self._turn_clock()
            self._drive.turn_to((self._drive.turn + 1) % len(self._drive.targets))

    def _turn_clock(self) -> None:
        """Credit the target that was asked with the time since the last look."""
        now_ns = monotonic_ns()
        self._active_ns[self._drive.turn] += now_ns - self._turned_ns
        self._turned_ns = now_ns
