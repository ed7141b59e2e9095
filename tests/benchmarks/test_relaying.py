"""What the fault proxy costs while it does no harm, beside the smallest relay that asyncio can be made into.

Ten connections that ping as redis-benchmark does, unpipelined, in turns: the median of the ratios within a turn is to
reach 0.8. One connection, through the proxy and direct, in turns: the proxy is to add at most 60 us at the median.
`PYTHONPATH=. python tests/benchmarks/test_relaying.py` measures without pytest. On a busy machine both figures follow
where the processes happen to run; the processor time of a request does so less.
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast

import psutil
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
def process(what: str, upstream: int = 0) -> Iterator[tuple[int, int]]:
    """Its port, its pid."""
    child = subprocess.Popen([sys.executable, __file__, what, str(upstream)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield int(json.loads(child.stdout.readline())), child.pid
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


def requests_a_second(port: int, pid: int, seconds: float = SECONDS) -> tuple[float, float]:
    """Of ten connections together; and what each cost that process, in microseconds of processor time."""
    served = psutil.Process(pid)

    def spent() -> float:
        times = served.cpu_times()
        return float(times.user + times.system)

    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        pingers = [Pinger() for _ in range(CONNECTIONS)]
        for pinger in pingers:
            await loop.create_connection(lambda pinger=pinger: pinger, "127.0.0.1", port)  # type: ignore[misc]  # mypy cannot infer it
        await asyncio.sleep(seconds / 5)
        before, began, had_spent = sum(pinger.answered for pinger in pingers), time.perf_counter(), spent()
        await asyncio.sleep(seconds)
        count, elapsed = sum(pinger.answered for pinger in pingers) - before, time.perf_counter() - began
        found = count / elapsed, (spent() - had_spent) / count * 1e6
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


class Turn(NamedTuple):
    """One turn of each."""

    ours: tuple[float, float]
    plain: tuple[float, float]
    ours_us: float
    plain_us: float
    direct_us: float


def measured(rounds: int = ROUNDS) -> dict[str, float]:
    """All of it; the first turn warms up."""
    with process("pong") as (pong, _), process("relay", pong) as (plain, relay_pid), embedded(seed=1) as server:
        assert server.pid is not None
        ours = int(server.create("pings", f"127.0.0.1:{pong}").listen.rpartition(":")[2])
        turns = [
            Turn(
                requests_a_second(ours, server.pid),
                requests_a_second(plain, relay_pid),
                *(median_us(port) for port in (ours, plain, pong)),
            )
            for _ in range(rounds + 1)
        ][1:]

    def middle(value: Callable[[Turn], float], digits: int = 1) -> float:
        return round(statistics.median(map(value, turns)), digits)

    return {
        "requests a second": middle(lambda turn: turn.ours[0]),
        "the plain relay's": middle(lambda turn: turn.plain[0]),
        "ratio": middle(lambda turn: turn.ours[0] / turn.plain[0], 3),
        "us of processor a request": middle(lambda turn: turn.ours[1]),
        "the plain relay's us": middle(lambda turn: turn.plain[1]),
        "us added at p50": middle(lambda turn: turn.ours_us - turn.direct_us),
        "us that the plain relay adds": middle(lambda turn: turn.plain_us - turn.direct_us),
        "us direct": middle(lambda turn: turn.direct_us),
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
        print(json.dumps(measured(), indent=1))
