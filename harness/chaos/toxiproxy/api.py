"""The HTTP API of Toxiproxy 2: the same paths, statuses and shapes, so that its clients need not know who answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from harness.chaos.toxiproxy.bodies import parse
from harness.chaos.toxiproxy.collection import Collection
from harness.chaos.toxiproxy.guard import Access, Guard
from harness.chaos.toxiproxy.metrics import ProxyCollector
from harness.chaos.toxiproxy.proxy import Proxy
from harness.chaos.toxiproxy.refusals import RefusedError
from harness.chaos.toxiproxy.toxics.registry import Toxic

VERSION = "2.9.0+cachegate"
"""The version whose API this is, and by whom it is spoken."""
_PROXY, _TOXICS, _TOXIC = "/proxies/{proxy}", "/proxies/{proxy}/toxics", "/proxies/{proxy}/toxics/{toxic}"

Handler = Callable[[Request], Awaitable[Response]]


class ApiServer(uvicorn.Server):
    """uvicorn on a loop that has other work: signals are not its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def server(collection: Collection, access: Access) -> ApiServer:
    """A server for the API, to be awaited with the socket that it listens on."""
    config = uvicorn.Config(
        application(collection, access),
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return ApiServer(config)


def application(collection: Collection, access: Access) -> Starlette:
    """All pages."""
    handlers = _Handlers(collection)
    routes: list[tuple[str, str, Handler]] = [
        ("GET", "/version", handlers.version),
        ("GET", "/metrics", handlers.metrics),
        ("POST", "/reset", handlers.reset),
        ("POST", "/populate", handlers.populate),
        ("GET", "/proxies", handlers.proxies),
        ("POST", "/proxies", handlers.create),
        ("GET", _PROXY, handlers.proxy),
        ("POST PATCH", _PROXY, handlers.update),
        ("DELETE", _PROXY, handlers.delete),
        ("GET", _TOXICS, handlers.toxics),
        ("POST", _TOXICS, handlers.add_toxic),
        ("GET", _TOXIC, handlers.toxic),
        ("POST PATCH", _TOXIC, handlers.update_toxic),
        ("DELETE", _TOXIC, handlers.remove_toxic),
    ]
    return Starlette(
        routes=[Route(path, handler, methods=methods.split()) for methods, path, handler in routes],
        middleware=[Middleware(Guard, access=access)],
        exception_handlers={RefusedError: _refused, HTTPException: _no_such_page},
    )


class _Handlers:
    """A method for each thing that can be asked."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._registry = CollectorRegistry()
        self._registry.register(ProxyCollector(collection))

    async def version(self, _request: Request) -> Response:
        return JSONResponse({"version": VERSION})

    async def metrics(self, _request: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    async def reset(self, _request: Request) -> Response:
        await self._collection.reset()
        return Response(status_code=204)

    async def populate(self, request: Request) -> Response:
        done: list[Proxy] = []
        problem: dict[str, Any] = {}
        try:
            await self._collection.populate(parse(await request.body()), done)
        except RefusedError as error:  # unlike elsewhere, what was done is told too
            problem = {"error": error.message, "status": error.status}
        told = [proxy_shape(proxy) for proxy in done] or None
        return JSONResponse(problem | {"proxies": told}, problem.get("status", 201))

    async def proxies(self, _request: Request) -> Response:
        return JSONResponse({name: proxy_shape(proxy) for name, proxy in self._collection.proxies.items()})

    async def create(self, request: Request) -> Response:
        return JSONResponse(proxy_shape(await self._collection.create(parse(await request.body()))), 201)

    async def proxy(self, request: Request) -> Response:
        return JSONResponse(proxy_shape(self._collection.get(_proxy(request))))

    async def update(self, request: Request) -> Response:
        self._collection.get(_proxy(request))  # a proxy that is not there is said before a body that is wrong
        return JSONResponse(proxy_shape(await self._collection.update(_proxy(request), parse(await request.body()))))

    async def delete(self, request: Request) -> Response:
        await self._collection.delete(_proxy(request))
        return Response(status_code=204)

    async def toxics(self, request: Request) -> Response:
        return JSONResponse(proxy_shape(self._collection.get(_proxy(request)))["toxics"])

    async def add_toxic(self, request: Request) -> Response:
        self._collection.get(_proxy(request))
        body = parse(await request.body())
        return JSONResponse(toxic_shape(self._collection.add_toxic(_proxy(request), body)))

    async def toxic(self, request: Request) -> Response:
        return JSONResponse(toxic_shape(self._collection.toxic(_proxy(request), _toxic(request))))

    async def update_toxic(self, request: Request) -> Response:
        self._collection.toxic(_proxy(request), _toxic(request))
        body = parse(await request.body())
        return JSONResponse(toxic_shape(self._collection.update_toxic(_proxy(request), _toxic(request), body)))

    async def remove_toxic(self, request: Request) -> Response:
        self._collection.remove_toxic(_proxy(request), _toxic(request))
        return Response(status_code=204)


def proxy_shape(proxy: Proxy) -> dict[str, Any]:
    """A proxy as JSON."""
    return {
        "name": proxy.name,
        "listen": proxy.listen,
        "upstream": proxy.upstream,
        "enabled": proxy.enabled,
        "toxics": [toxic_shape(toxic) for toxics in proxy.toxics.values() for toxic in toxics],
    }


def toxic_shape(toxic: Toxic) -> dict[str, Any]:
    """A toxic as JSON."""
    return {
        "attributes": dataclasses.asdict(toxic.settings),
        "name": toxic.name,
        "type": toxic.type,
        "stream": toxic.stream,
        "toxicity": toxic.toxicity,
    }


def _proxy(request: Request) -> str:
    return str(request.path_params["proxy"])


def _toxic(request: Request) -> str:
    return str(request.path_params["toxic"])


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)  # what it is registered for
    return JSONResponse({"error": error.message, "status": error.status}, error.status)


async def _no_such_page(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # what it is registered for
    text = "404 page not found\n" if error.status_code == 404 else ""
    return PlainTextResponse(text, error.status_code, error.headers)
