"""The embedded server under what nobody should send it: it goes on, and nothing is left of it. Seeds are printed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from conftest import ROOT
from wires import PATIENCE_SECONDS, Api, Upstream, connect, read, rest

from harness.chaos.network import ProxyServer
from harness.chaos.proxy_server import embedded

KINDS = ["latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data", "earthquake"]
NAMES = ["a", "b", "c", "", "d%20e", "é"]
NUMBERS: list[Any] = [0, 1, 3, 100, -1, 2**62, 2**70, 1.5, 1e300, True, None, "1", [1], {}]
FIELDS = ["latency", "jitter", "rate", "delay", "timeout", "average_size", "size_variation", "bytes", "toxicity"]
GENTLE: list[dict[str, Any]] = [
    {"type": "latency", "attributes": {"latency": 3, "jitter": 3}},
    {"type": "bandwidth", "attributes": {"rate": 2_000}},
    {"type": "slicer", "attributes": {"average_size": 900, "size_variation": 400, "delay": 10}},
    {"type": "slow_close", "attributes": {"delay": 3}},
]
HARSH: list[dict[str, Any]] = [
    {"type": "limit_data", "attributes": {"bytes": 5_000}},
    {"type": "reset_peer", "attributes": {"timeout": 2}},
    {"type": "timeout", "attributes": {"timeout": 2}},
]


@pytest.fixture
def server() -> Iterator[ProxyServer]:
    """A fresh one, which must have had nothing to complain about."""
    with embedded(seed=1) as found:
        yield found
        assert found.complaints() == ""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server behind the proxies."""
    found = Upstream()
    yield found
    found.close()


def descriptors(server: ProxyServer, wanted: int | None = None) -> int:
    """What the server has open; waits for it to become what it was, as closing takes a turn of its loop."""
    end = time.monotonic() + PATIENCE_SECONDS
    found = psutil.Process(server.pid).num_fds()
    while wanted is not None and found > wanted and time.monotonic() < end:
        time.sleep(0.01)
        found = psutil.Process(server.pid).num_fds()
    return found


def settled(server: ProxyServer) -> int:
    """What it has open once it has answered."""
    server.version()
    server.create("settled", "127.0.0.1:9").delete()
    time.sleep(0.1)  # for uvicorn to close what that left
    return descriptors(server)


def any_value(rng: random.Random, depth: int = 0) -> Any:
    """Mostly what could be meant."""
    if depth < 2 and rng.random() < 0.2:
        return [any_value(rng, depth + 1) for _ in range(rng.randrange(3))]
    return rng.choice([*NUMBERS, *KINDS, *NAMES])


def any_body(rng: random.Random, address: str) -> Any:
    """A proxy, a toxic, several of them, or rubbish."""
    draw = rng.random()
    if draw < 0.1:
        return rng.randbytes(rng.randrange(40))
    if draw < 0.15:
        return any_value(rng)
    if draw < 0.4:
        return {
            "name": rng.choice(NAMES),
            "upstream": rng.choice([address, "127.0.0.1:1", "nowhere", "", "[::1]:1", ":", 7]),
            "listen": rng.choice(["127.0.0.1:0", "localhost:0", "[::1]:0", "127.0.0.1", "0.0.0.0:0", address, 3]),
            "enabled": rng.choice([True, False, None, 1]),
        }
    attributes = {rng.choice(FIELDS): rng.choice(NUMBERS) for _ in range(rng.randrange(4))}
    body: dict[str, Any] = {
        "type": rng.choice(KINDS),
        "attributes": rng.choice([attributes, attributes, attributes, None, 3]),
    }
    for name, choices in (("name", NAMES), ("stream", ["upstream", "Downstream", "up", 1]), ("toxicity", NUMBERS)):
        if rng.random() < 0.4:
            body[name] = rng.choice(choices)
    return [body] if draw > 0.97 else body


def call_at_random(server: ProxyServer, upstream: Upstream, calls: int, seed: int) -> None:
    """Any method on any path with any body, and a client now and then."""
    rng, api = random.Random(seed), Api(server.url, server.token)
    clients: list[socket.socket] = []
    for _ in range(calls):
        proxy, toxic = rng.choice(NAMES[:3]), rng.choice([*KINDS, *NAMES])
        path = rng.choice(
            [
                *("/proxies", "/proxies", "/populate", "/metrics", "/version", f"/proxies/{proxy}"),
                *(
                    f"/proxies/{proxy}/toxics",
                    f"/proxies/{proxy}/toxics",
                    f"/proxies/{proxy}/toxics/{toxic}_downstream",
                ),
            ]
        )
        if rng.random() < 0.02:
            path = "/reset"
        method = rng.choice(["GET", "POST", "POST", "POST", "PATCH", "DELETE"])
        body = any_body(rng, upstream.address) if method in ("POST", "PATCH") else None
        status, told = api.call(method, path.encode("ascii", "ignore").decode(), body)
        assert status in (200, 201, 204, 400, 403, 404, 405, 409, 500), (seed, method, path, body, status, told)
        if status == 500:
            assert "listen" in told["error"] or "address" in told["error"], (seed, method, path, body, told)
        if rng.random() < 0.1:
            for one in api.call("GET", "/proxies")[1].values():
                if one["enabled"]:
                    client = connect(one["listen"])
                    client.sendall(b"some bytes")
                    clients.append(client)
            while len(clients) > 20:
                clients.pop(0).close()
    for client in clients:
        client.close()


def check_random_calls(server: ProxyServer, upstream: Upstream, calls: int) -> None:
    """Afterwards it has open what it had before."""
    before = settled(server)
    call_at_random(server, upstream, calls, seed=calls)
    Api(server.url, server.token).clear()
    assert descriptors(server, before) <= before


def test_random_calls(server: ProxyServer, upstream: Upstream) -> None:
    """Each is answered with a status that the API has."""
    check_random_calls(server, upstream, 600)


@pytest.mark.slow
def test_ten_thousand_random_calls(server: ProxyServer, upstream: Upstream) -> None:
    """As above, for longer."""
    check_random_calls(server, upstream, 10_000)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What comes goes back; a connection that breaks is what these tests are about."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        pass
    finally:
        writer.close()


async def stream(rng: random.Random, address: tuple[str, int]) -> tuple[bytes, bytes, bool]:
    """What was sent, what came back, and whether it ended in order."""
    sent, back = rng.randbytes(rng.randrange(1, 60_000)), bytearray()
    cuts = sorted(rng.randrange(len(sent)) for _ in range(rng.randrange(6)))
    try:
        reader, writer = await asyncio.open_connection(*address)
    except ConnectionResetError:  # closed by one toxic and reset by another before this loop saw it connected
        return sent, b"", False

    async def send() -> None:
        for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            writer.write(sent[start:end])
            await asyncio.sleep(rng.random() * 0.005)
        writer.write_eof()

    sending = asyncio.create_task(send())
    try:
        while data := await reader.read(65_536):
            back += data
        await sending
    except OSError:
        return sent, bytes(back), False
    finally:
        sending.cancel()
        writer.close()
    return sent, bytes(back), True


async def streams(server: ProxyServer, count: int, kinds: list[dict[str, Any]], seed: int) -> None:
    """Streams at once, while toxics come and go. Gentle ones lose nothing; harsh ones only the end."""
    rng, api = random.Random(seed), Api(server.url, server.token)
    upstream = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = upstream.sockets[0].getsockname()[1]
    listen = server.create("streams", f"127.0.0.1:{port}").listen
    address = ("127.0.0.1", int(listen.rpartition(":")[2]))
    there: list[str] = []

    def meddle() -> None:
        name, body = f"t{rng.randrange(5)}", rng.choice(kinds)
        path = f"/proxies/streams/toxics/{name}"
        if name in there and rng.random() < 0.5:
            there.remove(name)
            assert api.call("DELETE", path)[0] == 204
        elif name in there:
            api.call("PATCH", path, {"toxicity": rng.random()})
        else:
            there.append(name)
            chosen = body | {"name": name, "stream": rng.choice(["upstream", "downstream"]), "toxicity": rng.random()}
            assert api.call("POST", "/proxies/streams/toxics", chosen)[0] == 200

    async def meddling() -> None:
        while True:
            await asyncio.to_thread(meddle)
            await asyncio.sleep(0.002)

    meddler = asyncio.create_task(meddling())
    for start in range(0, count, 25):
        chosen = [random.Random(f"{seed}/{number}") for number in range(start, min(start + 25, count))]
        for sent, back, ended in await asyncio.gather(*(stream(one, address) for one in chosen)):
            assert sent.startswith(back), (seed, start)
            if kinds is GENTLE:
                assert ended, (seed, start)
                assert back == sent, (seed, start)
    assert not meddler.done()
    assert any((server.acted("streams") or {}).values())  # else nothing was tested
    meddler.cancel()
    await asyncio.wait([meddler])
    upstream.close()


@pytest.mark.parametrize("kinds", [GENTLE, GENTLE + HARSH], ids=["gentle", "harsh"])
@pytest.mark.parametrize("count", [50, pytest.param(1_000, marks=pytest.mark.slow)])
def test_random_streams(server: ProxyServer, count: int, kinds: list[dict[str, Any]]) -> None:
    """What arrives is what was sent, or its beginning; afterwards nothing is open that was not before."""
    before = settled(server)
    chosen = GENTLE if kinds == GENTLE else kinds
    asyncio.run(asyncio.wait_for(streams(server, count, chosen, seed=count), 300))
    server.proxies()["streams"].delete()
    assert descriptors(server, before) <= before


def test_clients_that_are_killed(server: ProxyServer, upstream: Upstream) -> None:
    """In mid-flow, without a word, with a toxic or without: their connections are gone on both sides."""
    proxy = server.create("p", upstream.address)
    before = settled(server)
    for kind in (None, "latency", "slicer", "bandwidth"):
        if kind is not None:
            proxy.add_toxic(kind, latency=20, average_size=100, rate=1_000)
        code = (
            "import socket,sys\n"
            f"s=socket.create_connection(('127.0.0.1',{proxy.listen.rpartition(':')[2]}))\n"
            "s.sendall(b'x'*100000)\nprint(1,flush=True)\nwhile s.recv(10): pass"
        )
        client = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        served = upstream.accept()
        assert client.stdout is not None
        assert client.stdout.readline() == b"1\n"
        assert read(served, 100_000) == b"x" * 100_000
        served.sendall(b"y" * 50_000)
        client.kill()
        client.communicate()
        try:
            rest(served)
        except ConnectionResetError:
            pass  # a reset is an end too
        served.close()
        assert descriptors(server, before) <= before


def test_it_dies_with_its_owner() -> None:
    """Even when that is killed: its standard input ends."""
    code = (
        "import sys, time\nfrom harness.chaos.proxy_server import embedded\n"
        "with embedded(seed=1) as server:\n    print(server.pid, flush=True)\n    time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert owner.stdout is not None
    child = psutil.Process(int(owner.stdout.readline()))
    owner.kill()
    owner.communicate()
    try:
        child.wait(PATIENCE_SECONDS)
    except psutil.NoSuchProcess:
        pass  # gone before we looked


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_a_signal(ending: signal.Signals, upstream: Upstream) -> None:
    """With code 0, and a client's connection is closed."""
    command = [sys.executable, "-m", "harness.chaos.toxiproxy", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Toxiproxy's API is served at http://127.0.0.1:")
    server = ProxyServer(line.split()[5].rstrip(","))
    client, _ = upstream.connected(server.create("p", upstream.address).listen)
    process.send_signal(ending)
    assert rest(client) == b""
    assert process.wait(PATIENCE_SECONDS) == 0
    process.stdout.close()


def test_a_port_that_is_taken_is_one_line() -> None:
    """Code 4, for people and for the parent."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        person = subprocess.run(
            [sys.executable, "-m", "harness.chaos.toxiproxy", "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        parent = subprocess.run(
            [sys.executable, "-m", "harness.chaos.toxiproxy.child"],
            input=json.dumps({"host": "127.0.0.1", "port": port, "seed": 1}) + "\n",
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=dict(os.environ),
        )
    for ended in (person, parent):
        assert ended.returncode == 4
        assert ended.stderr.startswith(f"cannot listen on 127.0.0.1:{port}: ")
        assert ended.stderr.count("\n") == 1
