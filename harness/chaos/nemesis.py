"""The nemesis: breaks things one after the other or at once, proves that they broke, and makes them whole again.

Undo comes before do: the lease of a fault is taken before it begins. A fault that could not be seen to act counts as
one that did not fire, and the experiment as one that says nothing.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple, Protocol

import psutil

from harness.chaos.course import Span
from harness.chaos.lease import Lease, Leases
from harness.chaos.undo import Undo
from harness.errors import CachegateError, UsageError

GRACE_SECONDS = 10.0
"""Beyond its time, after which the keeper ends a fault."""
_HEAL_SECONDS = 5.0
"""In which its end must show."""
_LONGEST_SECONDS = 30.0
"""Of a fault that cannot be ended before its time, as a stall."""
_LOOK_SECONDS = 0.02
_WHOLE_SHARE = 0.9
"""Of the time that was asked for, that a fault must have lasted."""
_FIRE_SECONDS = 1.0
"""In which its beginning must show."""


_FAILS = (OSError, psutil.Error, CachegateError)
"""What a fault may raise: it is told, and everything else goes on."""


class Evidence(NamedTuple):
    """Whether something showed, and what was seen."""

    shown: bool
    told: str


class Fault(Protocol):
    """Something that is broken for a while."""

    name: str
    target: str
    overlaps: bool
    """Whether another of its kind may last at the same target at the same time."""

    def undos(self) -> list[Undo]:
        """What makes it whole again, whoever does it. Asked before `begin`."""

    def begin(self) -> None:
        """Break it."""

    def fired(self) -> Evidence:
        """Whether it shows, while it lasts."""

    def end(self) -> None:
        """Make it whole, as far as `undos` does not."""

    def ended(self) -> Evidence:
        """Whether all is as before."""


class Told(NamedTuple):
    """What became of a fault."""

    name: str
    target: str
    fired: bool
    ended: bool
    evidence: str
    span: Span
    whole: bool = True
    """Whether it lasted as long as was asked."""


class Nemesis:
    """The faults of one run."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._lock = threading.Lock()
        self._held: list[Lease] = []
        self._lasting = 0
        self._places: list[tuple[str, str]] = []
        """Where what lasts now."""
        self._healing = False
        self._quiet = threading.Condition(self._lock)
        self.told: list[Told] = []
        self.over = threading.Event()
        """Set when nothing more is to be broken: whoever waits in a fault ends it."""

    def inflict(self, fault: Fault, seconds: float) -> Told:
        """Break it for so long. It is whole again when this returns, or raises."""
        place = (fault.name, fault.target.partition(",")[0])
        with self._lock:
            if not fault.overlaps and place in self._places:
                raise UsageError(f"{fault.name} lasts at {place[1]} already; one ends the other, so let it end first")
            self._places.append(place)
            self._lasting += 1
        try:
            return self._inflict(fault, seconds)
        finally:
            with self._quiet:
                self._places.remove(place)
                self._lasting -= 1
                self._quiet.notify_all()

    def _inflict(self, fault: Fault, seconds: float) -> Told:
        leases = [self._leases.take(undo, seconds + GRACE_SECONDS) for undo in fault.undos()]
        with self._lock:
            self._held += leases
        began_ns = time.monotonic_ns()
        fired = ended = Evidence(False, "")
        begun = False
        try:
            try:
                fault.begin()
                begun = True
                fired = self._until(fault.fired, _FIRE_SECONDS)
            except _FAILS as error:
                fired = Evidence(False, f"it could not be done: {error}")
            self.over.wait(max(0.0, seconds - (time.monotonic_ns() - began_ns) / 1e9))
            if begun and not fired.shown:  # some need a while
                fired = self._until(fault.fired, 0.0)
        finally:
            problems = []
            try:
                fault.end()
            except _FAILS as error:
                problems.append(str(error))
            problems += [problem for lease in reversed(leases) if (problem := lease.end())]
            ended_ns = time.monotonic_ns()
            ended = Evidence(False, "; ".join(problems)) if problems else self._until(fault.ended, _HEAL_SECONDS)
            told = Told(
                fault.name, fault.target, fired.shown, ended.shown, f"{fired.told}; {ended.told}",
                Span(began_ns, ended_ns), whole=self._healing or ended_ns - began_ns >= _WHOLE_SHARE * seconds * 1e9,
            )  # fmt: skip
            with self._lock:
                self.told.append(told)
        return told

    def heal(self) -> list[str]:
        """End what lasts, and wait until it has ended; what went wrong. Other things may be broken after it."""
        self._healing = True
        problems = self.stop()
        with self._quiet:
            if not self._quiet.wait_for(lambda: not self._lasting, _HEAL_SECONDS + _LONGEST_SECONDS):
                problems.append("a fault did not end")
        self._healing = False
        self.over.clear()
        return problems

    def stop(self) -> list[str]:
        """End what lasts, and whatever would come; what went wrong."""
        self.over.set()
        with self._lock:
            held, self._held = self._held, []
        problems = [lease.end() for lease in reversed(held)]
        return [problem for problem in problems if problem]

    @staticmethod
    def _until(look: _Look, seconds: float) -> Evidence:
        """What look says as soon as it shows, or at the end."""
        end = time.monotonic() + seconds
        while True:
            try:
                seen = look()
            except _FAILS as error:
                seen = Evidence(False, str(error))
            if seen.shown or time.monotonic() >= end:
                return seen
            time.sleep(_LOOK_SECONDS)


class _Look(Protocol):
    def __call__(self) -> Evidence: ...
