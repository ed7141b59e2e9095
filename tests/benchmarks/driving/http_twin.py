"""A cache over HTTP, as little as it takes: the twin of the host for locust's own users."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from cache_impls.registry import parse


class Twin(asyncio.Protocol):
    """A connection. Requests come whole, as those of one client on loopback do."""

    cache = parse("improved").build(capacity=12_000)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """A request."""
        asyncio.get_running_loop().create_task(self._answer(data))

    async def _answer(self, data: bytes) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        method, path, _ = head.split(b" ", 2)
        if method == b"PUT":
            await self.cache.set(path.decode(), body, 3_600.0)
            body = b""
        else:
            body = await self.cache.get(path.decode()) or b""
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        self._transport.write(answer)  # type: ignore[attr-defined]  # a TCP connection is written to


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Twin, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    sys.stdin.close()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
