"""The simulated loop: virtual time, the order of callbacks, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from harness.clock import WorkloadClock
from harness.simulate.loop import Handle, NeedsRealLoopError, SimulatedLoop

YEAR = 365 * 86_400


class World:
    """A clock and a loop, always the first callback unless told."""

    def __init__(self, *indices: int) -> None:
        self.clock = WorkloadClock()
        self._indices = iter(indices)
        self.choices: list[int] = []
        self.loop = SimulatedLoop(self.clock, self._choose)  # type: ignore[abstract]  # what it lacks is set by name

    def _choose(self, ready: list[Handle]) -> int:
        self.choices.append(len(ready))
        return min(next(self._indices, 0), len(ready) - 1)

    def run(self, *works: Coroutine[Any, Any, Any], steps: int = 10_000) -> bool:
        working: list[object] = [None] * len(works)

        async def until_done(work: Coroutine[Any, Any, Any]) -> None:
            try:
                await work
            finally:
                working.pop()

        with self.loop.entered():
            tasks = [self.loop.create_task(until_done(work)) for work in works]
            done = self.loop.run(working, steps=steps)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()
        self.loop.end()
        return done


def test_time_stands_still_and_jumps() -> None:
    """A year of sleep costs nothing, and ends exactly where it should."""
    world = World()
    times = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(0)
        times.append(loop.time() - began)
        await asyncio.sleep(YEAR)
        times.append(loop.time() - began)

    assert world.run(work())
    assert times == [0, YEAR]
    assert world.clock.now_ns == YEAR * 1_000_000_000


def test_timers_fire_in_the_order_of_their_times() -> None:
    """Whatever the order in which they were set; a cancelled one never."""
    world = World()
    fired: list[float] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        for seconds in (3.0, 1.0, 2.0, 0.001):
            loop.call_later(seconds, fired.append, seconds)
        loop.call_later(1.5, fired.append, 1.5).cancel()
        await asyncio.sleep(4)

    assert world.run(work())
    assert fired == [0.001, 1.0, 2.0, 3.0]


def test_plain_callbacks_keep_their_order() -> None:
    """asyncio promises it of call_soon, so no choice may break it."""
    world = World(3, 2, 1, 3, 2, 1)
    called: list[int] = []

    async def work() -> None:
        for i in range(4):
            asyncio.get_running_loop().call_soon(called.append, i)
        await asyncio.sleep(1)

    assert world.run(work())
    assert called == [0, 1, 2, 3]
    assert max(world.choices) > 1


@pytest.mark.parametrize(("first", "expected"), [(0, ["a", "b"]), (1, ["b", "a"])])
def test_tasks_run_in_the_order_that_is_chosen(first: int, expected: list[str]) -> None:
    """The choice is what decides between two tasks that could both run."""
    world = World(first)
    ran: list[str] = []

    async def work(name: str) -> None:
        ran.append(name)

    assert world.run(work("a"), work("b"))
    assert ran == expected


def test_a_wait_for_nothing_ends() -> None:
    """With nothing left to wait for the loop says so, in place of waiting."""

    async def work() -> None:
        await asyncio.Event().wait()

    assert not World().run(work())


def test_an_endless_loop_of_awaits_ends() -> None:
    """It is given so many steps."""

    async def work() -> None:
        for _ in range(1_000_000):
            await asyncio.sleep(0)

    assert not World().run(work(), steps=100)


@pytest.mark.parametrize("call", ["thread", "connection", "getaddrinfo"])
def test_what_needs_the_world_is_refused(call: str) -> None:
    """A thread or a socket is not deterministic: the error says what was asked for."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        if call == "thread":
            await asyncio.to_thread(print)
        elif call == "connection":
            await asyncio.open_connection("127.0.0.1", 1)
        else:
            await loop.getaddrinfo("localhost", 1)

    with pytest.raises(NeedsRealLoopError, match=r"thread|create_connection|getaddrinfo"):
        World().run(work())


def test_asyncio_itself_works_on_it() -> None:
    """Locks, queues, gather, time-outs, cancellation: the standard library's, unchanged."""
    world = World()
    found: list[Any] = []

    async def work() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        lock = asyncio.Lock()

        async def put(number: int) -> int:
            async with lock:
                await asyncio.sleep(1)
                await queue.put(number)
            return number

        found.append(await asyncio.gather(put(1), put(2)))
        found.append([await queue.get(), await queue.get()])
        try:
            async with asyncio.timeout(5):
                await asyncio.sleep(10)
        except TimeoutError:
            found.append("late")
        task = asyncio.ensure_future(asyncio.sleep(100))
        await asyncio.sleep(0)
        task.cancel()
        found.append((await asyncio.gather(task, return_exceptions=True))[0].__class__)

    assert world.run(work())
    assert found == [[1, 2], [1, 2], "late", asyncio.CancelledError]
    assert world.clock.now_ns == 7_000_000_000


def test_two_uses_of_one_loop_leave_nothing() -> None:
    """`end` cancels what still goes on."""
    world = World()
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("forever")

    async def work() -> None:
        asyncio.ensure_future(forever())  # noqa: RUF006  # the loop keeps it; that it is left is the point
        await asyncio.sleep(0)

    assert world.run(work())
    assert ended == ["forever"]
    assert world.loop.timers_set() == 0
