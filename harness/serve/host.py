"""The host: one cache behind a RESP server, counted and timed. What the cache raises is an error reply.

Its clients are in `connection.py`.
"""

from __future__ import annotations

import asyncio
import os
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from cache_impls.dialects import Adapted
from cache_impls.protocol import COUNTERS
from harness import __version__
from harness.masking import mask
from harness.serve.commands import CacheError
from harness.serve.debug import Debug
from harness.serve.resp import Limits

if TYPE_CHECKING:
    from harness.serve.connection import Connection

OPERATIONS = ("get", "set", "delete", "clear", "size")
"""Of users."""
EDGES_SECONDS = (
    *(1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper edges of the histogram of durations."""
_RECEIVED_BYTES = 256 * 1024
"""Of one read from a socket, at most."""
DRAIN_SECONDS = 5.0
PROBE = "probe"
"""The name under which what health asks of the cache is counted, apart from what its users ask."""
_PROBE_KEY = "cachegate:health"


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
        password: str | None = None,
    ) -> None:
        self.cache = cache
        self.debug = debug
        self.spec = mask(spec)
        """As clients and operators may see it."""
        self.password = password
        """Without it a client is nobody; None: nobody is asked."""
        self.limits = limits
        self.tallies = {name: Tally() for name in (*OPERATIONS, PROBE)}
        self.errors: dict[str, int] = {}
        """By the name of what the cache raised."""
        self.connections: set[Connection] = set()
        self.strangers: dict[Connection, None] = {}
        """Of these, those that have not given the password yet, in the order in which they came."""
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
        self._probe_get = self._timed("get", cache.get, PROBE)
        self._probe_set = self._timed("set", cache.set, PROBE)
        self._probe_delete = self._timed("delete", cache.delete, PROBE)

    def _timed(
        self, name: str, operation: Callable[..., Awaitable[Any]], counted_as: str | None = None
    ) -> Callable[..., Awaitable[Any]]:
        tally, edges = self.tallies[counted_as or name], _EDGES_NS

        async def timed(*args: Any) -> Any:
            began_ns = perf_counter_ns()
            try:
                found = await operation(*args)
            except Exception as raised:
                tally.errors += 1
                kind = type(raised).__name__
                self.errors[kind] = self.errors.get(kind, 0) + 1
                raise CacheError(mask(f"{name} raised {kind}: {raised}")) from raised
            took_ns = perf_counter_ns() - began_ns
            tally.ok += 1
            tally.seconds_ns += took_ns
            tally.buckets[bisect_left(edges, took_ns)] += 1
            return found

        return timed

    @property
    def clients(self) -> int:
        """Connections of whoever may ask: no strangers."""
        return len(self.connections) - len(self.strangers)

    @property
    def uptime_seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self.began

    def info(self) -> dict[str, object]:
        """What INFO says: the server, its clients, and what was asked of the cache."""
        of_users = {name: self.tallies[name] for name in OPERATIONS}
        counts = {f"cachegate_{name}_ok": tally.ok for name, tally in of_users.items()}
        failed = {f"cachegate_{name}_errors": tally.errors for name, tally in of_users.items()}
        return {
            "redis_version": "7.0.0",  # clients look at it to know what they may ask
            "redis_mode": "standalone",
            "role": "master",
            "cachegate_version": self.version,
            "cachegate_cache": self.spec,
            "process_id": os.getpid(),
            "uptime_in_seconds": int(self.uptime_seconds),
            "connected_clients": self.clients,
            "total_connections_received": self.accepted,
            "rejected_connections": self.refused,
            "cachegate_cache_seconds": f"{sum(tally.seconds_ns for tally in of_users.values()) / 1e9:.9f}",
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
        """Use the cache as a client would, and say how that went. Counted as `PROBE`, apart from clients' use."""
        value = b"%d" % time.monotonic_ns()
        began_ns = perf_counter_ns()
        try:
            await self._probe_set(_PROBE_KEY, value, 60.0)
            found = await self._probe_get(_PROBE_KEY)
            await self._probe_delete(_PROBE_KEY)
            problem = "" if found in (value, None) else f"get answered {found!r} for what set had just written"
        except CacheError as raised:
            problem = str(raised)
        return {
            "status": "fail" if problem else "pass",
            "cache": self.spec,
            "problem": problem or None,
            "seconds": (perf_counter_ns() - began_ns) / 1e9,
            "uptime_seconds": self.uptime_seconds,
            "clients": self.clients,
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
