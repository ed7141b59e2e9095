"""Serve one cache until a signal comes: build it, listen, tell where, drain, shut down."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import uvloop

from cache_impls.guard import check_connection
from cache_impls.registry import Spec, SpecError, parse
from harness.errors import UsageError
from harness.ports import share
from harness.serve import ops as ops_pages
from harness.serve.connection import MAX_CLIENTS, Connection
from harness.serve.debug import Debug
from harness.serve.host import Host
from harness.serve.resp import Limits

_BACKLOG = 4_096
_MEMORY = "max_memory_mb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is served, and where. Port 0 takes a free one; ops_port None opens none."""

    spec: Spec
    address: str = "127.0.0.1"
    port: int = 0
    kept: bool = False
    """Whether whoever started it keeps the port for it (`harness.ports`)."""
    ops_port: int | None = None
    token: str | None = field(default=None, repr=False)
    capacity: int | None = None
    limits: Limits = field(default_factory=Limits)
    lifeline: bool = False
    """Whether the end of standard input ends it."""
    debug: bool = False
    """Whether it can be broken from within (the command DEBUG), by those who know the password; for chaos alone."""
    password: str | None = field(default=None, repr=False)
    """That clients have to give (AUTH); None: everybody may ask everything."""


class _Loop(uvloop.Loop):
    """uvloop, whose sockets are none of Python's: what a cache connects to is looked at here."""

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        """Connect, unless a client of a server does."""
        check_connection()
        return await super().create_connection(*arguments, **options)


def serve(serving: Serving, ready: Callable[[dict[str, Any]], None]) -> str | None:
    """Serve until SIGTERM or SIGINT; what went wrong at the end, if anything. ready is told the addresses.

    Raises UsageError for a port that is taken, and SpecError for a cache that cannot be built.
    """
    _allow_descriptors()
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(_serve(serving, ready))


async def _serve(serving: Serving, ready: Callable[[dict[str, Any]], None]) -> str | None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ended.set)
    if serving.lifeline:
        loop.add_reader(sys.stdin.fileno(), ended.set)
    debug = Debug() if serving.debug else None
    if debug is not None:
        debug.install()  # before the cache is imported: it may keep the functions
    listening = _listen(serving.address, serving.port, kept=serving.kept)
    operators = None if serving.ops_port is None else _listen(serving.address, serving.ops_port)
    cache = serving.spec.build(capacity=serving.capacity)
    if cache.initialize is not None:
        await cache.initialize()
    host = Host(cache, serving.spec.text, serving.limits, debug, serving.password)
    server = await loop.create_server(lambda: Connection(host), sock=listening, backlog=_BACKLOG)
    ops = ops_task = None
    if operators is not None:
        ops = ops_pages.server(host, serving.address, operators.getsockname()[1], serving.token)
        ops_task = loop.create_task(ops.serve(sockets=[operators]))
    ready(
        {
            "spec": host.spec,
            "address": serving.address,
            "port": listening.getsockname()[1],
            "ops_port": None if operators is None else operators.getsockname()[1],
            "notes": cache.notes,
            "pid": os.getpid(),
            "capacity": cache.capacity if type(cache.capacity) is int else None,
            "promises": cache.promises._asdict(),
            "memory_bound": _memory_bound(serving.spec),
        }
    )
    await ended.wait()
    problem = await host.drain(server)
    if ops is not None and ops_task is not None:
        ops.should_exit = True
        await asyncio.wait([ops_task], timeout=1.0)
    return problem


def _memory_bound(spec: Spec) -> int | None:
    """Of the cache's entries, in bytes, if its factory names one; of a composite, the least that a part names."""
    bounds = [spec.defaults().get(_MEMORY)]
    for value in spec.defaults().values():
        try:
            bounds.append(parse(value).defaults().get(_MEMORY) if isinstance(value, str) else None)
        except SpecError:
            continue  # a parameter that is no cache
    named = [bound for bound in bounds if isinstance(bound, int | float) and not isinstance(bound, bool)]
    return round(min(named) * 1024 * 1024) if named else None


def _allow_descriptors() -> None:
    """As many as the machine lets this process have: the usual soft limit of 1,024 is fewer than its clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MAX_CLIENTS if hard == resource.RLIM_INFINITY else min(2 * MAX_CLIENTS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen(address: str, port: int, *, kept: bool = False) -> socket.socket:
    """A bound socket. Raises UsageError with what to do."""
    listening = None
    try:
        listening = share(address, port) if kept else _bound(address, port)
        listening.listen(_BACKLOG)  # a second host on the port fails here, not later
    except OSError as error:
        if listening is not None:
            listening.close()
        why = error.strerror or str(error)
        raise UsageError(
            f"cannot listen on {address}:{port}: {why}; give another with --port, 0 takes a free one"
        ) from error
    return listening


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setblocking(False)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound
