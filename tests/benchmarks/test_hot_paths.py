"""The harness's own hot paths: `nox -s bench`. Ratios within one run; the figures are in results/figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import VirtualTime
from pytest_benchmark.fixture import BenchmarkFixture

from cache_impls.registry import make, parse
from harness.clock import WorkloadClock
from harness.measure.bench import BATCH
from harness.measure.driver import Driver
from harness.measure.generate import draw
from harness.measure.ring import Interpreters
from harness.measure.stream import Stream
from harness.measure.trial import Job
from harness.measure.workload import parse as parse_workload
from harness.stats.location import one_sample
from harness.stats.sequential import SignRule

_FAKE = WorkloadClock().functions()


@pytest.mark.parametrize(
    "clock",
    [time.monotonic, _FAKE["monotonic"], time.time_ns, _FAKE["time_ns"]],
    ids=["real monotonic", "workload monotonic", "real time_ns", "workload time_ns"],
)
def test_reading_a_clock(benchmark: BenchmarkFixture, clock: Callable[[], float]) -> None:
    """The workload clock must cost what the real one costs: compare the rows."""
    benchmark.group = "10,000 x read a clock"

    def run() -> None:
        for _ in range(10_000):
            clock()

    benchmark(run)


@pytest.mark.parametrize("spec", ["null", "yardstick", "improved"])
def test_taking_a_turn(benchmark: BenchmarkFixture, virtual_time: VirtualTime, tmp_path: Path, spec: str) -> None:
    """One turn, prepared, run and judged; the null row is the harness alone."""
    benchmark.group = f"one turn of two batches of {BATCH}"
    requests = draw(parse_workload("ycsb-b"), BATCH * 400)
    requests.write(tmp_path / "requests")
    stream = Stream(tmp_path / "requests")
    driver = Driver(make(spec, capacity=requests.capacity), stream, virtual_time.loop, virtual_time.clock)
    virtual_time.run(driver.drive(0, stream.preload, step=2000))
    first = stream.preload

    def run() -> None:
        nonlocal first
        first = first + 2 * BATCH if first + 4 * BATCH < stream.requests else stream.preload
        virtual_time.run(driver.take_turn(first, BATCH, tail=False))

    benchmark(run)


def test_starting_a_trial(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """An interpreter, its imports, a fork, one batch, and the result read back."""
    requests = draw(parse_workload("ycsb-b?preload=10"), 100)
    requests.write(tmp_path / "requests")
    job = Job(
        kind="time",
        specs=(parse("improved"),),
        requests=tmp_path / "requests",
        capacity=100,
        turns=(0,),
        batch=10,
    )

    def run() -> None:
        with Interpreters(1) as interpreters:
            interpreters.run([job])

    benchmark.pedantic(run, rounds=10, warmup_rounds=1)  # type: ignore[no-untyped-call]  # theirs has no types


def test_drawing_requests(benchmark: BenchmarkFixture) -> None:
    """All requests of a run, once for each workload."""
    benchmark(draw, parse_workload("ycsb-b"), 50_000)


def test_looking_after_a_pair(benchmark: BenchmarkFixture) -> None:
    """Rule S and the interval after 100 pairs: nothing beside half a second of trials."""
    differences = np.random.default_rng(1).normal(0.04, 0.02, 100).tolist()

    def run() -> None:
        rule = SignRule(0.05, fail_at=500, pass_at=100)
        for difference in differences:
            rule.add(difference)
        one_sample(differences, 0.99)

    benchmark(run)
