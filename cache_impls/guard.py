"""In a process that runs caches of others, commands that flush, end or reconfigure a server are not sent.

It stands behind `servers`, which does not see a client that a cache makes at its first request. It looks at what goes
into sockets, so it holds for every client in Python, with or without TLS, on asyncio or not. It does not see clients in
C or Rust (pylibmc, glide), uvloop's sockets, the binary protocol of memcached, scripts (EVAL), or other processes.
A cache that declares `Promises.own_server` lifts it for its process.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from functools import wraps
from typing import Any

_ALONE = rb"FLUSHALL|FLUSHDB|SHUTDOWN|REPLICAOF|SLAVEOF|DEBUG|MODULE|FAILOVER|SWAPDB"
_WITH_MORE = {
    b"CONFIG": rb"SET|REWRITE|RESETSTAT",
    b"SCRIPT": rb"FLUSH",
    b"FUNCTION": rb"FLUSH|DELETE|RESTORE",
    b"ACL": rb"SETUSER|DELUSER|LOAD|SAVE",
    b"CLUSTER": rb"RESET",
}
_PAIRS = rb"|".join(rb"%b\r\n\$\d+\r\n(?:%b)" % pair for pair in _WITH_MORE.items())
_FORBIDDEN = re.compile(
    rb"\*\d+\r\n\$\d+\r\n(%b|%b)\r\n|\A(%b|flush_all|cache_memlimit)(?=[ \r])" % (_ALONE, _PAIRS, _ALONE), re.IGNORECASE
)
"""As RESP; or a line, as memcached and Redis's inline commands are, at the beginning of what is sent."""

_SENDERS = (
    *((socket.socket, name) for name in ("send", "sendall", "sendto", "sendmsg")),
    *((ssl.SSLSocket, name) for name in ("send", "write")),
    (ssl.SSLObject, "write"),
)
_plain: dict[tuple[type, str], Callable[..., Any]] = {}


class ForbiddenCommandError(RuntimeError):
    """A command that would harm a server which this run did not start. It was not sent."""


def install() -> None:
    """From now on such commands raise ForbiddenCommandError in this process."""
    for cls, name in _SENDERS:
        if (cls, name) not in _plain:
            _plain[cls, name] = getattr(cls, name)
            setattr(cls, name, _guarded(_plain[cls, name]))


def lift() -> None:
    """Let all commands through again."""
    while _plain:
        (cls, name), plain = _plain.popitem()
        setattr(cls, name, plain)


def _guarded(send: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(send)
    def guarded(self: Any, data: Any, *more: Any) -> Any:
        found = _FORBIDDEN.search(b"".join(data) if isinstance(data, list | tuple) else data)
        if found is not None:
            words = re.sub(rb"\r\n\$\d+\r\n", b" ", found[1] or found[2]).decode().upper()
            raise ForbiddenCommandError(
                f"{words} was not sent: this run did not start that server; if it is there for this run alone, "
                "declare promises = Promises(own_server=True) in the cache's class"
            )
        return send(self, data, *more)

    return guarded
