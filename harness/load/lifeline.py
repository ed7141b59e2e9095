"""A process of locust and its surroundings: whoever started it, whose end is its own, and its machine."""

from __future__ import annotations

import os
from pathlib import Path

from gevent.monkey import get_original


def end_with(lifeline: int) -> None:
    """Whoever started the run may be killed: then nobody wants its result, and this process ends.

    lifeline is the end of a pipe whose other end is theirs. A thread of its own waits for it, whatever gevent does; a
    pid would not do, since they may be gone before it is looked at first.
    """

    def wait() -> None:
        os.read(lifeline, 1)  # nobody writes: this is its end
        os._exit(1)  # nobody is left to be told

    get_original("_thread", "start_new_thread")(wait, ())


def boot() -> str:
    """Which machine this is, as long as it runs: clocks of two cannot be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return os.uname().nodename
