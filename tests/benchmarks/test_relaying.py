"""What the fault proxy costs while it does no harm, beside the smallest relay that asyncio can be made into.

Ten connections that ping as redis-benchmark does, unpipelined, in turns: the median of the ratios within a turn is to
reach 0.8. One connection, through the proxy and direct, in turns: the proxy is to add at most 60 us at the median.
`python tests/benchmarks/test_relaying.py` measures without pytest.
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import uvloop
from pytest_benchmark.fixture import BenchmarkFixture

from harness.chaos.proxy_server import embedded

ROUNDS = 9
CONNECTIONS = 10
SECONDS = 1.0
PINGS = 2_000
PING, PONG = b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"


class Pong(asyncio.Protocol):
    """Answers each ping; pings here come whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(PONG * (len(data) // len(PING)))


async def relay(upstream: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Streams, as every tutorial has them."""

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
        target.close()

    there, back = await asyncio.open_connection("127.0.0.1", upstream)
    await asyncio.gather(copy(reader, back), copy(there, writer))


def serve(what: str, upstream: int) -> None:
    """A process of its own: `pong`, or `relay` to it."""

    async def main() -> None:
        if what == "pong":
            server = await asyncio.get_running_loop().create_server(Pong, "127.0.0.1", 0)
        else:
            server = await asyncio.start_server(lambda r, w: relay(upstream, r, w), "127.0.0.1", 0)
        print(json.dumps(server.sockets[0].getsockname()[1]), flush=True)
        await server.serve_forever()

    uvloop.run(main())


@contextmanager
def process(what: str, upstream: int = 0) -> Iterator[int]:
    """Its port."""
    child = subprocess.Popen([sys.executable, __file__, what, str(upstream)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield int(json.loads(child.stdout.readline()))
    finally:
        child.kill()
        child.communicate()


class Pinger(asyncio.Protocol):
    """Sends the next ping when the last one is answered."""

    def __init__(self) -> None:
        self.answered = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(PING)

    def data_received(self, data: bytes) -> None:
        self.answered += 1
        assert self.transport is not None
        self.transport.write(PING)


def requests_a_second(port: int, seconds: float = SECONDS) -> float:
    """Of ten connections together."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        pingers = [Pinger() for _ in range(CONNECTIONS)]
        for pinger in pingers:
            await loop.create_connection(lambda pinger=pinger: pinger, "127.0.0.1", port)  # type: ignore[misc]  # mypy cannot infer it
        await asyncio.sleep(seconds / 5)
        before, began = sum(pinger.answered for pinger in pingers), time.perf_counter()
        await asyncio.sleep(seconds)
        found = (sum(pinger.answered for pinger in pingers) - before) / (time.perf_counter() - began)
        for pinger in pingers:
            assert pinger.transport is not None
            pinger.transport.abort()
        return found

    return uvloop.run(main())


def median_us(port: int) -> float:
    """Of one connection's pings, one after the other."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        taken = []
        for _ in range(PINGS):
            began = time.perf_counter_ns()
            client.sendall(PING)
            client.recv(64)
            taken.append(time.perf_counter_ns() - began)
    return statistics.median(taken[PINGS // 10 :]) / 1e3


def measured(rounds: int = ROUNDS) -> dict[str, float]:
    """All of it; the first turn warms up."""
    turns: list[tuple[float, float, float, float, float]] = []
    with process("pong") as pong, process("relay", pong) as plain, embedded(seed=1) as server:
        ours = int(server.create("pings", f"127.0.0.1:{pong}").listen.rpartition(":")[2])
        for _ in range(rounds + 1):
            rates = requests_a_second(ours), requests_a_second(plain)
            turns.append((*rates, median_us(ours), median_us(pong), median_us(plain)))
    kept = turns[1:]
    return {
        "requests a second": round(statistics.median(turn[0] for turn in kept)),
        "the plain relay's": round(statistics.median(turn[1] for turn in kept)),
        "ratio": round(statistics.median(turn[0] / turn[1] for turn in kept), 3),
        "us added at p50": round(statistics.median(turn[2] - turn[3] for turn in kept), 1),
        "us that the plain relay adds": round(statistics.median(turn[4] - turn[3] for turn in kept), 1),
        "us direct": round(statistics.median(turn[3] for turn in kept), 1),
    }


def test_pings_through_the_proxy(benchmark: BenchmarkFixture) -> None:
    """In turns with the plain relay, and with no proxy."""
    found = benchmark.pedantic(measured, rounds=1)  # type: ignore[no-untyped-call]  # pytest-benchmark's
    benchmark.extra_info |= found
    print(f"\n{found}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1], int(sys.argv[2]))
    else:
        sys.path.insert(0, str(Path(__file__).parents[2]))
        print(json.dumps(measured(), indent=1))
