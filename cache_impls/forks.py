"""Foreign code that forks and goes on in both processes: only one of them is the process that was started.

The copy ends here, where it would come back as if it were the original; the original raises. A fork whose child ends by
itself or runs another program (a worker, a subprocess) is nobody's affair.
"""

from __future__ import annotations

import mmap
import os
import select
import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_COPY_SECONDS = 0.02
"""Given to a copy to come back, once a fork was seen."""
_forks = 0


class CopiedError(RuntimeError):
    """The code forked, and both processes went on."""


def _count() -> None:
    global _forks  # noqa: PLW0603  # the interpreter calls this after each fork, and hands it nothing
    _forks += 1


os.register_at_fork(after_in_parent=_count)


class Alone:
    """Calls foreign code, any number of times, so that one process comes back from it."""

    def __init__(self) -> None:
        self._copied = mmap.mmap(-1, 1)
        """One byte that all copies share: set by one that came back."""

    def call(self, function: Callable[[], _T]) -> _T:
        """What function returns. Raises CopiedError once a copy of this process came back from it."""
        me, forks = os.getpid(), _forks
        try:
            return function()
        finally:
            if os.getpid() != me:
                self._copied[0] = 1
                os._exit(1)
            if _forks != forks:
                self._await_copy()
            if self._copied[0]:
                raise CopiedError("it forks, and its copy goes on as if it were the original; end it with os._exit")

    def _await_copy(self) -> None:
        end = time.perf_counter() + _COPY_SECONDS
        while not self._copied[0] and time.perf_counter() < end:
            select.select((), (), (), 0.001)  # not time.sleep, which a simulation replaces
