"""Who may use locust's web UI: whoever names this machine as the host, and no page of another site.

A browser sends a form to any address that a page asks it to, without asking first, and a name may lead it to this
machine (DNS rebinding). So every request must name a host that was told, one from a page must come from our own, and a
form may hold what a test is started with: locust would set any of its options by it, `html_file` and `json_file` too,
which are written when it ends. No locust here.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

FORM = frozenset({"user_count", "spawn_rate", "host", "run_time", "user_classes", "shape_class", "profile"})
"""The fields of locust's own form that are not options of its own."""
_USER_FIELDS = frozenset({"user_class_name", "host", "weight", "fixed_count", "tasks"})
"""What locust's page changes of a class of users; locust would set any attribute."""
_SAFE = ("GET", "HEAD", "OPTIONS")
_ANY = ("", "*", "0.0.0.0", "::")  # noqa: S104  # what a user may tell, not where anything listens


class Guard:
    """Says which requests are refused.

    web_host: where the UI was told to listen. display_name: the URL by which its user has it seen, if any.
    options: the names that the form may set beside FORM.
    """

    def __init__(self, web_host: str, display_name: str | None, options: Callable[[], Collection[str]]) -> None:
        self._any = web_host in _ANY
        shown = display_name or ""
        self._names = {web_host.lower(), _name(shown.partition("://")[2] or shown)} - {None, *_ANY}
        if self._any:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        self._options = options

    def refusal(
        self, method: str, path: str, headers: Mapping[str, str], form: Collection[str], body: bytes
    ) -> str | None:
        """Why a request is refused, in one line; None if it is not. form: the names of its fields."""
        host = headers.get("Host", "")
        if not self._is_here(_name(host)):
            return "cachegate: this is not the host that the web UI was started for; start it with --web-host"
        origin = headers.get("Origin") or (headers.get("Referer") if method not in _SAFE else None)
        if origin is not None and _place(origin) != host.lower():
            return "cachegate: a page of another site may not use this web UI"
        if method in _SAFE:
            return None
        if path.endswith("/swarm"):
            stray = set(form) - FORM - set(self._options())
            return f"cachegate: {_shown(stray)} can be set when locust starts, not by a form" if stray else None
        if path.endswith("/user"):
            stray = _fields(body) - _USER_FIELDS
            return f"cachegate: {_shown(stray)} of a class of users cannot be set here" if stray else None
        return None

    def _is_here(self, name: str | None) -> bool:
        """Whether a host's name is this machine's: an address cannot be made to lead elsewhere, a name can."""
        if name is None:
            return False
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name == "localhost" or name in self._names
        return self._any or address.is_loopback or name in self._names


def _name(host: str) -> str | None:
    """The host of HOST:PORT, in small letters; None if it is not one."""
    try:
        found = urlsplit(f"//{host}").hostname
    except ValueError:
        return None
    return found.lower() if found else None


def _place(url: str) -> str | None:
    """The host and port of a URL, in small letters; None if it is not one."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return None


def _fields(body: bytes) -> set[str]:
    try:
        found = json.loads(body)
    except ValueError:
        return set()  # locust says so
    return set(found) if isinstance(found, dict) else set()


def _shown(names: set[str]) -> str:
    """Names in a message: what was sent is not repeated whole."""
    return ", ".join(sorted(repr(name[:40]) for name in names)[:3])


def install(web_ui: Any, guard: Guard) -> None:
    """Have locust's web UI ask guard before it answers any request."""
    from flask import request  # noqa: PLC0415  # only where there is a web UI

    def look() -> tuple[str, int, dict[str, str]] | None:
        why = guard.refusal(
            request.method, request.path, dict(request.headers), list(request.form), request.get_data(cache=True)
        )
        return None if why is None else (f"{why}\n", 403, {"Content-Type": "text/plain; charset=utf-8"})

    web_ui.app.before_request(look)
