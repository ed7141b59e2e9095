"""C2: no hit past its expiry."""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.check.checkers.versions import NOBODY, hits_of, write_of_hit
from harness.history import NO_TTL, Column, Outcome

ID = "C2"
NEEDS = Capability.TTL
TITLE = "expires"
LAW = "A read that starts at or after the end of its set + ttl misses."
EXAMPLE = """\
A cache removes entries by a timer (call_later) and does not look at the deadline when it reads. While the loop is
busy for two seconds no timer runs, and an entry with a ttl of one second is still answered."""


def skip(_promises: Promises) -> str | None:
    """Every cache with a ttl is judged; what it declares widens the deadline."""
    return None


def find(history: History, promises: Promises) -> list[Finding]:
    """Hits at or after their deadline. A set that may not have happened has none that is known."""
    hits = hits_of(history)
    write = write_of_hit(history, hits)
    hits, write = hits[write != NOBODY], write[write != NOBODY]
    ttl_ns = ttls_ns(history)[write]
    late_ns = (ttl_ns * promises.ttl_jitter).astype(np.int64) + round(promises.stale_seconds * 1e9)
    deadline_ns = history.end_ns[write] + ttl_ns + late_ns
    wrong = (ttl_ns != NO_TTL) & (history.outcome[write] == Outcome.OK) & (history.start_ns[hits] >= deadline_ns)
    return [
        Finding(
            ID,
            int(history.schedule[hits[i]]),
            (int(write[i]), int(hits[i])),
            f"{{1}} is answered {_late(int(history.start_ns[hits[i]] - deadline_ns[i]))} the deadline of {{0}}",
        )
        for i in np.flatnonzero(wrong)
    ]


def ttls_ns(history: History) -> Column:
    """The ttl of each set, the default where it named none; `NO_TTL` if it never expires."""
    return np.where(history.ttl_ns == NO_TTL, history.default_ttl_ns, history.ttl_ns)


def _late(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.9g} s past" if nanoseconds else "at"
