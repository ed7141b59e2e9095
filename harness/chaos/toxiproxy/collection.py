"""All proxies of a server, by name, and what the API may ask of them.

Whatever changes a proxy takes the lock, so that two requests at once are two requests one after the other.
"""

from __future__ import annotations

import asyncio
from typing import Any

from harness.chaos.toxiproxy import bodies, refusals
from harness.chaos.toxiproxy.proxy import DIRECTIONS, Policy, Proxy, split
from harness.chaos.toxiproxy.toxics.registry import KINDS, Toxic


class Collection:
    """The proxies. What cannot be done raises RefusedError."""

    def __init__(self, policy: Policy) -> None:
        self.proxies: dict[str, Proxy] = {}
        self._policy = policy
        self._lock = asyncio.Lock()

    def get(self, name: str) -> Proxy:
        """The proxy of this name."""
        if name not in self.proxies:
            raise refusals.proxy_not_found()
        return self.proxies[name]

    def toxic(self, proxy: str, name: str) -> Toxic:
        """The toxic of this name on that proxy."""
        found = self.get(proxy).find(name)
        if found is None:
            raise refusals.toxic_not_found()
        return found

    async def create(self, value: Any) -> Proxy:
        """A new proxy, enabled unless it says otherwise."""
        given = bodies.fields(value, name=str, listen=str, upstream=str, enabled=bool)
        for field in ("name", "upstream"):
            if not given.get(field):
                raise refusals.missing(field)
        async with self._lock:
            if given["name"] in self.proxies:
                raise refusals.proxy_exists()
            return await self._start(given)

    async def populate(self, value: Any, done: list[Proxy]) -> None:
        """Each proxy as asked for, into done as they come. One that is there, at that address, stays as it is."""
        if value is not None and type(value) is not list:
            raise refusals.bad_body("cannot take this as an array of proxies")
        wanted = [bodies.fields(one, name=str, listen=str, upstream=str, enabled=bool) for one in value or ()]
        for number, given in enumerate(wanted, 1):  # all are looked at before one is touched
            for field in ("name", "upstream"):
                if not given.get(field):
                    raise refusals.missing(f"{field} at proxy {number}")
        async with self._lock:
            for given in wanted:
                there = self.proxies.get(given["name"])
                if there is not None:
                    listen = given.get("listen", "").replace("localhost:", "127.0.0.1:")
                    if (there.listen, there.upstream) == (listen, given["upstream"]):
                        done.append(there)
                        continue
                    split(given.get("listen", ""), self._policy)
                    await there.end()
                    del self.proxies[there.name]
                done.append(await self._start(given))

    async def update(self, name: str, value: Any) -> Proxy:
        """Other addresses, or on and off."""
        given = bodies.fields(value, listen=str, upstream=str, enabled=bool)
        async with self._lock:
            proxy = self.get(name)
            await proxy.change(
                given.get("listen", proxy.listen),
                given.get("upstream", proxy.upstream),
                given.get("enabled", proxy.enabled),
            )
            return proxy

    async def delete(self, name: str) -> None:
        """End a proxy."""
        async with self._lock:
            proxy = self.get(name)
            del self.proxies[name]
            await proxy.end()

    async def reset(self) -> None:
        """Enable all proxies, remove all toxics."""
        async with self._lock:
            for proxy in list(self.proxies.values()):
                await proxy.start()
                proxy.clear()

    async def end(self) -> None:
        """End all proxies."""
        async with self._lock:
            for proxy in self.proxies.values():
                await proxy.end()
            self.proxies.clear()

    def add_toxic(self, name: str, value: Any) -> Toxic:
        """A new toxic on a proxy."""
        proxy = self.get(name)
        given = bodies.fields(value, name=str, type=str, stream=str, toxicity=float)
        stream, kind = given.get("stream", "downstream"), given.get("type", "")
        if stream.lower() not in DIRECTIONS:
            raise refusals.invalid_stream()
        if kind not in KINDS:
            raise refusals.invalid_type()
        named = given.get("name") or f"{kind}_{stream}"
        if proxy.find(named) is not None:
            raise refusals.toxic_exists()
        settings = bodies.settings(KINDS[kind].settings, value.get("attributes"))
        toxic = Toxic(name=named, type=kind, stream=stream, toxicity=given.get("toxicity", 1.0), settings=settings)
        proxy.add(toxic)
        return toxic

    def update_toxic(self, name: str, toxic_name: str, value: Any) -> Toxic:
        """Other settings, or another toxicity."""
        toxic = self.toxic(name, toxic_name)
        given = bodies.fields(value, toxicity=float)
        attributes = value.get("attributes") if value else None
        toxic.settings = bodies.settings(KINDS[toxic.type].settings, attributes, toxic.settings)
        toxic.toxicity = given.get("toxicity", toxic.toxicity)
        self.get(name).follow()
        return toxic

    def remove_toxic(self, name: str, toxic_name: str) -> None:
        """A toxic less."""
        self.get(name).remove(self.toxic(name, toxic_name))

    async def _start(self, given: dict[str, Any]) -> Proxy:
        split(given.get("listen", ""), self._policy)
        proxy = Proxy(given["name"], given.get("listen", ""), given["upstream"], self._policy)
        if given.get("enabled", True):
            await proxy.start()
        self.proxies[proxy.name] = proxy
        return proxy
