"""A server as a tier, through `redis.asyncio`: Valkey, Redis, or a host of ours (`resp://host:port`).

Values are pickled. Rules:
1. Nothing is asked until it is needed: without a server it can be made all the same, and each request fails.
2. A connection whose exchange did not come to its end is closed, never used again: the answer that it would still
   bring belongs to somebody who has gone.
3. No retries: a request is sent once or not at all, and a failure says which (`TierError.sent`). Half of the timeout is
   for getting a connection; what has none by then was never sent.

Name only a server that you trust: what it answers is unpickled.
"""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cache_impls.far import TierError

_AWAY = (
    redis.exceptions.ClusterDownError,
    redis.exceptions.MasterDownError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
)
"""How a server says that it serves nobody now, or nobody who writes."""
_LONGEST_MS = 10 * 365 * 86_400_000
"""Of a ttl: servers refuse what no clock holds."""
_SCHEMES = {"resp": "redis", "valkey": "redis", "valkeys": "rediss", "redis": "redis", "rediss": "rediss"}


class RemoteTier:
    """get, set and delete on a server, with at most so many connections. timeout is seconds."""

    def __init__(self, url: str, *, timeout: float, connections: int) -> None:
        scheme, _, rest = url.partition("://")
        self._url = f"{_SCHEMES[scheme]}://{rest}"
        self._timeout = timeout
        self._connections = connections
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = self._make_pool()

    async def get(self, key: str) -> Any | None:
        """The value of key, or None."""
        found = await self._ask("GET", key)
        if found is None:
            return None
        try:
            return pickle.loads(found)  # noqa: S301  # from a server that the user named
        except Exception as error:  # what unpickling raises is the values' affair
            raise TierError(f"{key}: what the server holds cannot be read", sent=True, outage=False) from error

    async def set(self, key: str, value: Any, ttl: float) -> None:
        """Store value for ttl seconds, in whole milliseconds, at least one."""
        try:
            packed = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # as above
            raise TierError(f"{key}: a value that cannot be pickled", sent=False, outage=False) from error
        await self._ask("SET", key, packed, "PX", max(1, int(min(ttl * 1000, _LONGEST_MS))))

    async def delete(self, key: str) -> bool:
        """Remove key; the server answers how many it removed."""
        return bool(await self._ask("DEL", key))

    async def shutdown(self) -> None:
        """Close all connections; entries end by their ttl."""
        if self._loop is asyncio.get_running_loop():  # those of an earlier loop ended with it
            await self._pool.disconnect()

    async def _ask(self, *command: Any) -> Any:
        name, key, *others = command
        command = (name, key.encode("utf-8", "surrogateescape"), *others)  # keys of clients may be any bytes
        connection = await self._connection()
        ended = False
        try:
            await connection.send_command(*command)
            answer = await connection.read_response()
            ended = True
        except redis.ResponseError as error:  # an answer, whole: the connection is as good as before
            ended = True
            # Most are about this key or value; one client must not shut the tier off for all.
            raise TierError(f"{command[0]}: {error}", sent=True, outage=isinstance(error, _AWAY)) from error
        except (redis.RedisError, OSError) as error:
            raise TierError(f"{command[0]}: {error}", sent=True) from error
        finally:
            if not ended:
                await connection.disconnect(nowait=True)
            await self._pool.release(connection)
        return answer

    async def _connection(self) -> Any:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._loop is not None:
                self._pool = self._make_pool()
            self._loop = loop
        try:
            async with asyncio.timeout(self._timeout / 2):
                return await self._pool.get_connection()
        except (redis.RedisError, OSError) as error:
            raise TierError(f"no connection: {error}", sent=False) from error

    def _make_pool(self) -> redis.asyncio.BlockingConnectionPool:
        return redis.asyncio.BlockingConnectionPool.from_url(
            self._url,
            max_connections=self._connections,
            timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            socket_timeout=self._timeout,
            retry=Retry(NoBackoff(), 0),
            retry_on_timeout=False,
            protocol=2,  # one command, one answer: nothing is pushed between them
        )
