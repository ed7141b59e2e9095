"""One client of a host: bytes in, commands, replies out.

A connection is one task that answers its commands in order, as Redis does; connections interleave wherever the cache
suspends. Replies of commands that came together leave together.

Where a password is asked, a client that has not given it is a stranger: it may send little, not for long, and has no
place that anybody else could have. Who has given it once is none any more, whatever it asks later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextvars import copy_context
from functools import partial
from types import coroutine
from typing import TYPE_CHECKING, Any, cast

from harness.serve.commands import COMMANDS, OUT_OF_MEMORY, Session, answer
from harness.serve.resp import OF_STRANGERS, Command, Parser, ProtocolError, error, gathered

if TYPE_CHECKING:
    from harness.serve.host import Host

MAX_CLIENTS = 10_000
"""That have a place: strangers have none."""
MAX_STRANGERS = 200
"""Above which the one that came first ends."""
PATIENCE_SECONDS = 4.9
"""For a stranger."""
LAST_LOOK_SECONDS = 0.1
"""More of it: after the host itself stood still, what came meanwhile is read before anybody is told to be late."""
_WAITING = 1_000
"""Commands of a connection that wait, above which its socket is read no further."""
_REPLIES_BYTES = 256 * 1024
"""Replies are sent at the latest when so much of them has gathered."""
_MAX_OUT_BYTES = 64 * 1024 * 1024
"""Replies that a client does not fetch, above which its connection ends."""


class Connection(asyncio.BufferedProtocol):
    """One client.

    What comes is read into one buffer of the host, so that where there is no memory for it that is noticed here, and
    answered with an error; a transport that has to make room itself can only close the connection.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._parser = Parser(host.limits if host.password is None else OF_STRANGERS)
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
        self._patience: asyncio.TimerHandle | None = None
        """Of the host with a stranger; None: it is none."""
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        host = self._host
        self._transport = cast("asyncio.Transport", transport)
        if host.draining or host.clients >= MAX_CLIENTS:
            host.refused += 1
            self._transport.write(error("max number of clients reached"))
            self._transport.close()
            return
        host.accepted += 1
        host.connections.add(self)
        self._session = Session(host, host.accepted)
        self._loop = asyncio.get_running_loop()
        if host.password is None:
            self._transport.set_write_buffer_limits(high=_MAX_OUT_BYTES // 16)
        else:
            self._wait_for_password()
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
                data = bytes(self._host.received[:count])
                commands = self._parser.feed(data) if self._patience is None else self._hear(self._parser.each(data))
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
        data = self._host.received[:count]
        try:
            return self._parser.skip(data) if self._patience is None else self._hear(self._parser.skip_each(data))
        except MemoryError:
            self._host.refused += 1
            self._ends = OUT_OF_MEMORY
            return []

    def _wait_for_password(self) -> None:
        """The client is a stranger; if there are too many, the one that came first ends."""
        strangers = self._host.strangers
        if len(strangers) >= MAX_STRANGERS:
            next(iter(strangers)).turn_out()
        strangers[self] = None
        self._patience = self._loop.call_later(PATIENCE_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._patience = self._loop.call_later(LAST_LOOK_SECONDS, self.turn_out)

    def _hear(self, coming: Iterator[Command]) -> list[Command]:
        """Answer a stranger's commands, none of which waits for anything; what comes after it has given the password.

        Its limits are those of a client from there on, for what has come together with the password too.
        """
        for command in coming:
            self._answer_at_once(command)
            if self._session.commands is COMMANDS:
                self._let_in()
                return gathered(coming)
            if self._writable is not None:  # it fetches no replies
                self.turn_out()
            if self._ends is not None:
                break
        return []

    def _let_in(self) -> None:
        self._no_stranger()
        self._parser.allow(self._host.limits)
        self._transport.set_write_buffer_limits(high=_MAX_OUT_BYTES // 16)

    def _no_stranger(self) -> None:
        self._host.strangers.pop(self, None)
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def turn_out(self) -> None:
        """End a stranger now."""
        self._no_stranger()
        self._host.refused += 1
        self._ends = b""
        self.abort()

    def eof_received(self) -> bool:
        """The client sends no more; what it asked is still answered."""
        self.finish()
        return True

    def connection_lost(self, _error: Exception | None) -> None:
        """The client is gone."""
        self._host.connections.discard(self)
        self._no_stranger()
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
