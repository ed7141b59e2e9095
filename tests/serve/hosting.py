"""A host on a loopback socket, and clients that talk to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from cache_impls.registry import make
from harness.serve.connection import Connection
from harness.serve.debug import Debug
from harness.serve.host import Host
from harness.serve.resp import Limits, array, bulk

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Client:
    """Sends words, reads replies as they are written."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *words: str | bytes) -> None:
        """One command, without waiting."""
        encoded = [word.encode() if isinstance(word, str) else word for word in words]
        self.writer.write(array(map(bulk, encoded)))

    async def line(self) -> bytes:
        """The next line of a reply."""
        return (await self.reader.readline()).removesuffix(b"\r\n")

    async def ask(self, *words: str | bytes) -> bytes | None:
        """The reply to one command: a bulk string's content, or the line."""
        self.send(*words)
        head = await self.line()
        if head.startswith(b"$"):
            length = int(head[1:])
            return None if length < 0 else (await self.reader.readexactly(length + 2))[:-2]
        return head


def hosted(
    body: Callable[[Host, Callable[[], Awaitable[Client]]], Awaitable[None]], cache: Any = None,
    password: str | None = None, debug: Debug | None = None, **limits: int,
) -> Host:  # fmt: skip
    """Run body against a host of cache, and drain it."""

    async def main() -> Host:
        host = Host(make("improved") if cache is None else cache, "it", Limits(**limits), debug, password)
        server = await asyncio.get_running_loop().create_server(lambda: Connection(host), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        writers = []

        async def client() -> Client:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            return Client(reader, writer)

        try:
            async with asyncio.timeout(20):
                await body(host, client)
        finally:
            await host.drain(server)
            for writer in writers:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()
        return host

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as it is served
        return runner.run(main())
