"""The case as a user of pytest-benchmark writes it."""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture
from rival_case import prepare


def test_requests(benchmark: BenchmarkFixture) -> None:
    """A thousand requests."""
    benchmark(prepare())
