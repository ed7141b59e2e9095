"""The LIRS authors' traces (Jiang, Zhang, SIGMETRICS 2002): a decimal key a line; `*` is a mark; all are reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.measure.traces.columns import Accesses
from harness.measure.traces.text import parsed

EXPECTED = "a decimal key of at most 64 bits, or * for a mark"


def read(blocks: Iterator[bytes], path: Path) -> Iterator[Accesses]:
    """The accesses. Raises UsageError for a line that is no key."""
    return parsed(blocks, path, _columns, EXPECTED, marks=(b"*",))


def _columns(rows: list[bytes]) -> Accesses:
    if b"".join(rows).translate(None, b"0123456789 \t\r"):
        raise ValueError("not decimal")  # int() takes 1_000 and +5
    return Accesses(key=np.array(list(map(int, rows)), dtype=np.uint64).view(np.int64))
