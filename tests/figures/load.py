"""Bursty load beside a measurement: two processes that work in bursts of some tenths of a second and then rest.

Bounded in time, and ended by pid when the context closes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_HOG = """
import random, sys, time
random.seed(int(sys.argv[1]))
end = time.monotonic() + 900
memory = bytearray(30_000_000)
while time.monotonic() < end:
    stop = time.monotonic() + random.expovariate(1 / 0.3)
    while time.monotonic() < stop:
        for place in range(0, len(memory), 4096):
            memory[place] = 1
    time.sleep(random.expovariate(1 / 0.5))
"""


@contextmanager
def bursts(seed: int) -> Iterator[None]:
    """Load on both processors while the context is open."""
    hogs = [subprocess.Popen([sys.executable, "-c", _HOG, str(seed + i)]) for i in range(2)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
