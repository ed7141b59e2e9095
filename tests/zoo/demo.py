"""Demonstrations that a fault is real: one scenario each, which must show on the fault and not on its correct twin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from conftest import VirtualTime

Scenario = Callable[[Any, "World"], Awaitable[bool]]
"""Of a cache: whether the wrong behaviour shows."""

PLAIN = "tests/zoo/plain.py:PlainCache"


class Demonstration(NamedTuple):
    """A scenario, the correct twin it must not show on, and the parameters of both."""

    scenario: Scenario
    twin: str
    parameters: str


DEMONSTRATIONS: dict[str, Demonstration] = {}
"""By the name of the animal."""


def shows(name: str, *, twin: str = PLAIN, parameters: str = "") -> Callable[[Scenario], Scenario]:
    """Register a scenario for the animal of that name."""

    def register(scenario: Scenario) -> Scenario:
        DEMONSTRATIONS[name] = Demonstration(scenario, twin, parameters)
        return scenario

    return register


class World:
    """What a scenario may do to time."""

    def __init__(self, virtual_time: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> None:
        self._clock = virtual_time.clock
        self._monkeypatch = monkeypatch

    def stall(self, seconds: float) -> None:
        """Let time pass while no task and no timer runs."""
        self._clock.advance_by(seconds)

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone."""
        wall = time.time
        self._monkeypatch.setattr(time, "time", lambda: wall() + seconds)


class Gate:
    """Parks a cache's input/output: after the first `skip`, the next `holds` calls wait until they are released."""

    def __init__(self, cache: Any, *, holds: int = 1, skip: int = 0) -> None:
        self._skip, self._holds = skip, holds
        self._parked: list[asyncio.Future[None]] = []
        cache._io = self._io

    async def _io(self) -> None:
        if self._skip > 0:
            self._skip -= 1
        elif self._holds > 0:
            self._holds -= 1
            parked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._parked.append(parked)
            await parked
            return
        await asyncio.sleep(0)

    async def release(self, index: int = 0) -> None:
        """Let one of the parked go on, if there is one, and see what comes of it."""
        if index < len(self._parked):
            _resolve(self._parked.pop(index))
        await settle()

    async def open(self) -> None:
        """Let all go on, now and later."""
        self._holds = 0
        while self._parked:
            await self.release()
        await settle()


async def settle() -> None:
    """Let every task go as far as it gets with no time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


async def parked(operation: Awaitable[Any]) -> asyncio.Task[Any]:
    """A task that has gone as far as it gets."""
    task = asyncio.ensure_future(operation)
    await settle()
    assert isinstance(task, asyncio.Task)
    return task


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel task and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def hangs(operation: Awaitable[Any]) -> bool:
    """Whether operation is still under way after a second."""
    try:
        await asyncio.wait_for(operation, 1)
    except TimeoutError:
        return True
    return False


async def raises(operation: Awaitable[Any], *errors: type[BaseException]) -> bool:
    """Whether operation raises one of errors."""
    try:
        await operation
    except errors:
        return True
    return False


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
