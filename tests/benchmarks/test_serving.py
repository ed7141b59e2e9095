"""The host beside redis-server, by redis-benchmark in turns: what counts is the ratio within the run.

To reach: 0.8 of redis-server's requests with 10 clients that do not pipeline.
"""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import ROOT
from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS = 7
REQUESTS = 20_000
HOST = [sys.executable, "-m", "harness", "serve", "improved", "--port"]
REDIS = ["redis-server", "--save", "", "--port"]


@contextmanager
def running(command: list[str]) -> Iterator[int]:
    """A server on a free port of the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    process = subprocess.Popen([*command, str(port)], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "the server has ended"
        yield port
    finally:
        process.terminate()
        process.wait()


def requests_a_second(port: int) -> dict[str, float]:
    """Of GET and SET, by redis-benchmark."""
    command = ["redis-benchmark", "-p", str(port), "-t", "get,set", "-c", "10", "-n", str(REQUESTS), "--csv"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    rows = [line.replace('"', "").split(",") for line in text.splitlines() if line.startswith(('"GET"', '"SET"'))]
    return {row[0]: float(row[1]) for row in rows}


def test_requests_beside_redis(benchmark: BenchmarkFixture) -> None:
    """In turns, and the median of the ratios."""
    for name in ("redis-benchmark", "redis-server"):
        if shutil.which(name) is None:
            pytest.skip(f"no {name} on the PATH: apt-get install redis-tools redis-server")
    ratios: dict[str, list[float]] = {"GET": [], "SET": []}
    with running(HOST) as ours, running(REDIS) as theirs:

        def turn() -> None:
            mine, other = requests_a_second(ours), requests_a_second(theirs)
            for name, found in ratios.items():
                found.append(mine[name] / other[name])

        benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=1)  # type: ignore[no-untyped-call]  # pytest-benchmark's
    told = {name: round(statistics.median(found[1:]), 3) for name, found in ratios.items()}
    benchmark.extra_info["ratio"] = told
    print(f"\nrequests a second, of redis-server's: {told}")
