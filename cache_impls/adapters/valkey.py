"""Valkey or Redis: `valkey://host:port/db` (valkeys, redis, rediss). Time is the server's.

Keys carry a prefix that is drawn for each cache, and only those are cleared, at shutdown too; what a killed run leaves
is removed by its command (`sweep`), else ended by default_ttl. Values are pickled under a seal (`sealing`): one that
this process did not write under its key is a miss, counted in `incidents`. Replies are read by a parser in Python that
bounds them (`replies`); hiredis cannot.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from cache_impls.link import LONGEST_MS, Link, ServerError
from cache_impls.names import fresh_prefix
from cache_impls.protocol import Promises, UnreachableError, check_bound
from cache_impls.replies import MOST_BYTES
from cache_impls.sealing import ForgedError, seal, unseal

_CONNECTIONS = 100
_MOST_KEYS = 2_000_000


class ValkeyCache:
    """A part of a server's database. An operation takes at most timeout seconds, else it raises `ServerError`."""

    promises = Promises(stale_seconds=0.001)  # EXPIRE's documentation: the error is from 0 to 1 ms

    def __init__(
        self, url: str = "valkey://127.0.0.1:6379/0", default_ttl: float = 3600.0, timeout: float = 5.0
    ) -> None:
        check_bound("default_ttl", default_ttl, whole=False)
        check_bound("timeout", timeout, whole=False)
        self._link = Link(url, timeout=timeout, connections=_CONNECTIONS)
        self._default_ttl = default_ttl
        self._prefix = fresh_prefix()
        self.incidents: Counter[str] = Counter()

    async def initialize(self) -> None:
        """Ask the server once, so that a wrong address shows at once. Raises UnreachableError."""
        try:
            await self._link.ask("PING")
        except ServerError as error:
            raise UnreachableError(str(error)) from error

    async def get(self, key: str) -> Any | None:
        """The live value of key, or None."""
        name = self._name(key)
        found = await self._link.ask("GET", name)
        if found is None:
            return None
        try:
            return unseal(name, found)
        except ForgedError:
            self.incidents["forged"] += 1
            return None

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds, in the server's unit: whole milliseconds, at least one."""
        name = self._name(key)
        sealed = seal(name, value)
        if len(sealed) > MOST_BYTES:
            raise ValueError(f"a value takes at most {MOST_BYTES} bytes")
        ms = max(1, int(min((self._default_ttl if ttl is None else ttl) * 1000, LONGEST_MS)))
        await self._link.ask("SET", name, sealed, "PX", ms)

    async def delete(self, key: str) -> bool:
        """Remove key; the server answers how many it removed."""
        return bool(await self._link.ask("DEL", self._name(key)))

    async def clear(self) -> None:
        """Remove every entry with the prefix."""
        async with self._link.deadline():
            await self._link.remove(self._prefix)

    async def size(self) -> int:
        """The number of entries with the prefix; the server looks through its whole database."""
        found: set[bytes] = set()  # each once, which a scan does not promise
        async with self._link.deadline():
            async for page in self._link.keys(self._prefix):
                found.update(page)
                if len(found) > _MOST_KEYS:
                    raise ServerError(f"more than {_MOST_KEYS} keys", sent=True)
        return len(found)

    async def shutdown(self) -> None:
        """Clear what only this cache knows of, and close the connections."""
        try:
            await self.clear()
        finally:
            await self._link.close()

    def _name(self, key: str) -> bytes:
        return f"{self._prefix}{key}".encode("utf-8", "surrogateescape")
