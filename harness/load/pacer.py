"""Arrivals at a rate that does not depend on answers: slots that are due, one after the other, none dropped.

A user who is free takes the next slot and waits until it is due; if it is overdue, the user begins at once, and the
response time counts from when it should have begun. Timers of the event loop are late by up to a millisecond
(epoll counts in those; measured here: 0.9 ms in the median), which would be told as the cache's, so the pacer waits
for a timerfd, which counts in nanoseconds (0.02 to 0.07 ms late, measured here).
"""

from __future__ import annotations

import ctypes
import os
from array import array
from collections import deque
from time import monotonic_ns
from typing import Any

import gevent

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1
_SECOND_NS = 1_000_000_000
NO_MORE = -1
"""In the place of a slot, when the run is over."""


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class Alarm:
    """A timer of the kernel, awaited by one greenlet."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._descriptor = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._spec = _TimerSpec()
        self._hub = gevent.get_hub()
        self._readable = self._hub.loop.io(self._descriptor, 1)

    def set(self, at_ns: int) -> None:
        """It goes off when the monotonic clock shows at_ns."""
        value = self._spec.value
        value.seconds, value.nanoseconds = divmod(at_ns, _SECOND_NS)
        self._settime(self._descriptor, _ABSOLUTE, ctypes.byref(self._spec), None)

    def wait(self) -> None:
        """Let others run until it goes off."""
        self._hub.wait(self._readable)
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            pass  # it was set anew after it went off

    def close(self) -> None:
        """Give the timer back."""
        self._readable.close()
        os.close(self._descriptor)


class Pacer:
    """Hands out slots to the users of this process; `gap_ns` apart, or at once where that is 0 (closed loop)."""

    def __init__(self) -> None:
        self.gap_ns = 0
        self.late_ns = array("q")
        """How late each user who waited for a slot was woken: the driver's own doing."""
        self._ended = False
        self._next_ns = 0
        self._waiting: deque[list[Any]] = deque()
        """[when due, greenlet], in the order of slots; the greenlet is None if it was killed meanwhile."""
        self._alarm: Alarm | None = None
        self._greenlet: Any = None
        self._hub: Any = None

    def set_gap(self, gap_ns: int) -> None:
        """From now on slots are so far apart; 0 ends the schedule. Overdue slots stay due."""
        now_ns = monotonic_ns()
        if gap_ns and not self.gap_ns:
            self._next_ns = now_ns
        self.gap_ns = gap_ns
        if self._waiting:  # they hold slots of the old pace
            for place, entry in enumerate(self._waiting, 1):
                entry[0] = now_ns + place * gap_ns
            self._next_ns = self._waiting[-1][0] + gap_ns
            self._set_alarm()
        if gap_ns and self._greenlet is None:
            self._hub = gevent.get_hub()
            self._alarm = Alarm()
            self._greenlet = gevent.spawn(self._wake_users)

    def take(self) -> int:
        """When the next slot is due, after waiting for it; 0 in a closed loop, at once; `NO_MORE` at the end."""
        if self._ended:
            return NO_MORE
        if not self.gap_ns:
            return 0
        due_ns = self._next_ns
        self._next_ns = due_ns + self.gap_ns
        if due_ns > monotonic_ns():
            entry: list[Any] = [due_ns, gevent.getcurrent()]
            self._waiting.append(entry)
            if len(self._waiting) == 1:
                self._set_alarm()
            try:
                self._hub.switch()
            except BaseException:  # killed at the end of the run: handed on
                entry[1] = None
                raise
            due_ns = entry[0]
        return NO_MORE if self._over() else due_ns

    def _over(self) -> bool:
        return self._ended

    @property
    def overdue(self) -> int:
        """Slots that should have begun and have not."""
        if not self.gap_ns:
            return 0
        return max(0, (monotonic_ns() - self._next_ns) // self.gap_ns)

    def end(self) -> None:
        """No more slots; nobody is left waiting."""
        self.gap_ns, self._ended = 0, True
        if self._greenlet is not None and self._alarm is not None:
            self._greenlet.kill()
            self._alarm.close()
            self._greenlet = self._alarm = None
        while self._waiting:
            self._wake(self._waiting.popleft())

    def _set_alarm(self) -> None:
        assert self._alarm is not None  # there is one as long as there is a gap
        self._alarm.set(self._waiting[0][0])

    def _wake(self, entry: list[Any]) -> None:
        self._hub.loop.run_callback(self._resume, entry)

    @staticmethod
    def _resume(entry: list[Any]) -> None:
        if entry[1] is not None:
            entry[1].switch()

    def _wake_users(self) -> None:
        waiting, alarm = self._waiting, self._alarm
        assert alarm is not None
        while True:
            alarm.wait()
            while waiting and waiting[0][0] <= (now_ns := monotonic_ns()):
                entry = waiting.popleft()
                self.late_ns.append(now_ns - entry[0])
                self._wake(entry)
            if waiting:
                self._set_alarm()
