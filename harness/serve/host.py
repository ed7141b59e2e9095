"""The host: one cache behind a RESP server, counted and timed.

A connection is one task that answers its commands in order, as Redis does; connections interleave wherever the cache
suspends. Replies of commands that came together leave together. What the cache raises is an error reply.
"""

from __future__ import annotations

import asyncio
import os
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import copy_context
from functools import partial
from time import perf_counter_ns
from types import coroutine
from typing import Any, cast

from cache_impls.dialects import Adapted
from cache_impls.protocol import COUNTERS
from harness import __version__
from harness.serve.commands import OUT_OF_MEMORY, CacheError, Session, answer
from harness.serve.debug import Debug
from harness.serve.resp import Command, Limits, Parser, ProtocolError, error

OPERATIONS = ("get", "set", "delete", "clear", "size")
EDGES_SECONDS = (
    *(1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper edges of the histogram of durations."""
MAX_CLIENTS = 10_000
_RECEIVED_BYTES = 256 * 1024
"""Of one read from a socket, at most."""
_WAITING = 1_000
"""Commands of a connection that wait, above which its socket is read no further."""
_REPLIES_BYTES = 256 * 1024
"""Replies are sent at the latest when so much of them has gathered."""
_MAX_OUT_BYTES = 64 * 1024 * 1024
"""Replies that a client does not fetch, above which its connection ends."""
DRAIN_SECONDS = 5.0
_PROBE = "cachegate:health"


class Tally:
    """One operation's counts and durations."""

    __slots__ = ("buckets", "errors", "ok", "seconds_ns")

    def __init__(self) -> None:
        self.ok = 0
        self.errors = 0
        self.seconds_ns = 0
        self.buckets = [0] * (len(EDGES_SECONDS) + 1)


_EDGES_NS = [round(edge * 1e9) for edge in EDGES_SECONDS]


class Host:
    """One cache, and everybody who uses it."""

    version = __version__

    def __init__(
        self,
        cache: Adapted,
        spec: str,
        limits: Limits = Limits(),  # noqa: B008  # immutable
        debug: Debug | None = None,
    ) -> None:
        self.cache = cache
        self.debug = debug
        self.spec = spec
        self.limits = limits
        self.tallies = {name: Tally() for name in OPERATIONS}
        self.errors: dict[str, int] = {}
        """By the name of what the cache raised."""
        self.connections: set[Connection] = set()
        self.received = memoryview(bytearray(_RECEIVED_BYTES))
        self.accepted = 0
        self.refused = 0
        """Connections that ended for what they sent, or that came too many."""
        self.began = time.monotonic()
        self.draining = False
        self.get = self._timed("get", cache.get)
        self.set = self._timed("set", cache.set)
        self.delete = self._timed("delete", cache.delete)
        self.clear = self._timed("clear", cache.clear)
        self.size = self._timed("size", cache.size)

    def _timed(self, name: str, operation: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        tally, edges = self.tallies[name], _EDGES_NS

        async def timed(*args: Any) -> Any:
            began_ns = perf_counter_ns()
            try:
                found = await operation(*args)
            except Exception as raised:
                tally.errors += 1
                kind = type(raised).__name__
                self.errors[kind] = self.errors.get(kind, 0) + 1
                raise CacheError(f"{name} raised {kind}: {raised}") from raised
            took_ns = perf_counter_ns() - began_ns
            tally.ok += 1
            tally.seconds_ns += took_ns
            tally.buckets[bisect_left(edges, took_ns)] += 1
            return found

        return timed

    @property
    def uptime_seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self.began

    def info(self) -> dict[str, object]:
        """What INFO says: the server, its clients, and what was asked of the cache."""
        counts = {f"cachegate_{name}_ok": tally.ok for name, tally in self.tallies.items()}
        failed = {f"cachegate_{name}_errors": tally.errors for name, tally in self.tallies.items()}
        return {
            "redis_version": "7.0.0",  # clients look at it to know what they may ask
            "redis_mode": "standalone",
            "role": "master",
            "cachegate_version": self.version,
            "cachegate_cache": self.spec,
            "process_id": os.getpid(),
            "uptime_in_seconds": int(self.uptime_seconds),
            "connected_clients": len(self.connections),
            "total_connections_received": self.accepted,
            "rejected_connections": self.refused,
            "cachegate_cache_seconds": f"{sum(tally.seconds_ns for tally in self.tallies.values()) / 1e9:.9f}",
            **counts,
            **failed,
            **self._own_counters(),
        }

    def _own_counters(self) -> dict[str, object]:
        """What the cache itself counts, where it does."""
        try:
            stats = dict(self.cache.get_stats())
        except Exception:  # a rule of `check` says so; INFO goes without
            return {}
        return {f"cache_{name}": stats[name] for name in COUNTERS if type(stats.get(name)) is int}

    async def health(self) -> dict[str, object]:
        """Use the cache as a client would, and say how that went. Counted as any other use."""
        value = b"%d" % time.monotonic_ns()
        began_ns = perf_counter_ns()
        try:
            await self.set(_PROBE, value, 60.0)
            found = await self.get(_PROBE)
            await self.delete(_PROBE)
            problem = "" if found in (value, None) else f"get answered {found!r} for what set had just written"
        except CacheError as raised:
            problem = str(raised)
        return {
            "status": "fail" if problem else "pass",
            "cache": self.spec,
            "problem": problem or None,
            "seconds": (perf_counter_ns() - began_ns) / 1e9,
            "uptime_seconds": self.uptime_seconds,
            "clients": len(self.connections),
        }

    async def drain(self, server: asyncio.Server) -> str | None:
        """Take no new client, let those that are there finish what they asked, and shut the cache down.

        What went wrong with the last, if anything.
        """
        self.draining = True
        server.close()
        for connection in list(self.connections):
            connection.finish()
        tasks = [connection.task for connection in self.connections if connection.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        for connection in list(self.connections):
            connection.abort()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self.cache.shutdown()
        except TimeoutError:
            return f"shutdown() did not end within {DRAIN_SECONDS:g} s"
        except Exception as raised:  # the cache's own, told by whoever serves it
            return f"shutdown() raised {type(raised).__name__}: {raised}"
        return None


class Connection(asyncio.BufferedProtocol):
    """One client.

    What comes is read into one buffer of the host, so that where there is no memory for it that is noticed here, and
    answered with an error; a transport that has to make room itself can only close the connection.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._parser = Parser(host.limits)
        self._commands: deque[Command] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._ends: bytes | None = None
        """Set when no more will be read: what to say at the end."""
        self._paused = False
        self._idle = False
        """Whether the task waits for a command, and replies are fetched."""
        self._begun: tuple[Coroutine[Any, Any, bytes], Any] | None = None
        """A command that could not be answered at once, and what it waits for."""
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        host = self._host
        self._transport = cast("asyncio.Transport", transport)
        if host.draining or len(host.connections) >= MAX_CLIENTS:
            host.refused += 1
            self._transport.write(error("max number of clients reached"))
            self._transport.close()
            return
        host.accepted += 1
        host.connections.add(self)
        self._session = Session(host, host.accepted)
        self._loop = asyncio.get_running_loop()
        self._transport.set_write_buffer_limits(high=_MAX_OUT_BYTES // 16)
        self._context = copy_context()
        self.task = self._loop.create_task(self._serve(), context=self._context)

    def get_buffer(self, _hint: int) -> memoryview:
        """Where bytes are to be put: they are taken from there before any others come."""
        return self._host.received

    def buffer_updated(self, count: int) -> None:
        """So many bytes have come."""
        if self._ends is not None:
            return
        try:
            try:
                commands = self._parser.feed(bytes(self._host.received[:count]))
            except MemoryError:
                commands = self._skip(count)
            if len(commands) == 1 and self._idle and self._writable is None:
                self._answer_at_once(commands[0])
                return
            self._commands.extend(commands)
        except ProtocolError as wrong:
            self._host.refused += 1
            self._commands.extend(wrong.before)
            self._ends = error(f"Protocol error: {wrong}")
        if self._writable is not None and self._transport.get_write_buffer_size() > _MAX_OUT_BYTES:
            self._host.refused += 1
            self.abort()
            return
        if len(self._commands) > _WAITING and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def _skip(self, count: int) -> list[Command]:
        """What came, without the command for which there was no memory; where there is none even for that, the end."""
        try:
            return self._parser.skip(self._host.received[:count])
        except MemoryError:
            self._host.refused += 1
            self._ends = OUT_OF_MEMORY
            return []

    def eof_received(self) -> bool:
        """The client sends no more; what it asked is still answered."""
        self.finish()
        return True

    def connection_lost(self, _error: Exception | None) -> None:
        """The client is gone."""
        self._host.connections.discard(self)
        self._commands.clear()
        self.finish()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The client does not fetch its replies."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """It does again, or is gone."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def finish(self) -> None:
        """End after what was asked."""
        if self._ends is None:
            self._ends = b""
        self._wake()

    def abort(self) -> None:
        """End now."""
        if self.task is not None:
            self.task.cancel()
        self._transport.abort()

    def _wake(self) -> None:
        self._idle = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _answer_at_once(self, command: Command) -> None:
        """Answer in the task's name and context, without waking it; where the cache suspends, the task goes on.

        Half of what an ordinary command costs is to wake a task for it. asyncio's documentation of third-party
        tasks ("Extending asyncio") has these two functions for this.
        """
        assert self.task is not None  # there is one while the connection is idle
        answering = answer(self._session, command)
        asyncio._enter_task(self._loop, self.task)  # noqa: SLF001  # documented, see above
        try:
            waits_for = self._context.run(answering.send, None)
        except StopIteration as done:
            self._transport.write(done.value)
            if self._session.quits:
                self.finish()
        else:
            self._begun = (answering, waits_for)
            self._wake()
        finally:
            asyncio._leave_task(self._loop, self.task)  # noqa: SLF001  # as above

    async def _serve(self) -> None:
        commands, transport, session = self._commands, self._transport, self._session
        try:
            while True:
                if self._begun is not None:
                    begun, self._begun = self._begun, None
                    transport.write(await _rest(*begun))
                if not commands:
                    if self._ends is not None or session.quits:
                        break
                    self._waiter = self._loop.create_future()
                    self._idle = self._writable is None
                    try:
                        await self._waiter
                    except asyncio.CancelledError as cancelled:
                        if self._begun is None:
                            raise
                        # Meant for what has begun in the task's name (a timeout of the cache's own).
                        begun, self._begun = self._begun, None
                        transport.write(await _rest(*begun, cancelled))
                    self._waiter = None
                    continue
                await self._answer_all(session)
                if session.quits:
                    break
                if self._paused:
                    self._paused = False
                    transport.resume_reading()
            if self._ends:
                transport.write(self._ends)
        finally:
            transport.close()

    async def _answer_all(self, session: Session) -> None:
        """All that came together."""
        commands, transport = self._commands, self._transport
        replies: list[bytes] = []
        size = 0
        while commands and not session.quits:
            reply = await answer(session, commands.popleft())
            if not commands and not replies:
                transport.write(reply)
                break
            replies.append(reply)
            size += len(reply)
            if size > _REPLIES_BYTES or not commands:
                transport.write(b"".join(replies))
                replies.clear()
                size = 0
                if self._writable is not None:
                    await self._writable
        if replies:
            transport.write(b"".join(replies))
        if self._writable is not None:
            await self._writable


@coroutine
def _rest(
    answering: Coroutine[Any, Any, bytes], waits_for: Any, cancelled: BaseException | None = None
) -> Generator[Any, Any, bytes]:
    """What is left of a coroutine that has begun and waits for something, or was cancelled before it could go on."""
    while True:
        try:
            if cancelled is not None:
                error, cancelled = cancelled, None
                raise error  # noqa: TRY301  # handed on below, as any other
            sent = yield waits_for
        except BaseException as error:  # handed on, a cancellation too
            step: Callable[[], Any] = partial(answering.throw, error)
        else:
            step = partial(answering.send, sent)
        try:
            waits_for = step()
        except StopIteration as done:
            return cast("bytes", done.value)
