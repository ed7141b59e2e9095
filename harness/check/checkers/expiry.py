"""C2: no hit past its expiry."""

from __future__ import annotations

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.check.checkers.versions import seen
from harness.history import NO_TTL, Column, Op, Outcome

_UNSURE = -1

GRID_NS = 1_953_125
"""1/512 s, of which a simulation's times are multiples, exactly, unless the cache itself sleeps for other times."""
ROUNDING_NS = 1_000

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
    hits, write = seen(history)
    ttl_ns = ttls_ns(history)[write]
    late_ns = (ttl_ns * promises.ttl_jitter).astype(np.int64) + round(promises.stale_seconds * 1e9)
    written_ns = _written_ns(history, hits, write)[write]
    deadline_ns = written_ns + ttl_ns + late_ns
    # Off the grid of a simulation a cache's own sum of times may differ by the last digit of a float.
    judged_from_ns = deadline_ns + np.where(deadline_ns % GRID_NS == 0, 0, ROUNDING_NS)
    wrong = (ttl_ns != NO_TTL) & (written_ns != _UNSURE) & (history.start_ns[hits] >= judged_from_ns)
    return [
        Finding(
            ID,
            int(history.schedule[hits[i]]),
            (int(write[i]), int(hits[i])),
            f"{{1}} is answered {_late(int(history.start_ns[hits[i]] - deadline_ns[i]))} the deadline of {{0}}",
        )
        for i in np.flatnonzero(wrong)
    ]


def _written_ns(history: History, hits: Column, write: Column) -> Column:
    """When each write had surely been done.

    One of unknown effect when somebody had first read it; a loaded value when whoever asked for the load has it.
    """
    never = np.iinfo(np.int64).max
    found = np.where(history.outcome == Outcome.OK, history.end_ns, never)
    unsure = history.outcome[write] != Outcome.OK
    np.minimum.at(found, write[unsure], history.end_ns[hits[unsure]])
    found = np.where(found == never, _UNSURE, found)
    loads, asked = (np.flatnonzero(history.is_op(op)) for op in (Op.LOAD, Op.GET_OR_LOAD))
    if not len(loads):
        return found
    found[loads] = _UNSURE
    if not len(asked):
        return found
    span, clients = history.tick + 1, int(history.client.max()) + 1
    names = (history.unit * clients + history.client) * span + history.start
    asked = asked[np.argsort(names[asked])]
    place = np.searchsorted(names[asked], names[loads]) - 1
    leader = asked[np.maximum(place, 0)]
    same = (place >= 0) & (names[leader] // span == names[loads] // span) & (history.end[leader] > history.start[loads])
    sure = same & (history.outcome[leader] == Outcome.OK) & (history.outcome[loads] == Outcome.OK)
    found[loads] = np.where(sure, np.maximum(history.end_ns[loads], history.end_ns[leader]), _UNSURE)
    return found


def ttls_ns(history: History) -> Column:
    """The ttl of each set, the default where it named none; `NO_TTL` if it never expires."""
    return np.where(history.ttl_ns == NO_TTL, history.default_ttl_ns, history.ttl_ns)


def _late(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.9g} s past" if nanoseconds else "at"
