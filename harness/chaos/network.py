"""Network faults: our one door to Toxiproxy, through toxiproxy-python.

That package keeps one server's address for the whole process, waits for ever, cannot update a toxic and lets most
errors pass as answers. Here each server has modules of its own, so several may be driven at once; every call has a
time-out and goes straight to the server, whatever proxies the environment names; and what fails is one of four errors.
"""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import requests
from prometheus_client.parser import text_string_to_metric_families
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from harness.errors import CachegateError, UsageError

TIMEOUT_SECONDS = 2.0
_LONGEST_TIMES = 3
"""Times the time-out that one call may take in all."""
_CHUNK, _MOST_BYTES = 64 * 1024, 1024 * 1024
_STRAIGHT = {"http": "", "https": ""}
"""No proxy on the way to the proxy."""


class NetworkFaultError(CachegateError):
    """A network fault could not be made or ended."""


class ServerSilentError(NetworkFaultError):
    """Nobody answers at the URL, or not in time, or it is no Toxiproxy."""


class AlreadyExistsError(NetworkFaultError):
    """A proxy or a toxic of that name is there."""


class NotFoundError(NetworkFaultError):
    """There is no proxy or toxic of that name."""


class RefusedError(NetworkFaultError):
    """The server would not, and said why."""


class Toxic:
    """A toxic as the server told it."""

    def __init__(self, name: str, type: str, stream: str, toxicity: float, attributes: Mapping[str, int]) -> None:  # noqa: A002  # the API's own word
        self.name, self.type, self.stream, self.toxicity = name, type, stream, toxicity
        self.attributes = dict(attributes)


class Proxy:
    """One proxy: `listen` is where clients connect in the place of `upstream`."""

    def __init__(self, server: ProxyServer, theirs: Any) -> None:
        self._server = server
        self._theirs = theirs
        self.name: str = theirs.name
        self.listen: str = theirs.listen
        self.upstream: str = theirs.upstream
        self.enabled: bool = theirs.enabled

    def add_toxic(
        self,
        type: str,  # noqa: A002  # the API's own word
        stream: str = "downstream",
        toxicity: float = 1.0,
        name: str | None = None,
        **attributes: int,
    ) -> str:
        """Do harm to what streams down to clients, or up; its name, which is `type_stream` if none is given."""
        given = {"name": _plain(name)} if name is not None else {}
        self._theirs.add_toxic(type=type, stream=stream, toxicity=toxicity, attributes=attributes, **given)
        return name if name is not None else f"{type}_{stream}"

    def update_toxic(self, name: str, toxicity: float | None = None, **attributes: int) -> Toxic:
        """Change what is given, on connections that are there too."""
        body: dict[str, Any] = {"attributes": attributes}
        if toxicity is not None:
            body["toxicity"] = toxicity
        answer = self._server.consumer.post(f"/proxies/{self.name}/toxics/{_plain(name)}", json=body)
        return _toxic(answer.json())

    def remove_toxic(self, name: str) -> None:
        """End this harm."""
        self._theirs.destroy_toxic(_plain(name))

    def toxics(self) -> dict[str, Toxic]:
        """By name."""
        return {name: _toxic(vars(toxic)) for name, toxic in self._theirs.toxics().items()}

    def acted(self) -> dict[str, int] | None:
        """Chunks and connections that each toxic changed, removed ones too. None: the server does not count them."""
        return self._server.acted(self.name)

    def disable(self) -> None:
        """Cut its connections, refuse new ones."""
        self._theirs.disable()
        self.enabled = False

    def enable(self) -> None:
        """Accept connections again, on the same port."""
        self._theirs.enable()
        self.enabled = True

    def delete(self) -> None:
        """End the proxy and its connections."""
        self._theirs.destroy()


class ProxyServer:
    """A Toxiproxy server at a URL such as http://127.0.0.1:8474."""

    def __init__(
        self, url: str, timeout: float = TIMEOUT_SECONDS, what: str | None = None, token: str | None = None
    ) -> None:
        self.url = url
        self.token = token
        """Its secret, sent with every call."""
        self.guarded = False
        """Whether it refuses whoever does not have the secret."""
        self.what = what or f"the one at {url}"
        """Which one it is, for reports."""
        self.pid: int | None = None
        """Of a server that this run started."""
        self.ends_with_run = False
        """Whether it ends with this run's process, and its proxies with it."""
        self.complaints: Callable[[], str] = str
        """What such a server wrote to its standard error: nothing, unless something is wrong with it."""
        self.consumer = _consumer(url, timeout, token)
        proxies, servers = _own("toxiproxy.proxy"), _own("toxiproxy.server")
        proxies.APIConsumer = servers.APIConsumer = self.consumer  # type: ignore[attr-defined]  # a module's global
        servers.Proxy = proxies.Proxy  # type: ignore[attr-defined]  # a module's global
        self._theirs: Any = servers.Toxiproxy()
        self._shape: Any = proxies.Proxy

    def version(self) -> str:
        """As it tells it. Raises ServerSilentError, and RefusedError for a secret that is not its own."""
        try:
            return str(self.consumer.get("/version").json()["version"])
        except (ValueError, LookupError, TypeError):
            raise ServerSilentError(f"what answers at {self.url} is no Toxiproxy server") from None

    def create(self, name: str, upstream: str, listen: str = "127.0.0.1:0") -> Proxy:
        """A proxy to upstream (HOST:PORT), on a free port if none is asked for."""
        try:
            return Proxy(self, self._theirs.create(upstream=upstream, name=_plain(name), listen=listen))
        except ProxyExists:  # it looked by itself
            raise AlreadyExistsError(f"Toxiproxy says of {name}: proxy already exists") from None

    def proxies(self) -> dict[str, Proxy]:
        """By name."""
        return {name: Proxy(self, theirs) for name, theirs in self._theirs.proxies().items()}

    def populate(self, proxies: Iterable[Mapping[str, Any]]) -> dict[str, Proxy]:
        """Have these, in one request: those that are there at these addresses stay as they are, others are replaced."""
        # toxiproxy-python's asks for each by itself, forgets those that were there, and knows no `enabled`.
        wanted = [dict(one, name=_plain(str(one["name"]))) for one in proxies]
        told = self.consumer.post("/populate", json=wanted).json()["proxies"] or []
        return {one["name"]: Proxy(self, self._shape(**one)) for one in told}

    def reset(self) -> None:
        """Enable all proxies, remove all toxics."""
        self._theirs.reset()

    def acted(self, proxy: str) -> dict[str, int] | None:
        """What the toxics of a proxy changed; None from a server that does not count it."""
        try:
            text = self.consumer.get("/metrics").text
        except NotFoundError:  # Toxiproxy has the page only if it was asked for at its start
            return None
        for family in text_string_to_metric_families(text):
            if family.name == "cachegate_toxic_acted":
                rows = (sample for sample in family.samples if sample.labels.get("proxy") == proxy)
                return {row.labels["toxic"]: int(row.value) for row in rows}
        return None


def _consumer(url: str, timeout: float, token: str | None) -> Any:
    """toxiproxy-python's way to a server, with this server's address and secret."""
    address, at = _address(url)

    def signed(request: requests.PreparedRequest) -> requests.PreparedRequest:
        # In the place of headers alone, for which requests would take what a .netrc says of the host.
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    def called(method: Any, path: str, **given: Any) -> requests.Response:
        try:
            answer = _in_time(
                lambda: method(
                    path, timeout=timeout, proxies=_STRAIGHT, auth=signed, stream=True, hooks=_BOUNDED, **given
                ),
                _LONGEST_TIMES * timeout,
            )
        except ProxyExists as error:
            raise AlreadyExistsError(_said(path, error.args[0])) from None
        except NotFound as error:
            raise NotFoundError(_said(path, error.args[0])) from None
        except InvalidToxic as error:
            raise RefusedError(_said(path, error.args[0])) from None
        except requests.Timeout:
            raise ServerSilentError(f"the Toxiproxy server at {url} did not answer within {timeout:g} s") from None
        except requests.RequestException:
            raise ServerSilentError(f"no Toxiproxy server answers at {url}; is it running?") from None
        if not answer.ok:
            raise RefusedError(_said(path, answer.content))
        return answer

    class Consumer(APIConsumer):  # type: ignore[misc]  # toxiproxy-python has no types
        """Its own three methods, with what they lack around them."""

        host = address
        port = at

        @classmethod
        def get(cls, url: str, params: Any = None, **given: Any) -> requests.Response:
            """GET."""
            return called(super().get, url, params=params, **given)

        @classmethod
        def post(cls, url: str, data: Any = None, **given: Any) -> requests.Response:
            """POST."""
            return called(super().post, url, data=data, **given)

        @classmethod
        def delete(cls, url: str, **given: Any) -> requests.Response:
            """DELETE."""
            return called(super().delete, url, **given)

    return Consumer


def _bounded(answer: requests.Response, **_: Any) -> None:
    """Read an answer's body, as requests would, but not without end."""
    body = b""
    try:
        while part := answer.raw.read1(_CHUNK, decode_content=True):
            body += part
            if len(body) > _MOST_BYTES:
                raise requests.ConnectionError(f"an answer of more than {_MOST_BYTES} bytes")
    finally:
        answer.close()
    vars(answer).update(_content=body, _content_consumed=True)  # what its `content` keeps


def _in_time(call: Callable[[], requests.Response], seconds: float) -> requests.Response:
    """The answer, or what the call raises. Raises requests.Timeout: its own time-outs are for each part that comes."""
    found: list[requests.Response | BaseException] = []

    def answer() -> None:
        try:
            found.append(call())
        except BaseException as error:  # raised again below, in the thread that asked
            found.append(error)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise requests.Timeout
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


_BOUNDED = {"response": _bounded}


def _address(url: str) -> tuple[str, int]:
    """Host, as it stands in a URL, and port. Raises UsageError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        host = ""
    if not host or parts.scheme != "http" or parts.path not in ("", "/"):
        raise UsageError(f"{url!r} is no address of a Toxiproxy server; it looks like http://127.0.0.1:8474")
    return f"[{host}]" if ":" in host else host, port


def _own(name: str) -> ModuleType:
    """A module of toxiproxy-python that nobody else has: its classes look up their server in its globals."""
    spec = importlib.util.find_spec(name)
    assert spec is not None  # it is imported above
    assert spec.loader is not None  # as every module in a file has
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _said(path: str, content: bytes | str) -> str:
    """One line with what the server said."""
    text = content.decode(errors="replace") if isinstance(content, bytes) else content
    try:
        told = json.loads(text)
        text = told["error"] if isinstance(told, dict) and "error" in told else text
    except ValueError:
        pass  # not JSON: said as it is
    return f"Toxiproxy says of {path}: {' '.join(str(text).split())}"


def _plain(name: str) -> str:
    """A name that can stand in a path. Raises UsageError."""
    if not name or any(sign in name for sign in "/?#%\\") or not name.isprintable():
        raise UsageError(f"{name!r} cannot be the name of a proxy or a toxic; take letters, digits, - and _")
    return name


def _toxic(told: Mapping[str, Any]) -> Toxic:
    return Toxic(**{name: told[name] for name in ("name", "type", "stream", "toxicity", "attributes")})
