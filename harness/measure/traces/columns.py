"""A chunk of a trace, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOREVER_MS = 4_000_000_000
"""Milliseconds that stand for no expiry: 46 days, about the most that a column of ttls holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accesses:
    """n accesses in order; a column that the format does not have is None, else it has n rows."""

    key: NDArray[np.int64]
    """64 bits that are the key, or stand for its text (`twitter`)."""
    op: NDArray[np.uint8] | None = None
    """GET, SET or DELETE of `requests`; None: all are reads."""
    size: NDArray[np.uint32] | None = None
    """Bytes of the value, 0 included."""
    ttl_ms: NDArray[np.uint32] | None = None
    """Of writes; 0: not recorded, `FOREVER_MS`: it does not expire."""
    time_ns: NDArray[np.int64] | None = None
    """As recorded; may go back."""
