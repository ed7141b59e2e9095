"""What tests of the proxy share: both ends of a proxied connection in the test's hands, and the API as plain HTTP."""

from __future__ import annotations

import json
import socket
import urllib.request
from http.client import HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

PATIENCE_SECONDS = 20
SOON_SECONDS = 0.15
"""How long something is given to arrive that must not: too short a time can only miss it."""


class Api:
    """Requests and answers, nothing else."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token

    def call(self, method: str, path: str, body: Any = None, agent: str = "a test", **more: str) -> tuple[int, Any]:
        """Status, and the answer: JSON if it says so, else text. More headers by their names."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"User-Agent": agent, "Content-Type": "application/json"}
        headers |= {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        headers |= more
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310  # http, on the loopback
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as found:  # noqa: S310  # http, on the loopback
                assert isinstance(found, HTTPResponse)
                return found.status, _read(found.headers.get("Content-Type"), found.read())
        except HTTPError as error:
            with error:
                return error.code, _read(error.headers.get("Content-Type"), error.read())

    def proxy(self, name: str, upstream: str, listen: str = "127.0.0.1:0") -> Any:
        """A new proxy."""
        status, told = self.call("POST", "/proxies", {"name": name, "listen": listen, "upstream": upstream})
        assert status == 201, told
        return told

    def toxic(self, proxy: str, kind: str, stream: str = "downstream", toxicity: float = 1.0, **attributes: int) -> str:
        """A new toxic; its path."""
        body = {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        status, told = self.call("POST", f"/proxies/{proxy}/toxics", body)
        assert status == 200, told
        return f"/proxies/{proxy}/toxics/{told['name']}"

    def clear(self) -> None:
        """No proxies."""
        for name in self.call("GET", "/proxies")[1]:
            assert self.call("DELETE", f"/proxies/{quote(name, safe='')}")[0] == 204


class Upstream:
    """A server of which the test accepts each connection itself."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(PATIENCE_SECONDS)
        self.port = int(self._listening.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []

    def accept(self) -> socket.socket:
        """The next connection that the proxy made."""
        found, _ = self._listening.accept()
        return self._kept(found)

    def connected(self, listen: str) -> tuple[socket.socket, socket.socket]:
        """Both ends of a new connection through a proxy: the client's, the upstream's."""
        client = connect(listen)
        return self._kept(client), self.accept()

    def close(self) -> None:
        """Everything."""
        for one in (*self._open, self._listening):
            one.close()

    def _kept(self, one: socket.socket) -> socket.socket:
        one.settimeout(PATIENCE_SECONDS)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.append(one)
        return one


def connect(listen: str) -> socket.socket:
    """A client of a proxy."""
    host, _, port = listen.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE_SECONDS)


def read(source: socket.socket, size: int) -> bytes:
    """Exactly so much."""
    found = b""
    while len(found) < size:
        data = source.recv(size - len(found))
        assert data, f"the stream ended after {len(found)} of {size} bytes"
        found += data
    return found


def rest(source: socket.socket) -> bytes:
    """All up to the end of the stream. Raises ConnectionResetError."""
    found = b""
    while data := source.recv(65_536):
        found += data
    return found


def silent(source: socket.socket) -> bool:
    """Whether nothing arrives, the end neither."""
    source.settimeout(SOON_SECONDS)
    try:
        source.recv(1)
    except TimeoutError:
        return True
    finally:
        source.settimeout(PATIENCE_SECONDS)
    return False


def _read(kind: str | None, body: bytes) -> Any:
    return json.loads(body) if body and kind and kind.startswith("application/json") else body.decode()


def pair(api: Api, upstream: Upstream, stream: str, name: str = "p") -> tuple[socket.socket, socket.socket]:
    """Sender and receiver of a stream through a new proxy."""
    client, server = upstream.connected(api.proxy(name, upstream.address)["listen"])
    return (client, server) if stream == "upstream" else (server, client)
