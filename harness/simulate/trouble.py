"""What happens to calls of the parts of a composite: they suspend, are slow, fail, and time out.

A part is a side of a migration or a tier of a hierarchy. Each call draws a number, which is noted, so that a
schedule can be played again and shrunk: 0 is an ordinary call.
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

from cache_impls.dialects import Adapted
from harness.history import NO_KEY, NO_TTL, Op, Outcome
from harness.simulate.tape import KEYS, Tape

Operation = Callable[..., Awaitable[Any]]

_OPERATIONS = ("get", "set", "delete", "clear")
_RECORDED = {"get": Op.SIDE_GET, "set": Op.SIDE_SET, "delete": Op.SIDE_DELETE}
_SIDES = {"old": 0, "new": 1}
_OK, _UNKNOWN = int(Outcome.OK), int(Outcome.UNKNOWN)
CLIENT: ContextVar[int] = ContextVar("client", default=NO_KEY)
"""Whose operation is under way in this task."""
SLOW_SECONDS, LATE_SECONDS = 0.5, 1.5
"""An answer that is late is so by longer than most other operations take, whole ones with slow parts too: what it
carries is old news then. And by less than most ttls, so that somebody still reads what is made of it."""
TIMEOUT_SECONDS = 5.0

PLAIN, BEFORE, AFTER, SLOW, FAIL_BEFORE, FAIL_AFTER, TIME_OUT, LATE = range(8)
"""SLOW waits before it does anything, LATE after it has done all: between them everybody else acts."""
_QUIET = (PLAIN,) * 6 + (BEFORE,) * 3 + (AFTER,) * 3 + (SLOW, LATE, LATE)
_ERRORS = (*_QUIET, SLOW, FAIL_BEFORE, FAIL_AFTER, LATE, TIME_OUT, FAIL_BEFORE)


class InjectedError(ConnectionError):
    """A failure of a part, ours: whoever called may pass it on or answer without the part."""


class InjectedTimeoutError(TimeoutError):
    """A part that did not answer in time; whether it did what was asked nobody knows."""


class Trouble:
    """Makes trouble around the parts of one cache, until `end`."""

    def __init__(self, seed: int, given: Sequence[int] | None, tape: Tape, *, errors: bool) -> None:
        self.taken: list[int] = []
        self._tape = tape
        self.fired = 0
        """Failures and time-outs that were raised."""
        self._given = None if given is None else iter(given)
        self._seed = seed ^ 0xFA17
        self._rng: random.Random | None = None  # made when it is first needed: most caches have no parts
        self._kinds = _ERRORS if errors else _QUIET
        self._on = True

    def end(self) -> None:
        """From now on every call is an ordinary one."""
        self._on = False

    def wrap(self, name: str, part: Adapted) -> Adapted:
        """The part with trouble around it; calls of a migration's sides are recorded."""
        troubled = copy.copy(part)
        for operation in _OPERATIONS:
            call = self._around(getattr(part, operation))
            if name in _SIDES and operation in _RECORDED:
                call = self._recorded(call, _RECORDED[operation], _SIDES[name])
            setattr(troubled, operation, call)
        return troubled

    def _recorded(self, call: Operation, op: Op, side: int) -> Operation:
        tape = self._tape

        async def recorded(key: str, *more: Any) -> Any:
            start_ns, start = tape.clock.now_ns, tape.count()
            outcome = _UNKNOWN
            try:
                answer = await call(key, *more)
                outcome = _OK
            finally:
                place = KEYS.index(key) if key in KEYS else NO_KEY
                tape.row(op, place, 0, NO_TTL, CLIENT.get(), start_ns, start, outcome, side)
            return answer

        return recorded

    def _next(self) -> int:
        if not self._on:
            return PLAIN
        if self._given is not None:
            kind = next(self._given, PLAIN)
        else:
            self._rng = self._rng or random.Random(self._seed)
            kind = self._kinds[int(self._rng.random() * len(self._kinds))]
        self.taken.append(kind)
        return kind

    def _around(self, operation: Operation) -> Operation:
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
            if kind in (AFTER, LATE):
                await asyncio.sleep(LATE_SECONDS if kind == LATE else 0)
            elif kind == FAIL_AFTER:
                self.fired += 1
                raise InjectedError("this part was made to fail after it had done its work")
            elif kind == TIME_OUT:
                await asyncio.sleep(TIMEOUT_SECONDS)
                self.fired += 1
                raise InjectedTimeoutError("this part was made to answer too late")
            return answer

        return call
