"""A link to a server, through `redis.asyncio`: connections, a deadline for each request, bounded replies, plain errors.

Rules:
1. Nothing is asked until it is needed, and nothing blocks the event loop.
2. A request ends within the timeout, in real time and in the loop's, whatever comes back (`replies`). Half of it is for
   getting a connection; what has none by then was never sent.
3. A connection whose exchange did not come to its end is closed, never used again: the answer that it would still
   bring belongs to somebody who has gone.
4. No retries: a request is sent once or not at all, and a failure says which (`TierError.sent`).
5. A failure is a `ServerError` of one short line, without the URL's password.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cache_impls.far import TierError
from cache_impls.replies import DEADLINE, BoundedParser

_AWAY = (
    redis.exceptions.ClusterDownError,
    redis.exceptions.MasterDownError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
)
"""How a server says that it serves nobody now, or nobody who writes."""
_SCHEMES = {"resp": "redis", "valkey": "redis", "valkeys": "rediss", "redis": "redis", "rediss": "rediss"}
_FAILURES = (redis.RedisError, OSError, ValueError, RecursionError)
"""What redis-py raises for a server that is away, slow or talks nonsense; the last for arrays in arrays."""
_PAGE = 1_000
_LONGEST_WORDS = 200
LONGEST_MS = 10 * 365 * 86_400_000
"""Of a ttl: servers refuse what no clock holds."""


class ServerError(TierError):
    """A server is away, too slow, or does not answer as it should."""


class Link:
    """One server, asked by at most so many connections at once. timeout is seconds. Raises ValueError for a bad URL."""

    def __init__(self, url: str, *, timeout: float, connections: int) -> None:
        scheme, _, rest = url.partition("://")
        self._url = f"{_SCHEMES[scheme]}://{rest}"
        self._timeout = timeout
        self._connections = connections
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = self._make_pool()

    async def ask(self, *command: Any) -> Any:
        """The server's answer to one command. Raises ServerError."""
        sent = ended = False
        connection = None
        until = DEADLINE.set(min(DEADLINE.get(), perf_counter() + self._timeout))
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._connection()
                sent = True
                await connection.send_command(*command)
                answer = await connection.read_response()
                ended = True
        except redis.ResponseError as error:  # an answer, whole: the connection is as good as before
            ended = True
            # Most are about this key or value; one client must not shut the tier off for all.
            raise self._failed(command[0], error, sent=sent, outage=isinstance(error, _AWAY)) from error
        except _FAILURES as error:
            raise self._failed(command[0], error, sent=sent) from error
        finally:
            DEADLINE.reset(until)
            if connection is not None:
                if not ended:
                    await connection.disconnect(nowait=True)
                await self._pool.release(connection)
        return answer

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """For a piece of work of several requests: they have the timeout of one."""
        until = DEADLINE.set(perf_counter() + self._timeout)
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except TimeoutError as error:
            raise ServerError(f"not done within {self._timeout:g} s", sent=True) from error
        finally:
            DEADLINE.reset(until)

    async def keys(self, prefix: str) -> AsyncIterator[list[bytes]]:
        """The keys that begin with prefix, a page at a time; some may come twice."""
        cursor, beginning = b"0", prefix.encode()
        while True:
            answer = await self.ask("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", _PAGE)
            try:
                cursor, page = answer
                page = [key for key in page if key.startswith(beginning)]  # whatever the server makes of MATCH
            except (TypeError, ValueError, AttributeError) as error:
                raise ServerError("SCAN: no answer to it came back", sent=True) from error
            yield page
            if cursor == b"0":
                return

    async def remove(self, prefix: str) -> None:
        """Remove the keys that begin with prefix, a page at a time."""
        async for page in self.keys(prefix):
            if page:
                await self.ask("UNLINK", *page)

    async def close(self) -> None:
        """Close all connections; the next request opens its own."""
        if self._loop is asyncio.get_running_loop():  # those of an earlier loop ended with it
            await self._pool.disconnect()

    async def _connection(self) -> Any:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._loop is not None:
                self._pool = self._make_pool()
            self._loop = loop
        try:
            async with asyncio.timeout(self._timeout / 2):
                return await self._pool.get_connection()
        except _FAILURES as error:
            raise self._failed("no connection", error, sent=False) from error

    def _failed(self, what: str, error: BaseException, *, sent: bool, outage: bool = True) -> ServerError:
        words = " ".join(str(error).split()) or "no answer in time"
        password = self._pool.connection_kwargs.get("password")
        if password:
            words = words.replace(password, "***")  # some servers repeat what they do not understand
        return ServerError(f"{what}: {words[:_LONGEST_WORDS]}", sent=sent, outage=outage)

    def _make_pool(self) -> redis.asyncio.BlockingConnectionPool:
        try:
            return redis.asyncio.BlockingConnectionPool.from_url(
                self._url,
                max_connections=self._connections,
                timeout=self._timeout,
                socket_connect_timeout=self._timeout,
                socket_timeout=None,  # `ask` has a deadline for the whole
                retry=Retry(NoBackoff(), 0),
                retry_on_timeout=False,
                protocol=2,  # one command, one answer: nothing is pushed between them
                parser_class=BoundedParser,
            )
        except ValueError:  # whose words may have the password in them
            raise ValueError("the URL is none of a server; write valkey://host:port/db") from None
