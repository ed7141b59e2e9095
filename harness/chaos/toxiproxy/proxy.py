"""A proxy: a listener, its connections and its toxics.

Rules: a toxic acts on the connections that are there as on those to come; a port once taken is kept while the proxy is
disabled (by a spare socket, so that clients are refused and nobody else gets it); chance is drawn from the seed, the
proxy's name, the number of the connection and the toxic's name, so that a run can be repeated.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from harness.chaos.toxiproxy.connection import Connection, Traffic
from harness.chaos.toxiproxy.link import Alarm
from harness.chaos.toxiproxy.refusals import RefusedError, internal
from harness.chaos.toxiproxy.toxics.registry import Toxic
from harness.ports import keep, share

_BACKLOG = 1_024
_NO_SERVER = ("", 0)
"""What an upstream that is no address stands for: nobody can connect to it."""
DIRECTIONS = ("upstream", "downstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What all proxies of a server share."""

    seed: int
    anywhere: bool = False
    """Whether a proxy may listen where other machines reach it."""


class _RealWorld:
    """The machine's clock; uvloop's own counts in milliseconds."""

    def now(self) -> float:
        """Seconds."""
        return time.monotonic()

    def after(self, seconds: float, call: Callable[[], None]) -> Alarm:
        """uvloop rounds to milliseconds: who is called early asks again, so short delays are kept by polling."""
        return asyncio.get_running_loop().call_later(seconds, call)


_WORLD = _RealWorld()


class Proxy:
    """One proxy. `listen` becomes the address that it really has."""

    def __init__(self, name: str, listen: str, upstream: str, policy: Policy) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.toxics: dict[str, list[Toxic]] = {direction: [] for direction in DIRECTIONS}
        self.traffic = {direction: Traffic() for direction in DIRECTIONS}
        self.acted: dict[str, list[int]] = {}
        """By the name of a toxic, removed ones too: what it changed."""
        self.connections: set[Connection] = set()
        self._policy = policy
        self._accepted = 0
        self._server: asyncio.AbstractServer | None = None
        self._spare: socket.socket | None = None
        """Keeps the port, whether anybody listens on it or not."""

    async def start(self) -> None:
        """Listen. Raises RefusedError for an address that it cannot have."""
        if self.enabled:
            return
        if self._spare is None:
            self._spare = self._keep()
        listening = None
        try:
            listening = share(*self._spare.getsockname()[:2])
            listening.listen(_BACKLOG)
            self._server = await asyncio.get_running_loop().create_server(self._accept, sock=listening)
        except OSError as error:
            if listening is not None:
                listening.close()
            raise internal(f"listen tcp {self.listen}: {error.strerror}") from error
        self.listen = address_of(listening)
        self.enabled = True

    async def stop(self) -> None:
        """Refuse new connections and cut the others; keep the port."""
        if self.enabled and self._server is not None:
            self.enabled = False
            self._server.close()
            self._server = None
            await asyncio.sleep(0)  # the loop closes the listener in its next turn: only then are clients refused
        for connection in list(self.connections):
            connection.cut()

    async def end(self) -> None:
        """Stop, and give the port up."""
        await self.stop()
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    async def change(self, listen: str, upstream: str, enabled: bool) -> None:
        """As asked for; another address ends all connections."""
        if (listen, upstream) != (self.listen, self.upstream):
            split(listen, self._policy)
            await self.end()
            self.listen, self.upstream = listen, upstream
        if enabled:
            await self.start()
        else:
            await self.stop()

    def find(self, name: str) -> Toxic | None:
        """The toxic of this name."""
        return next((toxic for toxics in self.toxics.values() for toxic in toxics if toxic.name == name), None)

    def add(self, toxic: Toxic) -> None:
        """At the end of its chain."""
        toxic.acted = self.acted.setdefault(toxic.name, toxic.acted)
        self.toxics[toxic.direction].append(toxic)
        self.follow()

    def remove(self, toxic: Toxic) -> None:
        """What waits for it is handed on."""
        self.toxics[toxic.direction].remove(toxic)
        self.follow()

    def clear(self) -> None:
        """Remove all toxics."""
        for toxics in self.toxics.values():
            toxics.clear()
        self.follow()

    def follow(self) -> None:
        """Let all connections follow the chains as they are now."""
        for connection in list(self.connections):
            connection.follow(self.toxics)

    def _accept(self) -> asyncio.Protocol:
        number, self._accepted = self._accepted, self._accepted + 1
        seed = f"{self._policy.seed}/{self.name}/{number}"
        connection = Connection(
            dialled(self.upstream) or _NO_SERVER,
            self.traffic,
            _WORLD,
            lambda toxic: Random(f"{seed}/{toxic}"),
            self.connections.discard,
        )
        self.connections.add(connection)
        if self.toxics["upstream"] or self.toxics["downstream"]:
            connection.follow(self.toxics)
        return connection.client

    def _keep(self) -> socket.socket:
        try:
            return keep(*split(self.listen, self._policy))
        except OSError as error:
            raise internal(f"listen tcp {self.listen}: bind: {error.strerror}") from error


def split(listen: str, policy: Policy) -> tuple[str, int]:
    """The address to listen on. Raises RefusedError for one that other machines reach, or that is none."""
    found = dialled(listen or "127.0.0.1:0")
    if found is None:
        raise internal(f"address {listen}: it must be HOST:PORT")
    host = "127.0.0.1" if found[0] == "localhost" else found[0]
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if policy.anywhere:
        return host or "0.0.0.0", found[1]  # noqa: S104  # the user said so
    if not loopback:
        raise RefusedError(
            f"listen address {listen} is no loopback address: start the server with --anywhere to allow it"
        )
    return host, found[1]


def dialled(address: str) -> tuple[str, int] | None:
    """Host and port of HOST:PORT or [HOST]:PORT, if it is that."""
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isdecimal() or not port.isascii() or int(port) > 65_535 or (":" in host and not bracketed):
        return None
    return host.strip("[]"), int(port)


def address_of(listening: socket.socket) -> str:
    """As clients write it."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
