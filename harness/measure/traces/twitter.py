"""Twitter's Twemcache traces (Yang, Yue, Rashmi, OSDI 2020): CSV of seven fields, keys are text.

`timestamp,anonymized key,key size,value size,client id,operation,TTL`: times and ttls in seconds. A key may hold
commas. A write with a ttl of 0 does not expire; a read has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.measure.requests import DELETE, GET, SET
from harness.measure.traces.columns import FOREVER_MS, Accesses
from harness.measure.traces.text import parsed

OPERATIONS = {
    **dict.fromkeys((b"get", b"gets"), GET),
    **dict.fromkeys((b"set", b"add", b"replace", b"cas", b"append", b"prepend", b"incr", b"decr"), SET),
    b"delete": DELETE,
}
EXPECTED = "timestamp,key,key size,value size,client id,operation,TTL with one of the operations " + ", ".join(
    name.decode() for name in OPERATIONS
)
_MOST = 2**32 - 1
"""Of a time in seconds, a size, a ttl."""


def read(blocks: Iterator[bytes], path: Path) -> Iterator[Accesses]:
    """The accesses; a key is 64 bits of its text's BLAKE2b. Raises UsageError for a line that is none.

    Two of ten million keys get the same 64 bits with a chance of 3 in a million.
    """
    return parsed(blocks, path, _columns, EXPECTED)


def _columns(rows: list[bytes]) -> Accesses:
    heads, key_sizes, sizes, _clients, operations, ttls = zip(*[row.rsplit(b",", 5) for row in rows], strict=True)
    times, commas, keys = zip(*[head.partition(b",") for head in heads], strict=True)
    if not all(commas) or not all(keys):
        raise ValueError("no key")
    _numbers(key_sizes)
    op = np.array([OPERATIONS[operation.strip()] for operation in operations], dtype=np.uint8)
    ttl_ms = np.minimum(_numbers(ttls) * 1000, FOREVER_MS)
    ttl_ms[(ttl_ms == 0) & (op == SET)] = FOREVER_MS
    return Accesses(
        key=np.frombuffer(b"".join([blake2b(key, digest_size=8).digest() for key in keys]), dtype="<i8"),
        op=op,
        size=_numbers(sizes).astype(np.uint32),
        ttl_ms=ttl_ms.astype(np.uint32),
        time_ns=_numbers(times) * 1_000_000_000,
    )


def _numbers(texts: tuple[bytes, ...]) -> NDArray[np.int64]:
    """Whole numbers from 0. Raises ValueError for anything else."""
    found = np.array(list(map(int, texts)), dtype=np.int64)
    if found.min() < 0 or found.max() > _MOST:
        raise ValueError("out of range")
    return found
