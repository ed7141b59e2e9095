"""What a user costs the driver, in requests a second of processor time, against others within one run.

To reach: five times locust's FastHttpUser against an HTTP twin, 1.3 times redis-py in locust.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.load.hosts import servers

DRIVING = Path(__file__).parent / "driving"
USERS = 50
SECONDS = 5
ROUNDS = 3


@contextmanager
def twin() -> Iterator[str]:
    """An HTTP server with a cache."""
    process = subprocess.Popen([sys.executable, str(DRIVING / "http_twin.py")], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def rate(name: str, host: str) -> float:
    """Requests a second of processor time of one locust process."""
    found = subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(DRIVING / f"{name}.py"), "--headless", "--host", host,
         "-u", str(USERS), "-r", str(USERS), "-t", f"{SECONDS}s", "--only-summary", "--stop-timeout", "5"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    said = json.loads(
        next(line for line in found.stdout.splitlines() if line.startswith("cost ")).removeprefix("cost ")
    )
    assert said["failures"] == 0
    return float(said["requests"] / said["cpu_seconds"])


def test_a_raw_user_against_others(benchmark: BenchmarkFixture) -> None:
    """Turn by turn, the best of each: a shared machine only ever takes away."""
    pytest.importorskip("redis", reason="redis-py is not installed")
    best: dict[str, float] = {}

    def turns() -> None:
        with servers(["improved"], 12_000) as (host,), twin() as http:
            for name, where in (("raw_resp", host.url), ("redis_py", host.url), ("fast_http", http)):
                best[name] = max(best.get(name, 0.0), rate(name, where))

    benchmark.pedantic(turns, rounds=ROUNDS, iterations=1)  # type: ignore[no-untyped-call]  # it has no types
    benchmark.extra_info |= {name: round(value) for name, value in best.items()}
    benchmark.extra_info["over_fast_http"] = round(best["raw_resp"] / best["fast_http"], 2)
    benchmark.extra_info["over_redis_py"] = round(best["raw_resp"] / best["redis_py"], 2)
    print(benchmark.extra_info)
