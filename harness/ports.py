"""A port that stays ours while nobody listens on it.

Whoever is away for a while comes back at the same port, and is sent the same password there. A spare
socket is bound to it meanwhile and never listens: clients are refused, and no other user gets the
port. SO_REUSEPORT lets the sockets of one user alone share a port (with SO_REUSEADDR any user might);
so it is what the spare and whoever listens have set.
"""

from __future__ import annotations

import socket


def keep(address: str, port: int = 0) -> socket.socket:
    """A spare on the port; 0 takes a free one. Raises OSError for a port that anybody else has, or keeps.

    The port is kept until it is closed.
    """
    spare = _made(address)
    try:
        # Connections that ended a moment ago do not hold a port that was asked for.
        spare.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(port != 0))
        spare.bind((address, port))
        # Only now: a port that another spare keeps is taken.
        spare.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        spare.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        spare.close()
        raise
    return spare


def share(address: str, port: int) -> socket.socket:
    """A socket on a port that a spare keeps, ready to listen; it does not block. Raises OSError."""
    shared = _made(address)
    try:
        shared.setblocking(False)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind((address, port))
    except OSError:
        shared.close()
        raise
    return shared


def _made(address: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
