"""Caches over a second tier that are right until it is late or away: for chaos, over the wire. Not in the score.

The correct twin of each is `hierarchy`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import hiredis

sys.path.insert(0, str(Path(__file__).resolve().parent / "faults"))

from hierarchies import FailedDeleteKeepsName, LateSetKeepsName  # found by the line above

from cache_impls.hierarchy import HierarchyCache
from cache_impls.protocol import COUNTERS, Promises, check_key, check_ttl, check_value

_PATIENCE_SECONDS = 0.2


class StaleAfterFailedDelete(HierarchyCache):
    """A delete that the second tier did not answer is done, and what it holds comes back."""

    delete = FailedDeleteKeepsName.delete


class StaleAfterLateSet(HierarchyCache):
    """A set that timed out keeps its name: what was there before is answered, until the set lands."""

    set = LateSetKeepsName.set


class NoBound:
    """Names a bound on its memory, and keeps none."""

    def __init__(self, max_entries: int = 1_000, max_memory_mb: float = 100) -> None:
        self._most = max_entries
        self._megabytes = max_memory_mb
        self._entries: dict[str, Any] = {}

    async def get(self, key: str) -> Any | None:
        """The value of key, or None."""
        return self._entries.get(key)

    async def set(self, key: str, value: Any, _ttl: float | None = None) -> None:
        """Keep value for ever."""
        self._entries[key] = value

    async def delete(self, key: str) -> bool:
        """Remove key."""
        return self._entries.pop(key, None) is not None


class AnothersAnswer:
    """One connection for all; a read that is given up leaves its answer to whoever reads next (row 14, redis-py)."""

    promises = Promises(forgets=True)

    def __init__(self, l2: str = "resp://127.0.0.1:6379", max_entries: int = 1_000) -> None:
        place = urlsplit(l2)
        self._address, self._port, self._password = place.hostname, place.port, unquote(place.password or "")
        self._max_entries = max_entries
        self._lock = asyncio.Lock()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._parser = hiredis.Reader()

    async def get(self, key: str) -> Any | None:
        """The value of key, or None if the server is late."""
        check_key(key)
        return await self._ask(b"GET", key.encode())

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for ttl seconds."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        await self._ask(b"SET", key.encode(), value, b"PX", b"%d" % round(1000 * (ttl or 300.0)))

    async def delete(self, key: str) -> bool:
        """Remove key."""
        check_key(key)
        return bool(await self._ask(b"DEL", key.encode()))

    def get_stats(self) -> dict[str, int]:
        """It counts nothing."""
        return dict.fromkeys(COUNTERS, 0)

    async def shutdown(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _ask(self, *words: bytes) -> Any:
        async with self._lock:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    if self._reader is None or self._writer is None:
                        self._reader, self._writer = await asyncio.open_connection(self._address, self._port)
                        self._parser = hiredis.Reader()
                        if self._password:
                            self._writer.write(b"AUTH %b\r\n" % self._password.encode())
                            await self._reader.readline()
                    sent = [b"*%d\r\n" % len(words), *(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)]
                    self._writer.write(b"".join(sent))
                    while (answer := self._parser.gets()) is False:
                        received = await self._reader.read(65_536)
                        if not received:
                            raise ConnectionError("the server closed the connection")
                        self._parser.feed(received)
            except TimeoutError:
                return None  # the fault: its answer is still to come, on the connection that the next one reads from
            except OSError:
                self._reader = self._writer = None
                return None
            return answer
