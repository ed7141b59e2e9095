"""The watchdog: real seconds after which a cache that does not give control back is interrupted."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

LIMIT_SECONDS = 5.0
"""For one schedule or rule, which takes a millisecond or ten."""


class BlockedError(BaseException):
    """The cache does not give control back: an endless loop, or a wait outside the event loop.

    No Exception, so that a cache that catches those does not go on for ever.
    """


class limited:  # noqa: N801  # reads as what it does: with limited(): ...
    """Raise BlockedError in the main thread if what is done takes longer.

    A class, because a generator costs as much again, and this stands around every schedule.
    """

    def __init__(self, seconds: float = LIMIT_SECONDS) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGALRM, _interrupt)
        _arm(self._seconds)

    def __exit__(self, *_error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)


def alive() -> None:
    """Give what is under way its time anew: a real loop that turns is slow, not blocked."""
    if signal.getitimer(signal.ITIMER_REAL)[0]:
        _arm(LIMIT_SECONDS)


def _arm(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again and again, should the first be swallowed


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise BlockedError
