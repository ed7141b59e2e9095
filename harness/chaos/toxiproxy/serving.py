"""The proxy server's process: the API and all proxies on one uvloop, until a signal comes or its owner is gone."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvloop

from harness.chaos.toxiproxy import api
from harness.chaos.toxiproxy.collection import Collection
from harness.chaos.toxiproxy.guard import Access
from harness.chaos.toxiproxy.proxy import Policy, address_of, split
from harness.chaos.toxiproxy.refusals import RefusedError
from harness.errors import UsageError

_BACKLOG = 1_024
_DESCRIPTORS = 65_536
_END_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Where the API listens; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    anywhere: bool = False
    """Whether the API and the proxies may listen where other machines reach them."""
    lifeline: bool = False
    """Whether the end of standard input ends it."""
    token: str | None = None
    """The API's secret; None: whoever reaches it may ask."""


def serve(job: Job, ready: Callable[[dict[str, Any]], None]) -> None:
    """Serve until the end; ready is told where. Raises UsageError for an address that it cannot have."""
    _allow_descriptors()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(job, ready))


async def _serve(job: Job, ready: Callable[[dict[str, Any]], None]) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ended.set)
    if job.lifeline:
        loop.add_reader(sys.stdin.fileno(), ended.set)
    policy = Policy(seed=job.seed, anywhere=job.anywhere)
    listening = _listen(job, policy)
    collection = Collection(policy)
    server = api.server(collection, Access(job.host, job.token))
    serving = loop.create_task(server.serve(sockets=[listening]))
    address, _, port = address_of(listening).rpartition(":")
    ready({"address": address, "port": int(port), "pid": os.getpid()})
    waiting = loop.create_task(ended.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await collection.end()
    server.should_exit = True
    await asyncio.wait([serving], timeout=_END_SECONDS)


def _listen(job: Job, policy: Policy) -> socket.socket:
    where = f"{job.host}:{job.port}"
    try:
        host, port = split(f"[{job.host}]:{job.port}" if ":" in job.host else where, policy)
    except RefusedError as error:
        raise UsageError(error.message) from error
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setblocking(False)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise UsageError(f"cannot listen on {where}: {error.strerror}; port 0 takes a free one") from error
    return listening


def _allow_descriptors() -> None:
    """Two for each connection: more than the usual soft limit of 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
