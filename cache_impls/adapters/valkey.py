"""Valkey or Redis, through `redis.asyncio`: `valkey://host:port/db` (valkeys, redis, rediss), values pickled.

Keys carry a prefix that is drawn for each cache, and only those are cleared, at shutdown too; default_ttl ends
what a killed run leaves. Time is the server's. Name only a server that you trust: what it answers is unpickled.
"""

from __future__ import annotations

import pickle
from secrets import token_hex
from typing import Any

import redis.asyncio

from cache_impls.protocol import Promises


class ValkeyCache:
    """A part of a server's database. Making it asks the server once, so that a wrong address shows at once."""

    promises = Promises(stale_seconds=0.001)  # EXPIRE's documentation: the error is from 0 to 1 ms

    def __init__(self, url: str = "valkey://127.0.0.1:6379/0", default_ttl: float = 3600.0) -> None:
        url = f"redis{url.removeprefix('valkey')}" if url.startswith("valkey") else url
        with redis.Redis.from_url(url, socket_connect_timeout=2.0) as client:
            client.ping()
        self._default_ttl = default_ttl
        self._prefix = f"cachegate:{token_hex(8)}:"
        self._client = redis.asyncio.Redis.from_url(url)

    async def get(self, key: str) -> Any | None:
        """The live value of key, or None."""
        found = await self._client.get(self._prefix + key)
        return None if found is None else pickle.loads(found)  # noqa: S301  # from a server that the user named

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds, in the server's unit: whole milliseconds, at least one."""
        ms = max(1, int((self._default_ttl if ttl is None else ttl) * 1000))
        await self._client.set(self._prefix + key, pickle.dumps(value, pickle.HIGHEST_PROTOCOL), px=ms)

    async def delete(self, key: str) -> bool:
        """Remove key; the server answers how many it removed."""
        return bool(await self._client.delete(self._prefix + key))

    async def clear(self) -> None:
        """Remove every entry with the prefix."""
        if keys := await self._keys():
            await self._client.unlink(*keys)

    async def size(self) -> int:
        """The number of entries with the prefix; the server looks through its whole database."""
        return len(await self._keys())

    async def shutdown(self) -> None:
        """Clear what only this cache knows of, and close the connections."""
        await self.clear()
        await self._client.aclose()

    async def _keys(self) -> list[bytes]:  # each once, which a scan does not promise
        return list({key async for key in self._client.scan_iter(f"{self._prefix}*", count=1000)})
