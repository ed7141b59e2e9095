"""What the tests of adapters share: which libraries there are, and which of their rules they break."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from conftest import VirtualTime

from cache_impls.dialects import Adapted
from cache_impls.registry import ADAPTERS

IN_PROCESS = ("aiocache", "cacheout", "cachetools", "cashews", "diskcache", "theine")
ADAPTED = (*IN_PROCESS, "valkey")
BOUND_AT_IMPORT = ("cacheout", "cachetools")
"""Libraries whose default timer is the clock that was there when they were imported."""

BROKEN = {
    ("cashews", "instant"): "7.6.0: an entry is still live at the very end of its ttl",
    (
        "cashews",
        "overwrite without ttl",
    ): "7.6.0: until the next sweep the new value takes over the old deadline, even a passed one",
    ("cacheout", "delete expired"): "0.17.0: delete answers 1 for an entry whose time is up",
    ("theine", "delete expired"): "2.0.0: delete answers True for an entry whose time is up",
    ("cacheout", "size"): "0.17.0: entries whose time is up count until they are read or room is made",
    ("theine", "size"): "2.0.0: entries whose time is up count until the thread or a read removes them",
    ("aiocache", "clear"): "0.12.3: timers outlive clear and delete what is set to the same key later",
    (
        "theine",
        "counters",
    ): "2.0.0: each reading of its stats adds a hit and a miss a shard; on a fresh cache it raises",
}
"""(library, rule) -> why the rule is not tried on it."""

Body = Callable[[Adapted], Awaitable[Any]]


def keepers(rule: str, of: tuple[str, ...] = IN_PROCESS) -> pytest.MarkDecorator:
    """The libraries to try rule on."""
    return pytest.mark.parametrize("library", [library for library in of if (library, rule) not in BROKEN])


def needed(library: str) -> None:
    """Skip unless library is installed."""
    package = "redis" if library == "valkey" else library
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install 'cachegate[adapters]'")


def forget(*libraries: str) -> None:
    """Make the next use import libraries, and their adapters, anew."""
    for name in list(sys.modules):
        if any(name.removeprefix(ADAPTERS).partition(".")[0] == library for library in libraries):
            del sys.modules[name]


async def pass_on(virtual_time: VirtualTime, seconds: float) -> None:
    """Let seconds go by, and the loop find its timers."""
    virtual_time.clock.advance_by(seconds)
    for _ in range(3):
        await asyncio.sleep(0)
