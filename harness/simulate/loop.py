"""A deterministic event loop in virtual time: no thread, no socket, no real sleep.

Time stands still while callbacks run, and jumps to the next timer when none is ready. Which of the ready callbacks
runs is the scheduler's choice, within what asyncio promises: steps of tasks may come in any order, plain callbacks
(`call_soon`, timers, done callbacks) keep theirs. What needs the world outside (threads, sockets, processes,
signals) raises `NeedsRealLoopError`.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from asyncio import events
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import Any, NoReturn

from harness.clock import WorkloadClock

Choose = Callable[[list["Handle"]], int]
"""The index of the ready callback to run, of two or more."""


class NeedsRealLoopError(RuntimeError):
    """The cache asked for a thread, a socket or a process: no simulation can give it that."""


class Handle:
    """A callback that was scheduled, and can be cancelled."""

    __slots__ = ("args", "callback", "context", "loop", "off")

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None) -> None:
        self.callback = callback
        self.args = args
        self.context = copy_context() if context is None else context
        self.off = False

    def cancel(self) -> None:
        """Never run it."""
        self.off = True

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.off

    @property
    def task(self) -> Any:
        """The task that it would step, or None for a plain callback."""
        owner = getattr(self.callback, "__self__", None)
        return owner if isinstance(owner, asyncio.Task) else None


class Timer(Handle):
    """A callback at a time, in seconds of the loop's clock."""

    __slots__ = ("at",)

    def __init__(self, at: float, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None) -> None:
        super().__init__(callback, args, context)
        self.at = at

    def when(self) -> float:
        """Its time."""
        return self.at


class SimulatedLoop(asyncio.AbstractEventLoop):
    """An event loop for one schedule; `run` drives it. Make a new one for the next."""

    def __init__(self, clock: WorkloadClock, choose: Choose) -> None:
        self._clock = clock
        self._choose = choose
        self._now = clock.functions()["monotonic"]
        self.ready: list[Handle] = []
        self.timers: list[tuple[float, int, Timer]] = []
        self.tasks: list[asyncio.Task[Any]] = []
        """All tasks ever made here."""
        self.complaints: list[dict[str, Any]] = []
        """What was given to the exception handler."""
        self.refused: str | None = None
        """What was asked for that no simulation has."""
        self.ran = 0
        """Callbacks so far."""
        self._made = 0
        self._closed = False
        self._debug = False

    def run(self, working: Sequence[object], *, steps: int) -> bool:
        """Run callbacks until working is empty; False if nothing is left to wait for or steps are used up."""
        ready, timers, choose, now = self.ready, self.timers, self._choose, self._now
        while working:
            steps -= 1
            if steps < 0:
                return False
            if timers and (not ready or timers[0][0] <= now()) and not self._take_due(wait=not ready):
                return False
            if not ready:
                if timers:
                    continue
                return False
            handle = ready.pop(0) if len(ready) == 1 else self._take(choose(ready))
            if not handle.off:
                self.ran += 1
                handle.context.run(handle.callback, *handle.args)
        return True

    def run_ready(self, steps: int = 1000) -> None:
        """Run what can run without time passing."""
        while self.ready and steps:
            steps -= 1
            handle = self.ready.pop(0)
            if not handle.off:
                handle.context.run(handle.callback, *handle.args)

    @property
    def idle(self) -> bool:
        """Whether nothing will ever happen here."""
        return not self.ready and not self.timers_set()

    def timers_set(self) -> int:
        """How many timers wait."""
        return sum(not timer.off for _, _, timer in self.timers)

    def _take(self, index: int) -> Handle:
        """The chosen callback; of plain ones the first, as asyncio promises."""
        ready = self.ready
        if ready[index].task is None:
            index = next(i for i in range(index + 1) if ready[i].task is None)
        return ready.pop(index)

    def _take_due(self, *, wait: bool) -> bool:
        """Make the timers ready that are due, waiting for the next if asked; False if there is none."""
        clock, timers, now = self._clock, self.timers, self._now
        while timers and timers[0][2].off:
            heapq.heappop(timers)
        if not timers:
            return bool(self.ready)
        at = timers[0][0]
        if wait and at > now():
            clock.advance_to(clock.now_ns + math.ceil((at - now()) * 1e9))
            while now() < at:  # rounding to a float may leave it a hair before
                clock.advance_to(clock.now_ns + 1)
        while timers and timers[0][0] <= now():
            timer = heapq.heappop(timers)[2]
            if not timer.off:
                self.ready.append(timer)
        return True

    # What callbacks and caches call

    def time(self) -> float:
        """Virtual seconds."""
        return self._now()

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Handle:  # type: ignore[override]  # a handle of our own
        """Schedule a callback."""
        if self._closed:
            raise RuntimeError("Event loop is closed")
        handle = Handle(callback, args, context)
        self.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there are no other threads

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Timer:  # type: ignore[override]  # as call_soon
        """Schedule a callback for a time."""
        if self._closed:
            raise RuntimeError("Event loop is closed")
        timer = Timer(when, callback, args, context)
        self._made += 1
        heapq.heappush(self.timers, (when, self._made, timer))
        return timer

    def call_later(  # type: ignore[override]  # as call_soon
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Timer:
        """Schedule a callback for so many seconds from now."""
        return self.call_at(self._now() + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # typeshed's signature is of the newest Python
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None, **_: Any
    ) -> asyncio.Task[Any]:
        """A task of this loop."""
        task = asyncio.Task(coro, loop=self, name=name or "", context=context)
        self.tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep the complaint; whoever plays the schedule looks at them."""
        self.complaints.append(context)

    def get_debug(self) -> bool:
        """False unless somebody set it."""
        return self._debug

    def set_debug(self, enabled: bool) -> None:
        """Of no effect here."""
        self._debug = enabled

    def is_running(self) -> bool:
        """Whether it runs in this thread now."""
        return events._get_running_loop() is self  # noqa: SLF001  # as above

    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def end(self) -> None:
        """Cancel what still goes on, so that nothing is left to complain about, and close.

        Raises NeedsRealLoopError if the cache asked for what no simulation has, whatever it made of the answer.
        """
        with self.entered():
            for task in self.tasks:
                if not task.done():
                    task.cancel()
            self.run_ready()
            self.complaints.clear()
        self.close()
        if self.refused is not None:
            raise NeedsRealLoopError(self.refused)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be the running loop."""
        before = events._get_running_loop()  # noqa: SLF001  # as asyncio.run does; there is no public setter
        events._set_running_loop(self)  # noqa: SLF001  # as above
        try:
            yield
        finally:
            events._set_running_loop(before)  # noqa: SLF001  # as above

    def close(self) -> None:
        """Drop what is scheduled."""
        self._closed = True
        self.ready.clear()
        self.timers.clear()

    def run_in_executor(self, *_args: Any) -> NoReturn:  # type: ignore[override]  # it never answers
        """Refuse: a thread is not deterministic."""
        self.refuse("it runs work in a thread")

    def refuse(self, why: str) -> NoReturn:
        """Raise NeedsRealLoopError, and remember: a library may take it for a failed connection."""
        self.refused = why
        raise NeedsRealLoopError(why)

    async def shutdown_asyncgens(self) -> None:
        """Nothing to do: their hooks are not set."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # asyncio's name
        """Nothing to do: there is none."""


def _refuse(name: str) -> Callable[..., NoReturn]:
    def refuse(self: SimulatedLoop, *_args: object, **_more: object) -> NoReturn:
        self.refuse(f"it calls the event loop's {name}()")

    return refuse


for _name in (
    *(name for name in vars(asyncio.AbstractEventLoop) if name.startswith(("sock_", "subprocess_", "connect_"))),
    "add_reader", "add_writer", "remove_reader", "remove_writer", "add_signal_handler", "remove_signal_handler",
    "create_connection", "create_server", "create_unix_connection", "create_unix_server",
    "create_datagram_endpoint", "getaddrinfo", "getnameinfo", "sendfile", "start_tls", "run_forever",
    "run_until_complete", "set_default_executor",
):  # fmt: skip
    setattr(SimulatedLoop, _name, _refuse(_name))
