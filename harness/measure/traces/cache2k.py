"""cache2k-benchmark's traces: big-endian signed 32-bit integers, one key each; all are reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.measure.traces.columns import Accesses
from harness.measure.traces.records import records


def read(blocks: Iterator[bytes], path: Path) -> Iterator[Accesses]:
    """The accesses. Raises UsageError if the last key is not whole."""
    for data in records(blocks, 4, path):
        yield Accesses(key=np.frombuffer(data, dtype=">i4").astype(np.int64))
