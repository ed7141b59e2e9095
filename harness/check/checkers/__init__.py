"""The checkers, one a file: each reads a history and finds what no correct cache can show. Pure and exact.

A new one is a module here with `ID`, `TITLE`, `LAW`, `EXAMPLE` and `find(history, promises)`, a row of `CHECKERS`,
a mutant in tests/zoo and tests/check/checkers with one history that it finds and one that it must not.
"""

from __future__ import annotations

from harness.check.checkers import (
    agreement,
    answers,
    bounds,
    counters,
    early_miss,
    expiry,
    integrity,
    loads,
    register,
    resurrection,
    sessions,
)
from harness.check.checkers.finding import Finding

CHECKERS = (
    answers,
    register,
    expiry,
    early_miss,
    resurrection,
    integrity,
    sessions,
    loads,
    agreement,
    bounds,
    counters,
)
"""All that judge a history, in the order of their ids."""

__all__ = ["CHECKERS", "Finding"]
