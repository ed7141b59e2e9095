"""The work that the rivals time: a filled cache and a thousand requests of ycsb-b, on one event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from cache_impls.registry import make
from harness.measure.generate import draw
from harness.measure.requests import GET
from harness.measure.workload import parse


def prepare() -> Callable[[], None]:
    """A function that runs the thousand requests."""
    requests = draw(parse("ycsb-b"), 1000)
    names = [f"user{key:012d}" for key in requests.key.tolist()]
    cache = make(os.environ["CACHEGATE_FIGURES_SPEC"], capacity=requests.capacity)
    loop = asyncio.new_event_loop()
    value = "x" * 1000

    async def fill() -> None:
        for name in names[: requests.preload]:
            await cache.set(name, value, 3600.0)

    kinds = (requests.op == GET).tolist()
    work = list(zip(names, kinds, strict=True))[requests.preload :]

    async def drive() -> None:
        for name, is_get in work:
            if is_get:
                await cache.get(name)
            else:
                await cache.set(name, value, 3600.0)

    loop.run_until_complete(fill())
    return lambda: loop.run_until_complete(drive())
