"""A server on the loopback that speaks enough RESP for a tier, and answers as it is told: late, wrongly, never."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from cache_impls.sealing import seal

Answer = Callable[[list[bytes]], Awaitable[bytes | None]]
"""Of a command's words: what to write, or None to hang up."""


class FakeServer:
    """Serves on a free port until it is left. Handshakes are answered; all else is the answer's affair."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server: asyncio.Server
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.accepted = 0
        self.open = 0
        """Connections now."""
        self.most = 0
        """Connections at once."""
        self.asked: list[bytes] = []
        """Commands, by name."""

    async def __aenter__(self) -> FakeServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        return f"resp://127.0.0.1:{port}"

    async def closed(self) -> None:
        """Wait until nobody is connected."""
        async with asyncio.timeout(5):
            await asyncio.gather(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.append(writer)
        self.accepted += 1
        self.open += 1
        self.most = max(self.most, self.open)
        answers: asyncio.Queue[asyncio.Task[bytes | None]] = asyncio.Queue()
        telling = asyncio.create_task(_tell(answers, writer))
        try:
            while command := await _command(reader):
                answers.put_nowait(asyncio.create_task(self._reply(command)))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has hung up, which is its right
        finally:
            self.open -= 1
            telling.cancel()
            writer.close()

    async def _reply(self, command: list[bytes]) -> bytes | None:
        if command[0] in (b"CLIENT", b"SELECT", b"HELLO"):
            return b"+OK\r\n"
        self.asked.append(command[0])
        return await self._answer(command)


def value(name: bytes, found: object) -> bytes:
    """A value as this process stores it under name, as a bulk string."""
    sealed = seal(name, found)
    return b"$%d\r\n%b\r\n" % (len(sealed), sealed)


async def _tell(answers: asyncio.Queue[asyncio.Task[bytes | None]], writer: asyncio.StreamWriter) -> None:
    """Write answers in the order of their commands, whatever takes long, until one is to hang up."""
    while (found := await (await answers.get())) is not None:
        writer.write(found)
    writer.close()


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    """The words of the next command; none at the end."""
    head = await reader.readline()
    words = []
    for _ in range(int(head[1:] or 0)):
        size = int((await reader.readline())[1:])
        words.append((await reader.readexactly(size + 2))[:-2])
    return words
