"""Where a run happens, and what else the machine does meanwhile."""

from __future__ import annotations

import os
import platform
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from harness import __version__
from harness.documents import Disturbance, Environment


def environment() -> Environment:
    """This machine and interpreter."""
    return Environment(
        cachegate=__version__,
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        cpu_model=_cpu_model(),
        cpu_count=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        governor=_first_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        numpy=np.__version__,
    )


def processors() -> list[int]:
    """The processors that this process may run on; empty where that cannot be chosen."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))


class Watch:
    """CPU used by others, from its making until `result`."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._machine = psutil.cpu_times()
        self._own = _own_cpu_seconds()
        self._frequencies: list[float] = []
        self.sample()

    def sample(self) -> None:
        """Note the processor's frequency, where the system tells it."""
        try:
            current: Any = psutil.cpu_freq()  # None where the system does not tell; the stubs do not know
        except (OSError, NotImplementedError):
            return
        if current:
            self._frequencies.append(current.current * 1e6)

    def result(self, *, pinned: bool) -> Disturbance:
        """What was seen so far."""
        seconds = max(time.perf_counter() - self._began, 1e-9)
        now = psutil.cpu_times()
        busy = sum(
            getattr(now, name, 0.0) - getattr(self._machine, name, 0.0)
            for name in ("user", "nice", "system", "irq", "softirq")
        )
        stolen = getattr(now, "steal", 0.0) - getattr(self._machine, "steal", 0.0)
        other = busy - (_own_cpu_seconds() - self._own)
        return Disturbance(
            other_cpu=max(0.0, other / seconds),
            stolen_cpu=max(0.0, stolen / seconds),
            frequency_low_hz=min(self._frequencies, default=None),
            frequency_high_hz=max(self._frequencies, default=None),
            pinned=pinned,
        )


def _own_cpu_seconds() -> float:
    """CPU of this process and of the children that it has waited for."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        return None
