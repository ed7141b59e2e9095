"""What happens to calls of the parts of a composite: they suspend, are slow, fail, and time out.

A part is a side of a migration or a tier of a hierarchy. Each call draws a number, which is noted, so that a
schedule can be played again and shrunk: 0 is an ordinary call.
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from cache_impls.dialects import Adapted

_OPERATIONS = ("get", "set", "delete", "clear")
SLOW_SECONDS = 0.5
TIMEOUT_SECONDS = 5.0

PLAIN, BEFORE, AFTER, SLOW, FAIL_BEFORE, FAIL_AFTER, TIME_OUT = range(7)
_QUIET = (PLAIN,) * 4 + (BEFORE, BEFORE, AFTER, AFTER)
_ERRORS = (*_QUIET, SLOW, FAIL_BEFORE, FAIL_AFTER, TIME_OUT)


class InjectedError(ConnectionError):
    """A failure of a part, ours: whoever called may pass it on or answer without the part."""


class InjectedTimeoutError(TimeoutError):
    """A part that did not answer in time; whether it did what was asked nobody knows."""


class Trouble:
    """Makes trouble around the parts of one cache, until `end`."""

    def __init__(self, seed: int, given: Sequence[int] | None, *, errors: bool) -> None:
        self.taken: list[int] = []
        self.fired = 0
        """Failures and time-outs that were raised."""
        self._given = None if given is None else iter(given)
        self._pick = random.Random(seed ^ 0xFA17).random
        self._kinds = _ERRORS if errors else _QUIET
        self._on = True

    def end(self) -> None:
        """From now on every call is an ordinary one."""
        self._on = False

    def wrap(self, _name: str, part: Adapted) -> Adapted:
        """The part with trouble around it."""
        troubled = copy.copy(part)
        for name in _OPERATIONS:
            setattr(troubled, name, self._around(getattr(part, name)))
        return troubled

    def _next(self) -> int:
        if not self._on:
            return PLAIN
        kind = self._kinds[int(self._pick() * len(self._kinds))] if self._given is None else next(self._given, PLAIN)
        self.taken.append(kind)
        return kind

    def _around(self, operation: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any) -> Any:
            kind = self._next()
            if kind == PLAIN:
                return await operation(*args)
            if kind in (BEFORE, SLOW):
                await asyncio.sleep(SLOW_SECONDS if kind == SLOW else 0)
            elif kind == FAIL_BEFORE:
                self.fired += 1
                raise InjectedError("this part was made to fail before it did anything")
            answer = await operation(*args)
            if kind == AFTER:
                await asyncio.sleep(0)
            elif kind == FAIL_AFTER:
                self.fired += 1
                raise InjectedError("this part was made to fail after it had done its work")
            elif kind == TIME_OUT:
                await asyncio.sleep(TIMEOUT_SECONDS)
                self.fired += 1
                raise InjectedTimeoutError("this part was made to answer too late")
            return answer

        return call
