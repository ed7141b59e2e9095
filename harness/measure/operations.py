"""From a mix of operations to requests: an operation and a key each.

A scan is gets of consecutive keys, a read-modify-write is a get and a set of one key; an operation that is several
requests may be cut off at the end. A pass is gets of keys that come after all others, each asked for once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.measure.popularity import Ints, ask, choose, raw
from harness.measure.requests import DELETE, GET, SET
from harness.measure.workload import Synthetic

Codes = NDArray[np.uint8]

_REQUESTS = {
    "get": (GET, GET),
    "set": (SET, SET),
    "delete": (DELETE, DELETE),
    "insert": (SET, SET),
    "scan": (GET, GET),
    "read_modify_write": (GET, SET),
}
"""What an operation's first request is, and what the others are."""
_NAMES = list(_REQUESTS)
_CODES = np.array(list(_REQUESTS.values()), dtype=np.uint8)
_INSERT, _SCAN, _READ_MODIFY_WRITE = map(_NAMES.index, ("insert", "scan", "read_modify_write"))


def requests_of(source: np.random.PCG64, workload: Synthetic, by_rank: Ints, count: int) -> tuple[Codes, Ints]:
    """The operation and the key of count requests, those of passes among them. by_rank is as `scatter` gives it."""
    if workload.pass_every is None:
        return _asked(source, workload, by_rank, count)
    passing = np.arange(count) % (workload.pass_every + workload.pass_length) >= workload.pass_every
    op, key = np.full(count, GET, dtype=np.uint8), workload.keys - 1 + np.cumsum(passing)
    op[~passing], key[~passing] = _asked(source, workload, by_rank, int(np.count_nonzero(~passing)))
    return op, key


def _asked(source: np.random.PCG64, workload: Synthetic, by_rank: Ints, count: int) -> tuple[Codes, Ints]:
    """The same without passes."""
    picks = raw(source, count)  # before what is done with them is known: stored digests depend on this order
    kind, length = _mixed(source, workload, count)
    picks = picks[: len(kind)]
    if workload.mix.insert:
        inserts = kind == _INSERT
        inserted = workload.preload + np.cumsum(inserts) - inserts
        there = np.minimum(inserted, workload.keys)
        first_key = np.where(inserts, inserted % workload.keys, ask(workload.popularity, by_rank, picks, inserted))
    else:
        there = np.full(len(kind), workload.keys)
        first_key = ask(workload.popularity, by_rank, picks, None)
    of = np.repeat(np.arange(len(kind)), length)[:count]
    step = np.arange(count) - (np.cumsum(length) - length)[of]
    key = np.where(kind[of] == _SCAN, (first_key[of] + step) % there[of], first_key[of])
    return _CODES[kind[of], np.minimum(step, 1)], key


def _mixed(source: np.random.PCG64, workload: Synthetic, count: int) -> tuple[Ints, Ints]:
    """Operations in proportion to the mix, as indices into _NAMES, and their lengths: count requests or some more."""
    shares = {name: share for name, share in workload.mix if share}
    kinds = np.array([_NAMES.index(name) for name in shares], dtype=np.int64)
    kind = kinds[choose(source, count, list(shares.values()))]
    length = np.where(kind == _READ_MODIFY_WRITE, 2, 1)
    scans = np.flatnonzero(kind == _SCAN)
    length[scans] = 1 + (raw(source, len(scans)) % np.uint64(workload.max_scan_length)).astype(np.int64)
    enough = int(np.searchsorted(np.cumsum(length), count)) + 1
    return kind[:enough], length[:enough]
