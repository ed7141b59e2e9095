"""The conformance suite, TCP: what every Toxiproxy does to the bytes that pass."""

from __future__ import annotations

import random
import socket
import threading
import time

import pytest
from wires import Api, Upstream, connect, pair, read, rest, silent

STREAMS = ["upstream", "downstream"]

pytest_plugins = ["toxiproxies"]


@pytest.mark.parametrize("stream", STREAMS)
def test_bytes_pass_whole(api: Api, upstream: Upstream, stream: str) -> None:
    """Several megabytes against a reader that starts late: nothing lost, order kept, and the end comes last."""
    sender, receiver = pair(api, upstream, stream)
    data = random.Random(1).randbytes(8_000_000)

    def send() -> None:
        sender.sendall(data)
        sender.shutdown(socket.SHUT_WR)

    sending = threading.Thread(target=send)
    sending.start()
    assert rest(receiver) == data
    sending.join()


@pytest.mark.parametrize("stream", STREAMS)
def test_a_reader_that_does_not_read_is_felt(api: Api, upstream: Upstream, stream: str) -> None:
    """The sender is stopped after what the kernel and a few buffers hold: the proxy keeps no more."""
    sender, _ = pair(api, upstream, stream)
    sender.settimeout(0.5)
    taken = 0
    try:
        while taken < 100_000_000:
            taken += sender.send(bytes(1_000_000))
    except TimeoutError:
        pass  # it was stopped
    assert taken < 100_000_000


def test_a_half_closed_connection(ours: Api, upstream: Upstream) -> None:
    """The end of one direction is not the end of the other (a real Toxiproxy closes both)."""
    for stream in STREAMS:
        sender, receiver = pair(ours, upstream, stream, stream)
        sender.sendall(b"all")
        sender.shutdown(socket.SHUT_WR)
        assert rest(receiver) == b"all"
        receiver.sendall(b"answer")
        assert read(sender, 6) == b"answer"
        receiver.close()
        assert rest(sender) == b""


@pytest.mark.parametrize("stream", STREAMS)
def test_a_close_reaches_the_other_side(api: Api, upstream: Upstream, stream: str) -> None:
    """After what was sent."""
    sender, receiver = pair(api, upstream, stream)
    sender.sendall(b"bye")
    sender.close()
    assert rest(receiver) == b"bye"


def test_an_upstream_that_refuses(api: Api) -> None:
    """The client is let in, and its connection closed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    with connect(api.proxy("p", nobody)["listen"]) as client:
        assert rest(client) == b""


def test_disabled(api: Api, upstream: Upstream) -> None:
    """Connections are cut, new ones refused, and the port is there again afterwards, though it was asked for as 0."""
    listen = api.proxy("p", upstream.address)["listen"]
    client, server = upstream.connected(listen)
    for _ in range(3):
        _, told = api.call("POST", "/proxies/p", {"enabled": False})
        assert (told["enabled"], told["listen"]) == (False, listen)
        assert rest(client) == b""
        assert rest(server) == b""
        with pytest.raises(ConnectionRefusedError):
            connect(listen)
        _, told = api.call("POST", "/proxies/p", {"enabled": True})
        assert (told["enabled"], told["listen"]) == (True, listen)
        client, server = upstream.connected(listen)
        client.sendall(b"again")
        assert read(server, 5) == b"again"


def test_a_disabled_proxy_keeps_its_port(ours: Api) -> None:
    """Nobody is given it meanwhile, nor by SO_REUSEADDR (a real one gives it up)."""
    host, _, port = ours.proxy("p", "127.0.0.1:9")["listen"].rpartition(":")
    ours.call("POST", "/proxies/p", {"enabled": False})
    for reuse in (0, 1):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
            with pytest.raises(OSError, match="in use"):
                other.bind((host, int(port)))
    ours.call("DELETE", "/proxies/p")
    with socket.socket() as other:
        other.bind((host, int(port)))


def test_another_upstream(api: Api, upstream: Upstream) -> None:
    """Connections to the old one end, new ones go to the new one, and the proxy stays where it was."""
    listen = api.proxy("p", "127.0.0.1:9")["listen"]
    _, told = api.call("PATCH", "/proxies/p", {"upstream": upstream.address})
    assert (told["listen"], told["upstream"], told["enabled"]) == (listen, upstream.address, True)
    client, server = upstream.connected(listen)
    api.call("PATCH", "/proxies/p", {"upstream": "127.0.0.1:9"})
    assert rest(client) == b""
    assert rest(server) == b""


def test_a_deleted_proxy(api: Api, upstream: Upstream) -> None:
    """Its connections end, and nobody listens."""
    listen = api.proxy("p", upstream.address)["listen"]
    client, _ = upstream.connected(listen)
    api.call("DELETE", "/proxies/p")
    assert rest(client) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(listen)


@pytest.mark.parametrize("stream", STREAMS)
def test_latency(api: Api, upstream: Upstream, stream: str) -> None:
    """200 ms take at least 190 ms in that direction; ten messages at once do not take ten times as long."""
    sender, receiver = pair(api, upstream, stream)
    api.toxic("p", "latency", stream, latency=200, jitter=5)
    began = time.monotonic()
    for number in range(10):
        sender.sendall(b"%d" % number)
        time.sleep(0.001)  # so that they come as ten
    assert read(receiver, 1) == b"0"
    assert time.monotonic() - began >= 0.19
    assert read(receiver, 9) == b"123456789"
    assert time.monotonic() - began < 1.5
    began = time.monotonic()
    receiver.sendall(b"back")
    assert read(sender, 4) == b"back"


@pytest.mark.parametrize("stream", STREAMS)
def test_bandwidth(api: Api, upstream: Upstream, stream: str) -> None:
    """60,000 bytes at 200 KB/s take 0.3 s."""
    sender, receiver = pair(api, upstream, stream)
    api.toxic("p", "bandwidth", stream, rate=200)
    data = random.Random(2).randbytes(60_000)
    began = time.monotonic()
    sender.sendall(data)
    assert read(receiver, 60_000) == data
    assert time.monotonic() - began >= 0.27


@pytest.mark.parametrize("stream", STREAMS)
def test_slow_close(api: Api, upstream: Upstream, stream: str) -> None:
    """The bytes at once, the end 200 ms later."""
    sender, receiver = pair(api, upstream, stream)
    api.toxic("p", "slow_close", stream, delay=200)
    began = time.monotonic()
    sender.sendall(b"x")
    sender.close()
    assert rest(receiver) == b"x"
    assert time.monotonic() - began >= 0.19


@pytest.mark.parametrize("stream", STREAMS)
def test_a_timeout_of_0(api: Api, upstream: Upstream, stream: str) -> None:
    """Nothing arrives and nothing closes; removing it closes both sides, and what was sent is gone."""
    sender, receiver = pair(api, upstream, stream)
    path = api.toxic("p", "timeout", stream, timeout=0)
    sender.sendall(b"into the void")
    assert silent(receiver)
    assert silent(sender)
    receiver.sendall(b"still there")
    assert read(sender, 11) == b"still there"
    api.call("DELETE", path)
    assert rest(receiver) == b""
    assert rest(sender) == b""


@pytest.mark.parametrize("stream", STREAMS)
def test_a_timeout(api: Api, upstream: Upstream, stream: str) -> None:
    """Nothing arrives, and after the time both sides are closed."""
    sender, receiver = pair(api, upstream, stream)
    began = time.monotonic()
    api.toxic("p", "timeout", stream, timeout=200)
    assert rest(receiver) == b""
    assert time.monotonic() - began >= 0.19
    assert rest(sender) == b""


@pytest.mark.parametrize("stream", STREAMS)
def test_reset_peer(api: Api, upstream: Upstream, stream: str) -> None:
    """RST to both sides, that long after the first byte, which does not arrive."""
    listen = api.proxy("p", upstream.address)["listen"]
    api.toxic("p", "reset_peer", stream, timeout=200)
    client, server = upstream.connected(listen)
    sender, receiver = (client, server) if stream == "upstream" else (server, client)
    began = time.monotonic()
    sender.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        rest(receiver)
    assert time.monotonic() - began >= 0.19
    with pytest.raises(ConnectionResetError):
        rest(sender)


def test_reset_peer_on_a_connection_that_is_there(ours: Api, upstream: Upstream) -> None:
    """RST too (a real Toxiproxy says FIN to those)."""
    sender, receiver = pair(ours, upstream, "upstream")
    ours.toxic("p", "reset_peer", "upstream")
    sender.sendall(b"x")
    for end in (receiver, sender):
        with pytest.raises(ConnectionResetError):
            rest(end)


@pytest.mark.parametrize("stream", STREAMS)
def test_slicer(api: Api, upstream: Upstream, stream: str) -> None:
    """100 bytes in pieces of 12 at most, 10 ms apart: 8 pauses at least, and all bytes."""
    sender, receiver = pair(api, upstream, stream)
    api.toxic("p", "slicer", stream, average_size=10, size_variation=2, delay=10_000)
    data = bytes(range(100))
    began = time.monotonic()
    sender.sendall(data)
    assert read(receiver, 100) == data
    assert time.monotonic() - began >= 0.07


@pytest.mark.parametrize("stream", STREAMS)
def test_limit_data(api: Api, upstream: Upstream, stream: str) -> None:
    """So many bytes, and the end; the next connection has as many."""
    listen = api.proxy("p", upstream.address)["listen"]
    api.toxic("p", "limit_data", stream, bytes=100)
    for _ in range(2):
        client, server = upstream.connected(listen)
        sender, receiver = (client, server) if stream == "upstream" else (server, client)
        sender.sendall(bytes(60))
        assert read(receiver, 60) == bytes(60)
        sender.sendall(bytes(60))
        assert rest(receiver) == bytes(40)


def test_toxicity(api: Api, upstream: Upstream) -> None:
    """0 never acts, 1 always; the other connections feel nothing."""
    listen = api.proxy("p", upstream.address)["listen"]
    path = api.toxic("p", "limit_data", "upstream", 0.0, bytes=1)
    for toxicity, arrives in ((0.0, b"12"), (1.0, b"1")):
        api.call("POST", path, {"toxicity": toxicity})
        for _ in range(10):
            client, server = upstream.connected(listen)
            client.sendall(b"12")
            assert read(server, len(arrives)) == arrives
            if toxicity:
                assert rest(server) == b""


@pytest.mark.parametrize("stream", STREAMS)
def test_toxics_come_and_go_on_a_connection(api: Api, upstream: Upstream, stream: str) -> None:
    """Added, changed and removed in mid-flow; what waits is not lost."""
    sender, receiver = pair(api, upstream, stream)
    sender.sendall(b"1")
    assert read(receiver, 1) == b"1"
    path = api.toxic("p", "latency", stream, latency=60_000)
    sender.sendall(b"2")
    assert silent(receiver)
    api.call("POST", path, {"attributes": {"latency": 1}})
    sender.sendall(b"3")
    assert read(receiver, 2) == b"23"
    api.call("POST", path, {"attributes": {"latency": 60_000}})
    sender.sendall(b"4")
    assert silent(receiver)
    assert api.call("DELETE", path)[0] == 204
    sender.sendall(b"5")
    assert read(receiver, 2) == b"45"


def test_several_at_once(api: Api, upstream: Upstream) -> None:
    """A chain: latencies add up, and nothing is lost on the way."""
    sender, receiver = pair(api, upstream, "downstream")
    for number in range(3):
        body = {"type": "latency", "name": f"t{number}", "attributes": {"latency": 70}}
        assert api.call("POST", "/proxies/p/toxics", body)[0] == 200
    api.toxic("p", "slicer", average_size=10, size_variation=3, delay=10)
    began = time.monotonic()
    sender.sendall(bytes(range(200)))
    assert read(receiver, 200) == bytes(range(200))
    assert time.monotonic() - began >= 0.2


def test_metrics(ours: Api, upstream: Upstream) -> None:
    """Bytes by direction, and what each toxic changed, also after it is gone (real ones count bytes if told to)."""
    sender, receiver = pair(ours, upstream, "upstream")
    path = ours.toxic("p", "latency", "upstream", latency=1)
    sender.sendall(b"12345")
    assert read(receiver, 5) == b"12345"
    ours.call("DELETE", path)
    lines = ours.call("GET", "/metrics")[1].splitlines()
    listen = ours.call("GET", "/proxies/p")[1]["listen"]
    labels = f'{{direction="upstream",listener="{listen}",proxy="p",upstream="{upstream.address}"}}'
    assert f"toxiproxy_proxy_received_bytes_total{labels} 5.0" in lines
    assert f"toxiproxy_proxy_sent_bytes_total{labels} 5.0" in lines
    assert 'cachegate_toxic_acted_total{proxy="p",toxic="latency_upstream"} 1.0' in lines
