"""A bench: what is decided before anything runs."""

from __future__ import annotations

import pytest

from harness.measure.bench import entries_to_weigh
from harness.measure.generate import draw
from harness.measure.workload import parse


@pytest.mark.parametrize(
    ("name", "entries"),
    [("ycsb-b", 20_000), ("llm", 20_000), ("twitter-cluster37", 3_178), ("twitter-cluster50", 948)],
)
def test_large_values_are_weighed_in_fewer_entries(name: str, entries: int) -> None:
    """64 MB of values at most, below the bound of memory that ours have."""
    assert entries_to_weigh(draw(parse(name), 30_000)) == entries
