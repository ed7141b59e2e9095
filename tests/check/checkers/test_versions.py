"""C1 and C4 together are exactly atomicity: against a search of all orders, on random histories."""

from __future__ import annotations

import random

import pytest
from histories import history, is_atomic, random_register

from cache_impls.protocol import Promises
from harness.check.checkers import integrity, register, resurrection


@pytest.mark.parametrize("size", [3, 5, 7])
def test_atomic_or_not(size: int) -> None:
    """A bulk of histories: found in exactly those that no order explains."""
    rng = random.Random(size)
    bulk = [random_register(rng, schedule, size) for schedule in range(1500)]
    whole = history(*(row for rows in bulk for row in rows))
    wrong = {finding.schedule for check in (register, resurrection) for finding in check.find(whole, Promises())}
    expected = {schedule for schedule, rows in enumerate(bulk) if not is_atomic(rows)}
    assert {"false": wrong - expected, "missed": expected - wrong} == {"false": set(), "missed": set()}
    assert 100 < len(expected) < 1400
    assert integrity.find(whole, Promises()) == []
