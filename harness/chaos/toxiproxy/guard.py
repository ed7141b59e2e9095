"""Who may speak to the API: no page in a browser, nobody by a name that is not the server's, nobody without its secret.

A page reaches a server of the loopback under a name of its own that it re-points there (DNS rebinding), so the name
that a client asks for is checked; addresses cannot be re-pointed.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN_VARIABLE = "CACHEGATE_TOXIPROXY_TOKEN"  # noqa: S105  # the variable's name, not what it holds
"""Holds the secret of a server that is started by hand, and of the one in TOXIPROXY_URL."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a client must know."""

    host: str = "127.0.0.1"
    """Where the API listens."""
    token: str | None = None
    """The secret; None: anybody may ask who reaches the server."""

    def knows_name(self, header: bytes) -> bool:
        """Whether a Host header names this server: the loopback, the address that it was told, or any if it was all."""
        try:
            name = urlsplit(f"//{header.decode('ascii')}").hostname or ""
        except ValueError:
            return False
        if name and name in ("localhost", self.host.lower()):
            return True
        try:
            asked = ipaddress.ip_address(name)
        except ValueError:
            return False
        return asked.is_loopback or self._everywhere()

    def knows_secret(self, header: bytes) -> bool:
        """Whether an Authorization header has the secret; True if there is none."""
        return self.token is None or hmac.compare_digest(header, b"Bearer " + self.token.encode())

    def _everywhere(self) -> bool:
        try:
            return not self.host or ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False


class Guard:
    """Stands before all paths."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let through."""
        refusal = self._refusal(dict(scope.get("headers", ())))
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: dict[bytes, bytes]) -> Response | None:
        if headers.get(b"user-agent", b"").startswith(b"Mozilla/"):  # only browsers call themselves that
            return PlainTextResponse("User agent not allowed\n", 403)
        if not self._access.knows_name(headers.get(b"host", b"")):
            return _told(403, "this server has no such name: ask for the address that it listens on")
        if not self._access.knows_secret(headers.get(b"authorization", b"")):
            return _told(401, f"the secret is missing or wrong: send Authorization: Bearer, as {TOKEN_VARIABLE} has it")
        return None


def _told(status: int, error: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": error, "status": status}, status, headers)
