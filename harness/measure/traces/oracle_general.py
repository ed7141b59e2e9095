"""libCacheSim's oracleGeneral: packed little-endian records of 24 bytes; all are reads.

uint32 time in seconds, uint64 object id, uint32 size in bytes, int64 number of the next access to the object
(-1 or the greatest int64: none), which is not used here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.measure.traces.columns import Accesses
from harness.measure.traces.records import records

RECORD = np.dtype([("time", "<u4"), ("key", "<u8"), ("size", "<u4"), ("next", "<i8")])
_NO_NEXT = (-1, np.iinfo(np.int64).max)
_MOST_ACCESSES = 1 << 48


def read(blocks: Iterator[bytes], path: Path) -> Iterator[Accesses]:
    """The accesses. Raises UsageError if the last record is not whole."""
    for data in records(blocks, RECORD.itemsize, path):
        rows = np.frombuffer(data, dtype=RECORD)
        yield Accesses(
            key=rows["key"].astype(np.uint64).view(np.int64),
            size=rows["size"].astype(np.uint32),
            time_ns=rows["time"].astype(np.int64) * 1_000_000_000,
        )


def looks_like(head: bytes) -> bool:
    """Whether every whole record of head has a time not before the last, and a next access after itself or none."""
    count = len(head) // RECORD.itemsize
    rows = np.frombuffer(head, dtype=RECORD, count=count)
    later = (rows["next"] > np.arange(count)) & (rows["next"] < _MOST_ACCESSES)
    in_order = bool((rows["time"][1:] >= rows["time"][:-1]).all())
    return count > 0 and in_order and bool((later | np.isin(rows["next"], _NO_NEXT)).all())
