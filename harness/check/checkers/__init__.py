"""The checkers, one a file: each reads a history and finds what no correct cache can show. Pure and exact.

A new one is a module here with `ID`, `TITLE`, `LAW`, `EXAMPLE` and `find(history, promises)`, a row of `CHECKERS`,
a mutant in tests/zoo and tests/check/checkers with one history that it finds and one that it must not.
"""

from __future__ import annotations

from types import ModuleType

from harness.check.checkers import (
    agreement,
    answers,
    bounds,
    counters,
    early_miss,
    expiry,
    integrity,
    loads,
    parameters,
    register,
    resurrection,
    sessions,
    stages,
    validity,
)
from harness.check.checkers.finding import Finding

CHECKERS: tuple[ModuleType, ...] = (
    answers,
    register,
    expiry,
    early_miss,
    resurrection,
    integrity,
    sessions,
    loads,
    agreement,
    stages,
    bounds,
    counters,
)
"""All that judge a history, in the order of their ids."""

__all__ = ["CHECKERS", "Finding", "catalogue"]


def catalogue() -> dict[str, ModuleType]:
    """Every check of histories by its id, those of the factory (C12) and of the run itself (C13) included."""
    return {checker.ID: checker for checker in (*CHECKERS, parameters, validity)}
