"""Shared fixtures: a loop in workload time, and traces when they are there."""

from __future__ import annotations

import signal
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from harness.clock import WorkloadClock
from harness.measure.loop import WorkloadLoop

T = TypeVar("T")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a run in the background, and processes inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
ZOO = Path(__file__).parent / "zoo"
TRACES = ROOT.parent / "shared" / "traces"


class VirtualTime:
    """A clock that stands still until a test moves it, and a loop that follows it."""

    def __init__(self, clock: WorkloadClock, loop: WorkloadLoop) -> None:
        self.clock = clock
        self.loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run work to its end."""
        return self.loop.run_until_complete(work)


@pytest.fixture
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualTime]:
    """Workload time for one test."""
    clock = WorkloadClock()
    for name, function in clock.functions().items():
        monkeypatch.setattr(time, name, function)
    loop = WorkloadLoop(clock)
    yield VirtualTime(clock, loop)
    loop.close()


@pytest.fixture
def web07() -> Path:
    """The real trace, or a skip that says so."""
    return _trace("web07.trace.xz")


@pytest.fixture
def sprite() -> Path:
    """The real trace, or a skip that says so."""
    return _trace("sprite.trace.gz")


def _trace(name: str) -> Path:
    path = TRACES / name
    if not path.is_file():
        pytest.skip(f"no trace at {path}")
    return path
