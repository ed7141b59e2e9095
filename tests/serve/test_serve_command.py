"""`cachegate serve` as its user meets it: real clients, the operators' port, signals, and bad requests."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError

import psutil
import pytest
from conftest import ROOT

COMMAND = [sys.executable, "-m", "harness", "serve"]
PATIENCE_SECONDS = 30
WORD = "open sesame"


class Served(NamedTuple):
    """A host that runs, and where."""

    process: subprocess.Popen[str]
    port: int
    ops: str


@contextmanager
def served(spec: str = "improved", *options: str, token: str = "") -> Iterator[Served]:
    """A host on free ports, ended with SIGTERM; it has to end well."""
    process = subprocess.Popen(
        [*COMMAND, spec, "--port", "0", "--ops-port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"CACHEGATE_TOKEN": token},
    )
    try:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        assert "is served at 127.0.0.1:" in first, process.stderr.read() if process.stderr else ""
        port = int(first.partition("127.0.0.1:")[2].split()[0])
        yield Served(process, port, second.split()[1].removesuffix("/health"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.communicate()


def fetch(url: str, body: Any = None, token: str = "") -> tuple[int, str]:
    """Status and text of a page."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method="GET" if body is None else "PUT")  # noqa: S310  # http, on the loopback
    request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as found:  # noqa: S310  # http, on the loopback
            assert isinstance(found, HTTPResponse)
            return found.status, found.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def redis_py(port: int, protocol: int) -> Any:
    return pytest.importorskip("redis").Redis(port=port, protocol=protocol, socket_timeout=PATIENCE_SECONDS)


def valkey_py(port: int, protocol: int) -> Any:
    return pytest.importorskip("valkey").Valkey(port=port, protocol=protocol, socket_timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("connect", [redis_py, valkey_py])
def test_python_clients(connect: Callable[[int, int], Any], protocol: int) -> None:
    """Ordinary calls, a pipeline, and an error of their kind."""
    with served() as host:
        client = connect(host.port, protocol)
        assert client.ping()
        assert client.set("a", b"\x00\xff", ex=100)
        assert client.get("a") == b"\x00\xff"
        assert client.set("b", "1", px=5)
        assert client.delete("a", "nothing") == 1
        assert client.exists("a") == 0
        pipeline = client.pipeline(transaction=False)
        for number in range(100):
            pipeline.set(f"k{number}", number)
            pipeline.get(f"k{number}")
        assert pipeline.execute()[1::2] == [str(number).encode() for number in range(100)]
        assert client.dbsize() >= 100
        assert client.info()["cachegate_cache"] == "improved"
        with pytest.raises(Exception, match="unknown command"):
            client.lpush("list", "1")
        assert client.flushall()
        assert client.dbsize() == 0
        client.close()


def test_redis_cli_and_benchmark() -> None:
    """The tools that come with Redis, where they are installed."""
    if shutil.which("redis-cli") is None or shutil.which("redis-benchmark") is None:
        pytest.skip("no redis-cli and redis-benchmark on the PATH: apt-get install redis-tools")
    with served() as host:
        port = str(host.port)
        told = subprocess.run(
            ["redis-cli", "-p", port, "set", "a", "1", "EX", "10"], capture_output=True, text=True, check=True
        )
        assert told.stdout == "OK\n"
        command = ["redis-benchmark", "-p", port, "-t", "ping,set,get", "-n", "2000", "-c", "5", "-P", "4", "--csv"]
        rows = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS)
        assert rows.stdout.count("\n") >= 4
        assert "rror" not in rows.stdout
        _, metrics = fetch(f"{host.ops}/metrics")
        assert 'cache_operations_total{operation="get",status="ok"} 2000.0' in metrics
        assert 'cache_operations_total{operation="set",status="ok"} 2001.0' in metrics


def test_more_clients_than_the_usual_limit_of_descriptors() -> None:
    """A host that starts with 256 descriptors allowed takes 400 clients: it asks for what the machine lets it have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with served() as host:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            clients = [socket.create_connection(("127.0.0.1", host.port), timeout=PATIENCE_SECONDS) for _ in range(400)]
            for client in clients:
                client.sendall(b"PING\r\n")
            assert all(client.recv(16) == b"+PONG\r\n" for client in clients)
            for client in clients:
                client.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_operators_port() -> None:
    """Health uses the cache; metrics count what was asked; a cache without stages has no flags."""
    with served("legacy") as host:
        status, text = fetch(f"{host.ops}/health")
        assert (status, json.loads(text)["status"]) == (200, "pass")
        status, text = fetch(f"{host.ops}/metrics")
        assert 'cache_operations_total{operation="probe",status="ok"} 3.0' in text
        assert 'cache_operations_total{operation="get",status="ok"} 0.0' in text
        assert 'cache_operation_duration_seconds_count{operation="probe"} 3.0' in text
        assert 'cache_counters_total{counter="hits"} 1.0' in text
        assert "process_resident_memory_bytes" in text
        assert fetch(f"{host.ops}/flags") == (200, "{}")


def test_health_fails_with_its_reason(tmp_path: Path) -> None:
    """A cache that raises is not healthy, though its host is."""
    (tmp_path / "failing.py").write_text(
        "class Failing:\n"
        "    async def get(self, key): raise ConnectionError('the far tier is gone')\n"
        "    async def set(self, key, value): pass\n"
    )
    with served(f"{tmp_path}/failing.py:Failing") as host:
        status, text = fetch(f"{host.ops}/health")
        assert status == 503
        assert json.loads(text)["problem"] == "get raised ConnectionError: the far tier is gone"
        assert 'cache_errors_total{error_type="ConnectionError"} 1.0' in fetch(f"{host.ops}/metrics")[1]


def test_flags_of_a_migration() -> None:
    """Read and changed with the token, and what cannot be is said."""
    with served("migration?stage=off", token=WORD) as host:
        url = f"{host.ops}/flags"
        assert fetch(url)[0] == fetch(url, token=WORD + "x")[0] == 403
        assert json.loads(fetch(url, token=WORD)[1]) == {"stage": "off", "percentage": 100}
        assert fetch(url, {"stage": "dualwrite"})[0] == 403
        assert fetch(url, {"stage": "dualwrite"}, token=WORD + "x")[0] == 403
        assert json.loads(fetch(url, {"stage": "dualwrite"}, token=WORD)[1])["stage"] == "dualwrite"
        status, text = fetch(url, {"stage": "live"}, token=WORD)
        assert status == 400
        assert "next stage is shadow" in text
        assert fetch(url, {"colour": 1}, token=WORD)[0] == 400
        assert json.loads(fetch(url, token=WORD)[1])["stage"] == "dualwrite"
        assert "migration_fallbacks_total" in fetch(f"{host.ops}/metrics")[1]


def test_a_request_for_another_server_is_refused() -> None:
    """A page whose name was made to mean this machine reads nothing, whatever it asks for."""
    with served() as host:
        for page in ("health", "metrics", "flags", "nothing"):
            request = urllib.request.Request(f"{host.ops}/{page}", headers={"Host": "rebound.example"})  # noqa: S310  # http, on the loopback
            with pytest.raises(HTTPError) as refused, urllib.request.urlopen(request, timeout=PATIENCE_SECONDS):  # noqa: S310  # as above
                pass
            with refused.value:
                assert (refused.value.code, "another server" in refused.value.read().decode()) == (403, True)
        port = host.ops.rpartition(":")[2]
        assert fetch(f"http://localhost:{port}/health")[0] == 200
        with socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE_SECONDS) as old:
            old.sendall(b"GET /health HTTP/1.0\r\n\r\n")  # from before there was a Host
            assert b" 200 " in old.recv(64)


def test_without_a_token_nothing_is_changed() -> None:
    """And it says how to allow it; to read is open."""
    with served("migration") as host:
        assert fetch(f"{host.ops}/flags")[0] == 200
        status, text = fetch(f"{host.ops}/flags", {"percentage": 1})
        assert status == 403
        assert "CACHEGATE_TOKEN" in text


def test_interrupt_ends_it_and_leaves_nothing() -> None:
    """^C is an ordinary end."""
    with served() as host:
        family = psutil.Process(host.process.pid).children(recursive=True)
        host.process.send_signal(signal.SIGINT)
        assert host.process.wait(timeout=PATIENCE_SECONDS) == 0
        assert not any(child.is_running() for child in family)


def test_a_shutdown_that_fails_is_told(tmp_path: Path) -> None:
    """One line, and exit code 1."""
    (tmp_path / "failing.py").write_text(
        "class Failing:\n"
        "    async def get(self, key): return None\n"
        "    async def set(self, key, value): pass\n"
        "    async def shutdown(self): raise OSError('the disk is full')\n"
    )
    command = [*COMMAND, f"{tmp_path}/failing.py:Failing", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert "is served" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert told.strip().endswith("shutdown() raised OSError: the disk is full")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("improvedd", "--port", "0"), "improved"),
        (("improved", "--port", "99999"), "65535"),
        (("improved", "--bind", "192.0.2.1"), "cannot listen on 192.0.2.1"),
        (("tests/zoo/hostile.py:RaisesAtBuild", "--port", "0"), ""),
    ],
)
def test_bad_requests(arguments: tuple[str, ...], said: str) -> None:
    """One line and exit code 4."""
    finished = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_SECONDS, check=False
    )
    assert finished.returncode == 4, finished.stderr
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_taken_port() -> None:
    """The address, why, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*COMMAND, "improved", "--port", port]
        finished = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_SECONDS, check=False
        )
    assert finished.returncode == 4
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in finished.stderr
    assert "--port" in finished.stderr
    assert len(finished.stderr.strip().splitlines()) == 1
