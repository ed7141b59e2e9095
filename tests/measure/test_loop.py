"""Workload time: it moves when the driver or an idle loop moves it, and timers follow."""

from __future__ import annotations

import asyncio
import threading
import time

from conftest import VirtualTime

from harness.clock import EPOCH_SECONDS, START_SECONDS, WorkloadClock


def test_an_idle_loop_jumps_to_its_next_timer(virtual_time: VirtualTime) -> None:
    """An hour of sleep takes an hour of workload time, and no real one."""
    began = time.perf_counter()

    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert virtual_time.run(main()) >= START_SECONDS + 3600
    assert time.perf_counter() - began < 60  # only that it was not an hour


def test_all_clocks_of_time_agree(virtual_time: VirtualTime) -> None:
    """`monotonic`, `time` and their `_ns` forms move together with the loop's clock."""
    virtual_time.clock.advance_by(12.5)
    assert time.monotonic() == START_SECONDS + 12.5 == virtual_time.loop.time()
    assert time.monotonic_ns() == (START_SECONDS * 1000 + 12_500) * 1_000_000
    assert time.time() == EPOCH_SECONDS + 12.5
    assert time.time_ns() == (EPOCH_SECONDS * 1000 + 12_500) * 1_000_000


def test_time_never_goes_back() -> None:
    """A request with an older timestamp leaves the clock where it is."""
    clock = WorkloadClock()
    clock.advance_to(500)
    clock.advance_to(100)
    clock.advance_by(-1)
    assert clock.now_ns == 500


def test_due_timers_are_work(virtual_time: VirtualTime) -> None:
    """`has_work` is how the driver knows that it must yield: it sees due timers and ready callbacks."""
    loop = virtual_time.loop
    seen: list[str] = []

    async def main() -> None:
        assert not loop.has_work()
        loop.call_later(10, seen.append, "timer")
        assert not loop.has_work()
        virtual_time.clock.advance_by(10)
        assert loop.has_work()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert seen == ["timer"]
        assert not loop.has_work()
        loop.call_soon(seen.append, "ready")
        assert loop.has_work()

    virtual_time.run(main())


def test_a_thread_is_waited_for_in_real_time(virtual_time: VirtualTime) -> None:
    """While a thread works an idle loop does not jump over its timers; what it waited is counted."""
    release = threading.Event()

    async def main() -> bool:
        work = asyncio.get_running_loop().run_in_executor(None, release.wait, 30)
        late = asyncio.get_running_loop().call_later(0.05, release.set)
        done = await work
        late.cancel()
        return done

    assert virtual_time.run(main())
