"""What a run's processes cost, looked at once a second."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import psutil

from harness.load.connection import BrokenError, Connection, command, connect
from harness.load.driver import Driver
from harness.load.hosts import Server

_SIZE = command(b"DBSIZE")
_SIZE_EVERY = 10
"""Looks: some caches count their entries one by one, while everybody waits."""
_PATIENCE_SECONDS = 0.5


class Look(NamedTuple):
    """One look, at a time of the epoch in seconds."""

    time: float
    host_cpu_seconds: list[float | None]
    driver_cpu_seconds: dict[int, float]
    machine_cpu_seconds: float
    host_memory_bytes: list[int | None]
    entries: list[int | None]


class Looks:
    """Of one driver and its servers."""

    def __init__(self, servers: list[Server], driver: Driver) -> None:
        self._servers = servers
        self._driver = driver
        self._sizes: list[Connection | None] = [_connect(server) for server in servers]
        self.all: list[Look] = []

    def look(self) -> None:
        """Note how things are."""
        busy = psutil.cpu_times()
        self.all.append(
            Look(
                time=time.time(),
                host_cpu_seconds=[server.cpu_seconds() for server in self._servers],
                driver_cpu_seconds=self._driver.cpu_seconds(),
                machine_cpu_seconds=sum(getattr(busy, name, 0.0) for name in _BUSY),
                host_memory_bytes=[server.memory_bytes() for server in self._servers],
                entries=[
                    self._entries(place) if len(self.all) % _SIZE_EVERY == 0 else None
                    for place in range(len(self._servers))
                ],
            )
        )

    def close(self) -> None:
        """Disconnect."""
        for connection in self._sizes:
            if connection is not None:
                connection.close()

    def cores(self, began: float, ended: float, place: int) -> dict[str, float | None]:
        """Cores that host, driver and others kept busy, on average, in the looks between two times."""
        inside = [look for look in self.all if began <= look.time <= ended]
        if len(inside) < 2:
            return {"host_cpu": None, "driver_cpu": None, "other_cpu": None}
        return _cores(inside[0], inside[-1], place, self.all)

    def by_second(self) -> dict[int, dict[str, Any]]:
        """What is known of each second of the epoch, of the first server."""
        found: dict[int, dict[str, Any]] = {}
        for before, after in zip(self.all, self.all[1:], strict=False):
            cores = _cores(before, after, 0, self.all)
            found[int(after.time)] = {
                "host_memory_bytes": after.host_memory_bytes[0],
                "host_cpu": cores["host_cpu"],
                "driver_cpu": cores["driver_cpu"],
                "entries": after.entries[0]
                if after.entries[0] is not None
                else found.get(int(after.time), {}).get("entries"),
            }
        return found

    def _entries(self, place: int) -> int | None:
        connection = self._sizes[place]
        if connection is None:
            return None
        try:
            answer = connection.call(_SIZE)
        except BrokenError:
            connection.close()
            self._sizes[place] = None
            return None
        return answer if type(answer) is int else None


_BUSY = ("user", "nice", "system", "irq", "softirq")


def _connect(server: Server) -> Connection | None:
    try:
        return connect(server.url, timeout_seconds=_PATIENCE_SECONDS)
    except BrokenError:
        return None


def _cores(first: Look, last: Look, place: int, looks: list[Look]) -> dict[str, float | None]:
    seconds = max(last.time - first.time, 1e-9)
    now, then = last.host_cpu_seconds[place], first.host_cpu_seconds[place]
    host = None if now is None or then is None else (now - then) / seconds
    used = {pid: spent - first.driver_cpu_seconds.get(pid, 0.0) for pid, spent in last.driver_cpu_seconds.items()}
    hosts = sum(
        (last.host_cpu_seconds[i] or 0.0) - (first.host_cpu_seconds[i] or 0.0)
        for i in range(len(first.host_cpu_seconds))
    )
    ours = hosts + sum(used.values())
    return {
        "host_cpu": host,
        "driver_cpu": max(used.values(), default=0.0) / seconds if looks else None,
        "other_cpu": max(0.0, (last.machine_cpu_seconds - first.machine_cpu_seconds - ours) / seconds),
    }
