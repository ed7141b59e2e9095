"""Histories: columns by name, orders from clocks, and a trip to the disk and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from histories import history, op

from harness.history import History, Op, rank


def test_columns_and_units() -> None:
    """A column by its name; units differ by schedule and by key."""
    found = history(op(Op.SET, 1, 2, tag=7), op(Op.SET, 3, 4, key=1), op(Op.CLEAR, 5, 6), op(Op.GET, 7, 8, schedule=1))
    assert found.tag.tolist() == [7, 0, 0, 0]
    assert found.unit.tolist() == [0, 1, -1, 2]
    assert len(found.of_schedule(1)) == 1
    with pytest.raises(AttributeError, match="no_such"):
        _ = found.no_such
    with pytest.raises(ValueError, match="13 columns"):
        History(np.zeros((3, 4), dtype=np.int64))


def test_those_who_touch_overlap() -> None:
    """An end and a start at the same nanosecond: the start comes first, so neither precedes the other."""
    start, end = rank(np.array([10, 20, 30]), np.array([20, 30, 35]))
    assert start[1] < end[0] < start[2] < end[1] < end[2]
    assert start[0] < start[1]


def test_saved_and_loaded(tmp_path: Path) -> None:
    """The same columns come back; anything else is refused in words."""
    path = tmp_path / "history.npz"
    found = history(op(Op.SET, 1, 2, tag=1), room=3, default_ttl_ns=5)
    found.save(path)
    again = History.load(path)
    assert again.rows.tolist() == found.rows.tolist()
    assert again.observations.tolist() == found.observations.tolist()
    assert again.default_ttl_ns == 5
    other = tmp_path / "other.npz"
    np.savez(other, rows=found.rows)
    for bad in (other, Path(__file__), tmp_path / "none"):
        with pytest.raises(ValueError, match=str(bad)):
            History.load(bad)
