"""The port for operators: /health, /metrics and /flags over HTTP.

starlette and uvicorn serve it, prometheus_client writes the metrics; the names are those of DESIGN section 8. It runs
on the host's own event loop, so a host that answers no client answers no operator either.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from harness.passwords import same
from harness.serve.addressed import Addressed
from harness.serve.host import EDGES_SECONDS, Host

FLAGS = {
    "stage": "set_stage",
    "percentage": "set_percentage",
    "use_new_cache": "set_use_new_cache",
    "enable_metrics": "set_enable_metrics",
}
"""What may be changed while a migration runs, and by which of its methods."""
_FALLBACKS = {"miss": "fallbacks_miss", "error": "fallbacks_error"}
_COUNTERS = ("hits", "misses", "sets", "deletes", "evictions", "expirations")


def application(host: Host, token: str | None, address: str) -> Starlette:
    """The three pages. With a token flags are for those who have it; without one they can be read and not changed.

    address is the one that the port listens on: a request for any other server is refused.
    """
    registry = CollectorRegistry()
    registry.register(_HostCollector(host))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)

    async def health(_request: Request) -> Response:
        found = await host.health()
        return JSONResponse(found, status_code=200 if found["status"] == "pass" else 503)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def flags(request: Request) -> Response:
        if token is not None and not _knows(request, token):
            return JSONResponse({"error": "a token is needed: Authorization: Bearer"}, status_code=403)
        if request.method == "PUT":
            return await _change(host, request, token)
        return JSONResponse(_flags(host))

    async def index(_request: Request) -> Response:
        return PlainTextResponse("/health  /metrics  /flags\n")

    return Starlette(
        routes=[
            Route("/", index),
            Route("/health", health),
            Route("/metrics", metrics),
            Route("/flags", flags, methods=["GET", "PUT"]),
        ],
        middleware=[Middleware(Addressed, address=address)],
    )


class OpsServer(uvicorn.Server):
    """uvicorn on a loop that has other work: signals are the host's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def server(host: Host, address: str, port: int, token: str | None) -> OpsServer:
    """A server for the port, to be awaited."""
    config = uvicorn.Config(
        application(host, token, address), host=address, port=port, log_level="error", access_log=False, lifespan="off"
    )
    return OpsServer(config)


def _knows(request: Request, token: str) -> bool:
    return same(request.headers.get("authorization", "").removeprefix("Bearer ").encode(), token)


async def _change(host: Host, request: Request, token: str | None) -> Response:
    if token is None:
        why = "start the host with a token in CACHEGATE_TOKEN to change flags"
        return JSONResponse({"error": why}, status_code=403)
    try:
        wanted = await request.json()
    except ValueError:
        return JSONResponse({"error": "the body is no JSON"}, status_code=400)
    methods = _methods(host)
    unknown = [name for name in wanted if name not in methods] if isinstance(wanted, dict) else ["a list or a value"]
    if unknown:
        there = ", ".join(methods) or "none: this cache is no migration"
        return JSONResponse({"error": f"no flag {', '.join(unknown)}; there are {there}"}, status_code=400)
    for name, value in wanted.items():
        try:
            changed = methods[name](value)
            if hasattr(changed, "__await__"):
                await changed
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": f"{name}: {error}"} | _flags(host), status_code=400)
    return JSONResponse(_flags(host))


def _methods(host: Host) -> dict[str, Any]:
    native = host.cache.native
    return {name: getattr(native, method) for name, method in FLAGS.items() if hasattr(native, method)}


def _flags(host: Host) -> dict[str, Any]:
    stats = _stats(host)
    return {name: stats[name] for name in ("stage", "percentage") if name in stats and _methods(host)}


def _stats(host: Host) -> dict[str, Any]:
    try:
        return dict(host.cache.get_stats())
    except Exception:  # what it cannot tell is left out; a rule of `check` says so
        return {}


class _HostCollector(Collector):
    """The host's counts when they are asked for: nothing is done for them in between."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def collect(self) -> Iterator[Metric]:
        """All but the process's own."""
        host, stats = self._host, _stats(self._host)
        operations = CounterMetricFamily(
            "cache_operations", "Operations asked of the cache", labels=("operation", "status")
        )
        durations = HistogramMetricFamily(
            "cache_operation_duration_seconds", "Inside the host, without the network", labels=("operation",)
        )
        for name, tally in host.tallies.items():
            operations.add_metric((name, "ok"), tally.ok)
            operations.add_metric((name, "error"), tally.errors)
            total, buckets = 0, []
            for edge, count in zip((*map(str, EDGES_SECONDS), "+Inf"), tally.buckets, strict=True):
                total += count
                buckets.append((edge, total))
            durations.add_metric((name,), buckets, tally.seconds_ns / 1e9)
        yield operations
        yield durations
        yield GaugeMetricFamily("cache_clients", "Connections that are open", len(host.connections))
        errors = CounterMetricFamily("cache_errors", "What the cache raised", labels=("error_type",))
        for kind, count in host.errors.items():
            errors.add_metric((kind,), count)
        yield errors
        own = CounterMetricFamily("cache_counters", "What the cache itself counts", labels=("counter",))
        for name in _COUNTERS:
            if type(stats.get(name)) is int:
                own.add_metric((name,), stats[name])
        yield own
        if "stage" in stats:
            yield from _migration(stats)


def _migration(stats: dict[str, Any]) -> Iterator[Metric]:
    yield CounterMetricFamily("migration_legacy_hits", "Reads that the old side answered", stats.get("legacy_hits", 0))
    yield CounterMetricFamily("migration_new_hits", "Reads that the new side answered", stats.get("new_hits", 0))
    fallbacks = CounterMetricFamily("migration_fallbacks", "Reads that went on to the old side", labels=("reason",))
    for reason, name in _FALLBACKS.items():
        fallbacks.add_metric((reason,), stats.get(name, 0))
    yield fallbacks
    errors = CounterMetricFamily("migration_errors", "Calls of a side that failed", labels=("error_type",))
    for name, count in stats.items():
        if name.startswith("errors_"):
            errors.add_metric((name.removeprefix("errors_"),), count)
    yield errors
