"""The watchdog: real seconds after which a cache that does not give control back is interrupted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

LIMIT_SECONDS = 5.0
"""For one schedule or rule, which takes a millisecond or ten."""


class BlockedError(BaseException):
    """The cache does not give control back: an endless loop, or a wait outside the event loop.

    No Exception, so that a cache that catches those does not go on for ever.
    """


@contextmanager
def limited(seconds: float = LIMIT_SECONDS) -> Iterator[None]:
    """Raise BlockedError in the main thread if what is done takes longer."""
    before = signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again and again, should the first be swallowed
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise BlockedError
