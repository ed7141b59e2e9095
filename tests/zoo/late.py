"""A far tier whose requests land, once sent, whatever becomes of the sender: a decoy, and what hierarchies stand on."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from plain import PlainCache

from cache_impls.protocol import check_key, check_ttl, check_value

_SECONDS = (0.0,) * 6 + (0.125, 0.5)
"""How long a request takes to land: the longest is twice a hierarchy's timeout."""
_PROMPT_AT_FIRST = 2
"""A seed by which the first ten take no time: check finds out a default ttl by a set and a get of a fresh cache."""


class LateCache(PlainCache):
    """Correct: each request takes effect at one instant, but a cancelled one may do so after its caller has gone."""

    def _prepare(self) -> None:
        self._rng = random.Random(_PROMPT_AT_FIRST)
        self._under_way: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._under_way, self._timer = [], None
        super()._follow(loop)

    async def get(self, key: str) -> Any | None:
        """Read when the request lands."""
        check_key(key)
        self._use()
        return await self._send(partial(self._read, key))

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store when the request lands."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._use()
        await self._send(lambda: self._store(key, value, self._deadline(ttl)))

    async def delete(self, key: str) -> bool:
        """Remove when the request lands."""
        check_key(key)
        self._use()
        return bool(await self._send(partial(self._erase, key)))

    async def clear(self) -> None:
        """Empty when the request lands."""
        self._use()
        await self._send(self._empty)

    async def shutdown(self) -> None:
        """End what is under way too."""
        if self._timer is not None:
            self._timer.cancel()
        self._under_way.clear()
        await super().shutdown()

    async def _send(self, effect: Callable[[], Any]) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def land() -> None:
            found = effect()
            if not answer.done():
                answer.set_result(found)

        at = self._now() + self._rng.choice(_SECONDS)
        heapq.heappush(self._under_way, (at, next(self._numbers), land))
        self._wait()
        return await answer

    def _wait(self) -> None:
        """One timer, for the next to land."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._under_way:
            self._timer = asyncio.get_running_loop().call_at(self._under_way[0][0], self._land)

    def _land(self) -> None:
        while self._under_way and self._under_way[0][0] <= self._now():
            heapq.heappop(self._under_way)[2]()
        self._wait()
