"""One client and its connection to the upstream: two sockets and two links.

With no toxic a side hands what it read to the other side's transport, with no task, queue or copy in between. How ends
travel: FIN as FIN, so a half-open connection stays one; a reset or a dead socket as a close of the other side, after
what is on its way. Both sockets are closed when both directions have ended.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from harness.chaos.toxiproxy.link import Chances, Link, World
from harness.chaos.toxiproxy.stage import End
from harness.chaos.toxiproxy.toxics.registry import Toxic

if TYPE_CHECKING:
    Bytes = bytes | memoryview

_RESET = struct.pack("ii", 1, 0)
_NO_TIME = 0.0


class Traffic:
    """Bytes of one direction of a proxy."""

    __slots__ = ("received", "sent")

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0


class Side(asyncio.Protocol):
    """One socket: the source of one link and the target of the other."""

    __slots__ = (
        "_early",
        "_early_end",
        "connection",
        "done",
        "gone",
        "link",
        "peer",
        "room",
        "traffic",
        "transport",
        "write",
    )

    link: Link
    """Of what this side sends."""
    peer: Side

    def __init__(self, connection: Connection, traffic: Traffic) -> None:
        self.connection = connection
        self.traffic = traffic
        self.transport: asyncio.Transport | None = None
        self.room = False
        self.write: Callable[[Bytes], None] = self._keep
        self.done = False
        """Whether its end has been sent."""
        self.gone = False
        self._early: list[Bytes] = []
        self._early_end = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what came before the connection was there."""
        self.transport = cast("asyncio.Transport", transport)
        if self.connection.closing:
            transport.close()
            return
        self.write = self.transport.write
        self.room = True
        for data in self._early:
            self.write(data)
        self._early = []
        if self._early_end:
            self.finish(End.HALF, _NO_TIME)
        self.connection.made(self)

    def data_received(self, data: bytes) -> None:
        """The hot path."""
        traffic, size = self.traffic, len(data)
        traffic.received += size
        if self.link.acting:
            self.link.push(data)
        else:
            traffic.sent += size
            self.peer.write(data)

    def eof_received(self) -> bool:
        """Keep the other direction open."""
        self.link.finish(End.HALF)
        return True

    def pause_writing(self) -> None:
        """The kernel takes no more."""
        self.room = False
        self.peer.link.govern()

    def resume_writing(self) -> None:
        """It does again."""
        self.room = True
        self.peer.link.serve()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Closed by us or by its peer."""
        self.gone = True
        self.stop()
        self.connection.lost(self)

    def receive(self, data: memoryview, _now: float) -> None:
        """Send what came through the other side's link."""
        self.peer.traffic.sent += len(data)
        self.write(data)

    def finish(self, end: End, _now: float) -> None:
        """Send the end that came through the other side's link."""
        if end is not End.HALF:
            self.connection.close(end)
        elif self.transport is None:
            self._early_end = True
        elif not self.done and not self.transport.is_closing():
            self.done = True
            self.transport.write_eof()
            if self.peer.done:
                self.connection.close(End.FULL)

    def hold(self) -> None:
        """Read no further."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def stop(self) -> None:
        """Nothing can be sent any more, so anything may come."""
        self.write = _swallow
        self.room = True

    def _keep(self, data: Bytes) -> None:
        """The connection is still being made. The sender waits for it after its first bytes."""
        self._early.append(data)
        self.peer.link.govern()


class Connection:
    """Both sides. `ended` is called once nothing of it is left."""

    def __init__(
        self,
        upstream: tuple[str, int],
        traffic: dict[str, Traffic],
        world: World,
        chances: Chances,
        ended: Callable[[Connection], None],
    ) -> None:
        self.closing = False
        self.client = Side(self, traffic["upstream"])
        self.upstream = Side(self, traffic["downstream"])
        self.links = {
            "upstream": Link(self.client, self.upstream, world, chances),
            "downstream": Link(self.upstream, self.client, world, chances),
        }
        self.client.link, self.upstream.link = self.links["upstream"], self.links["downstream"]
        self.client.peer, self.upstream.peer = self.upstream, self.client
        self._address = upstream
        self._ended = ended
        self._dialling: asyncio.Task[None] | None = None

    def follow(self, toxics: dict[str, list[Toxic]]) -> None:
        """Let these toxics act."""
        for direction, link in self.links.items():
            link.follow(toxics[direction])

    def made(self, side: Side) -> None:
        """A side is connected: the client's first, then the upstream's."""
        if side is self.client:
            self._dialling = asyncio.get_running_loop().create_task(self._dial())
        else:
            self.client.link.serve()

    def lost(self, side: Side) -> None:
        """A side is gone; the other one follows when the link between them is empty."""
        if not self.closing:
            side.link.finish(End.FULL)
        if self.client.gone and self.upstream.gone:
            for link in self.links.values():
                link.end()
            self._ended(self)

    def close(self, end: End) -> None:
        """End both sides: now and with RST, or after what was sent to them."""
        if self.closing and end is not End.RESET:
            return
        self.closing = True
        if self._dialling is not None:
            self._dialling.cancel()
        for side in (self.client, self.upstream):
            side.stop()
            if side.transport is not None:
                if end is End.RESET:
                    _reset(side.transport)
                else:
                    side.transport.close()

    def cut(self) -> None:
        """End both sides now, whatever was sent to them."""
        self.close(End.FULL)
        for side in (self.client, self.upstream):
            if side.transport is not None:
                side.transport.abort()

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.upstream, *self._address)
        except (OSError, UnicodeError, asyncio.CancelledError):
            # Refused, unknown, or the client has gone: cancelled by `close` alone, which nobody awaits.
            self.upstream.gone = True
            self.close(End.FULL)
            if self.client.gone:
                self.lost(self.upstream)


def _reset(transport: asyncio.Transport) -> None:
    """Discard what was to be sent, and say RST instead of FIN."""
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def _swallow(_data: Bytes) -> None:
    """There is nobody to send it to."""
