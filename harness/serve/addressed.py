"""Which requests over HTTP were meant for this server: those whose Host header names it.

A page of another site may let its own name mean this machine (DNS rebinding), and its browser then reads what stands
here. Such a request still says in its Host header for whom the page asked.
"""

from __future__ import annotations

import ipaddress

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK_NAME = "localhost"


class Addressed:
    """An application, for requests to the address that it listens on; of all others it hears nothing."""

    def __init__(self, application: ASGIApp, address: str) -> None:
        self._application = application
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it. One of HTTP/1.0 may name nobody: no browser sends it."""
        for host in Headers(scope=scope).getlist("host"):
            if not is_meant(host, self._address):
                why = "the Host header names another server; ask for this one by its address"
                await JSONResponse({"error": why}, status_code=403)(scope, receive, send)
                return
        await self._application(scope, receive, send)


def is_meant(host: str, address: str) -> bool:
    """Whether a Host header (a name or an address, and perhaps a port) names a server that listens on address.

    The loopback always does. Where it listens on all addresses of the machine any address does, and no name.
    """
    name = _name_of(host)
    if name in (_LOOPBACK_NAME, address.lower()):
        return True
    asked, bound = _ip(name), _ip(address)
    return asked is not None and (asked.is_loopback or asked == bound or (bound is not None and bound.is_unspecified))


def _name_of(host: str) -> str:
    """Without the port, and without the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
