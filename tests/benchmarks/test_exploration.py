"""What exploring costs: a bulk of 250 schedules, drawn, played and judged. 150,000 a minute are 0.1 s a bulk."""

from __future__ import annotations

import pytest
from conftest import VirtualTime
from pytest_benchmark.fixture import BenchmarkFixture

from cache_impls.registry import parse
from harness.check.explore import BULK, Builds, Explorer
from harness.history import NO_TTL


@pytest.mark.parametrize(
    "spec", ["improved", "legacy", "cachetools", "migration?stage=live", "tests/zoo/plain.py:PlainCache"]
)
def test_a_bulk_of_schedules(benchmark: BenchmarkFixture, virtual_time: VirtualTime, spec: str) -> None:
    """Of about 37 operations each, the audit's included; one in 200 has 400."""
    benchmark.group = f"{BULK} schedules"
    explorer = Explorer(
        Builds(parse(spec)),
        virtual_time.clock,
        seed=1,
        default_ttl_ns=NO_TTL,
        only={"C0", "C1", "C2", "C4", "C5", "C6"},
    )
    explorer.bulk()
    benchmark(explorer.bulk)
