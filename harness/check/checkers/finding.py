"""What a checker returns."""

from __future__ import annotations

from typing import NamedTuple

from cache_impls.protocol import Promises
from harness.history import History


class Finding(NamedTuple):
    """One thing that is wrong, with the rows that prove it, in the order to tell them."""

    check: str
    schedule: int
    rows: tuple[int, ...]
    message: str
    """One sentence; `{n}` stands for the n-th row of rows."""


__all__ = ["Finding", "History", "Promises"]
