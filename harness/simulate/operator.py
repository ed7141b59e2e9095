"""The operator: does one operation on the cache and records it, whatever becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from cache_impls.dialects import Adapted
from harness.history import MISS, NO_KEY, NO_STAGE, NO_TTL, UNSAID, Op, Outcome
from harness.simulate.loop import NeedsRealLoopError
from harness.simulate.schedule import NANOSECONDS_PER_TICK, TICKS_PER_SECOND, Step
from harness.simulate.tape import KEYS, VALUES, Tape
from harness.simulate.trouble import CLIENT, InjectedError, InjectedTimeoutError

# Plain ints, because an enum costs ten times as much to compare, and this is a hot path.
_GET, _SET, _DELETE, _CLEAR, _SIZE, _GET_OR_LOAD, _LOAD, _MOVE, _PEEK, *_ = map(int, Op)
_OK, _FAIL, _UNKNOWN, _RAISED, _HUNG = map(int, Outcome)
_MOST = 2**62
"""Counts stay below: a history holds 64 bits."""
_LOADER_FAILS_EVERY = 7
_LOADER_SLOW_EVERY = 4
_SLOW_SECONDS = 0.5
_SIDES = ("old", "new")


class LoadFailedError(RuntimeError):
    """The loader's own failure, ours."""


class MoveRefusedError(Exception):
    """A migration refused to move: it was no longer where we had seen it."""


class OddSizeError(TypeError):
    """A size that is no count: C0 tells."""


_OURS = (LoadFailedError, MoveRefusedError, InjectedError, InjectedTimeoutError)
_SLIPS = (LookupError, AttributeError, TypeError, NameError, AssertionError, asyncio.InvalidStateError)
"""What Python itself raises: in a handler of our failure it is the handler's own fault."""


def made_by_us(error: BaseException) -> BaseException | None:
    """Our failure that a cache passes on, as it is, in its own words (`raise X from error`) or in a group."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or one in seen:
            continue
        if isinstance(one, _OURS):
            return one
        seen.append(one)
        waiting.append(one.__cause__)
        if not isinstance(one, _SLIPS):
            waiting.append(one.__context__)
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return None


class Operator:
    """Operates one cache for one schedule. stages are those of a migration, in order."""

    def __init__(self, cache: Adapted, tape: Tape, stages: tuple[str, ...]) -> None:
        self.hung = False
        """Set before what hangs is cancelled, so that it is recorded as that."""
        self._cache = cache
        self._tape = tape
        self._stages = stages
        self._tag = 0

    async def operate(self, client: int, step: Step) -> None:
        """One operation. Cancelled, it is recorded as UNKNOWN; the cache's own error as RAISED."""
        cache, tape, act, key = self._cache, self._tape, step.act, step.key
        tag, ttl_ns, outcome = MISS, NO_TTL, _OK
        if act == _SET:
            self._tag = tag = self._tag + 1
            if step.ttl:
                ttl_ns = step.ttl * NANOSECONDS_PER_TICK
        stage = NO_STAGE
        if self._stages:
            CLIENT.set(client)
            stage = self._stage(step)
        start_ns, start = tape.clock.now_ns, tape.count()
        try:
            if act == _GET:
                answer = await cache.get(KEYS[key])
                if answer is not None:
                    tag = tape.tag_of(answer)
            elif act == _SET:
                await cache.set(KEYS[key], VALUES[key][tag], step.ttl / TICKS_PER_SECOND if step.ttl else None)
            elif act == _DELETE:
                answer = await cache.delete(KEYS[key])
                tag = UNSAID if answer is None else int(bool(answer))
            else:
                tag = await self._rare(client, step)
                if act != _GET_OR_LOAD:
                    key = NO_KEY
        except NeedsRealLoopError:
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                outcome = _HUNG if self.hung else _UNKNOWN
                tape.row(act, _key(step), tag, ttl_ns, client, start_ns, start, outcome)
                raise
            outcome = _RAISED  # nobody has cancelled this one
            tape.failed(f"{Op(act).name.lower()}()", error)
        except Exception as error:  # ours, perhaps in the cache's words; else its own: recorded, and C0 is told
            ours = made_by_us(error)
            if ours is None:
                outcome = _RAISED
                tape.failed(f"{Op(act).name.lower()}()", error)
            else:
                outcome = _UNKNOWN if isinstance(ours, InjectedError | InjectedTimeoutError) else _FAIL
        if outcome != _OK:
            key = _key(step)
        if stage != NO_STAGE and stage != self._stage(step):
            stage = NO_STAGE
        tape.row(act, key, tag, ttl_ns, client, start_ns, start, outcome, -1, stage)

    def _stage(self, step: Step) -> int:
        """The place of the stage that holds for the key now, for operations on one."""
        if step.act not in (_GET, _SET, _DELETE):
            return NO_STAGE
        native: Any = self._cache.native
        return self._stages.index(str(native.stage_of(KEYS[step.key])))

    async def peek(self, client: int, key: int) -> None:
        """What each side of a composite would answer, recorded."""
        tape = self._tape
        for place, side in enumerate(_SIDES):
            start_ns, start = tape.clock.now_ns, tape.count()
            answer = await self._cache.native.peek(side, KEYS[key])  # type: ignore[attr-defined]  # whoever calls has looked
            tag = MISS if answer is None else tape.tag_of(answer)
            tape.row(_PEEK, key, tag, NO_TTL, client, start_ns, start, _OK, place)

    async def _rare(self, client: int, step: Step) -> int:
        cache, act = self._cache, step.act
        if act == _GET_OR_LOAD:
            assert cache.get_or_load is not None  # drawn only for caches that have it
            ttl = step.ttl / TICKS_PER_SECOND if step.ttl else None
            answer = await cache.get_or_load(KEYS[step.key], self._loader(client, step), ttl)
            return MISS if answer is None else self._tape.tag_of(answer)
        if act == _CLEAR:
            await cache.clear()
        elif act == _SIZE:
            size = await cache.size()
            if type(size) is int and 0 <= size < _MOST:
                return size
            raise OddSizeError(f"size() answered {size!r}"[:80])
        elif act == _MOVE:
            await self._move(step.amount)
        return MISS

    def _loader(self, client: int, step: Step) -> Callable[[], Awaitable[str]]:
        """The slow truth behind the cache: it suspends, and fails now and then."""
        key, tape = step.key, self._tape
        ttl_ns = step.ttl * NANOSECONDS_PER_TICK if step.ttl and self._cache.load_takes_ttl else NO_TTL

        async def load(*_key: str) -> str:
            start_ns, start = tape.clock.now_ns, tape.count()
            self._tag = tag = self._tag + 1
            outcome = _FAIL
            try:
                for _ in range(1 + tag % 3):
                    await asyncio.sleep(0)
                if tag % _LOADER_SLOW_EVERY == 0:
                    await asyncio.sleep(_SLOW_SECONDS)
                if tag % _LOADER_FAILS_EVERY == 0:
                    raise LoadFailedError("the loader was made to fail")
                outcome = _OK
            finally:
                tape.row(_LOAD, key, tag, ttl_ns, client, start_ns, start, outcome)
            return VALUES[key][tag]

        return load

    async def _move(self, place: int) -> None:
        """To a stage: forward one by one, as is allowed, or back at once."""
        native: Any = self._cache.native
        here = self._stages.index(str(native.stage))
        try:
            for each in range(here + 1, place + 1) if place > here else (place,):
                await native.set_stage(self._stages[each])
        except ValueError as error:
            raise MoveRefusedError from error  # somebody else has moved meanwhile


def _key(step: Step) -> int:
    return NO_KEY if step.act in (_CLEAR, _SIZE, _MOVE) else step.key
