"""What judging costs: a history of a million operations, one long run, judged by each of C1 to C6."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from cache_impls.protocol import Promises
from harness.check.checkers import early_miss, expiry, integrity, register, resurrection, sessions
from harness.history import COLUMNS, NO_KEY, NO_TTL, History, Op

OPERATIONS = 1_000_000
KEYS = 50_000
CHECKERS = (register, expiry, early_miss, resurrection, integrity, sessions)


def long_history(operations: int = OPERATIONS) -> History:
    """What a correct cache shows that takes the operations of eight clients one at a time."""
    rng = np.random.Generator(np.random.PCG64(7))
    ops = rng.choice(np.array([Op.GET, Op.SET, Op.DELETE, Op.CLEAR]), operations, p=[0.8, 0.17, 0.0299, 0.0001])
    keys = rng.integers(0, KEYS, operations)
    keys[ops == Op.CLEAR] = NO_KEY
    rows = np.zeros((operations, len(COLUMNS)), dtype=np.int64)
    column = {name: rows[:, i] for i, name in enumerate(COLUMNS)}
    held: dict[int, int] = {}
    tags = column["tag"]
    for i, (op, key) in enumerate(zip(ops.tolist(), keys.tolist(), strict=True)):
        if op == Op.GET:
            tags[i] = held.get(key, 0)
        elif op == Op.SET:
            held[key] = tags[i] = i + 1
        elif op == Op.DELETE:
            tags[i] = held.pop(key, None) is not None
        else:
            held.clear()
    order = np.arange(operations) * 4
    column["op"][:], column["key"][:], column["client"][:] = ops, keys, np.arange(operations) % 8
    column["ttl_ns"][:] = np.where(ops == Op.SET, 3_600_000_000_000, NO_TTL)
    column["start"][:], column["end"][:] = order + 1, order + 2
    column["start_ns"][:], column["end_ns"][:] = order * 1000, order * 1000 + 500
    column["side"][:] = column["stage"][:] = -1
    return History(rows)


@pytest.fixture(scope="module")
def million() -> History:
    """The history, made once."""
    return long_history()


@pytest.mark.parametrize("checker", CHECKERS, ids=[checker.ID for checker in CHECKERS])
def test_a_million_operations(benchmark: BenchmarkFixture, million: History, checker: ModuleType) -> None:
    """Each checker alone; the six together are to stay under two seconds."""
    benchmark.group = "judge 1,000,000 operations"
    found = benchmark(lambda: checker.find(million, Promises()))
    assert found == []
