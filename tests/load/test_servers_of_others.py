"""Servers that a run did not start: what is theirs stays, what is ours goes, and what they do harms nobody."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from conftest import ROOT
from hostile_servers import hostile

from harness.load.connection import Connection, command, connect
from harness.load.hosts import servers
from harness.load.plan import target

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-m", "harness"]
PATIENCE_SECONDS = 120
PROCEED, ROLLBACK, INCONCLUSIVE, WRONG, INTERRUPTED = 0, 1, 2, 4, 130
THEIRS = command(b"SET", b"theirs", b"untouched")


def cachegate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


@contextmanager
def of_another() -> Iterator[tuple[str, Connection]]:
    """The address of a server with a password and a key that is not ours, and a client of it."""
    with servers(["improved"], 1_000_000) as (host,):
        client = connect(host.url)
        assert client.call(THEIRS) == b"OK"
        yield host.url, client
        client.close()


def entries(client: Connection) -> int:
    """How many there are."""
    found = client.call(command(b"DBSIZE"))
    assert isinstance(found, int)
    return found


def until(condition: Callable[[], bool]) -> None:
    """Wait for other processes, which tell nobody."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_server_with_a_password(tmp_path: Path) -> None:
    """It lets us in with what the address says, which no report repeats; no key is touched, or left."""
    path = tmp_path / "out.json"
    with of_another() as (url, client):
        password = target(url).password
        assert password
        run = cachegate("load", url, "-s", "llm", "-t", "3s", "--json", str(path))
        assert run.returncode in (PROCEED, INCONCLUSIVE), run.stdout + run.stderr
        assert json.loads(path.read_text())["arms"][0]["spec"] == target(url).text
        assert password not in path.read_text() + run.stdout + run.stderr
        assert entries(client) == 1
        for wrong in (target(url).text, url.replace(password, "guess")):
            run = cachegate("load", wrong, "-s", "llm", "-t", "3s")
            assert run.returncode == WRONG
            assert "write its password into the address" in run.stderr
            assert "guess" not in run.stderr


def test_two_servers_with_passwords(tmp_path: Path) -> None:
    """As of one; the reports name both without them."""
    path = tmp_path / "out.json"
    with of_another() as (url, client), of_another() as (other, its):
        run = cachegate("stress", url, other, "-t", "4s", "-u", "10", "--json", str(path))
        assert run.returncode in (PROCEED, ROLLBACK, INCONCLUSIVE), run.stderr
        told = run.stdout + run.stderr + path.read_text()
        assert target(url).text in told
        assert not any(str(target(each).password) in told for each in (url, other))
        assert entries(client) == entries(its) == 1
        run = cachegate("stress", url, url, "-t", "4s")
        assert (run.returncode, "the same server" in run.stderr) == (WRONG, True)


@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT", "SIGTERM", "locust"])
def test_its_keys_go_however_a_run_ends(how: str) -> None:
    """^C, SIGKILL of the command, or of its locust: nothing of ours is left, all that is theirs is."""
    with of_another() as (url, client):
        process = subprocess.Popen(
            [*COMMAND, "stress", url, "-t", "60s", "-u", "20"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        until(lambda: entries(client) > 5_000)
        family = psutil.Process(process.pid).children(recursive=True)
        if how == "locust":
            next(each for each in family if "harness.load.locust_main" in each.cmdline()).kill()
        else:
            process.send_signal(signal.Signals[how])
        process.communicate(timeout=PATIENCE_SECONDS)
        _, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
        assert not alive
        assert entries(client) == 1
        assert client.call(command(b"GET", b"theirs")) == b"untouched"


def test_its_keys_go_after_an_experiment() -> None:
    """That of a partition, through a proxy, to a server with a password."""
    with of_another() as (url, client):
        run = cachegate("chaos", "network_partition", url, "--seed", "1", "--json", "-")
        assert run.returncode in (PROCEED, ROLLBACK, INCONCLUSIVE), run.stderr
        assert str(target(url).password) not in run.stdout + run.stderr
        assert json.loads(run.stdout)["experiments"][0]["before"]["operations"] > 0
        assert entries(client) == 1
        run = cachegate("chaos", "thundering_herd", url)
        assert (run.returncode, entries(client)) == (INCONCLUSIVE, 1)


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [
        (("stress", "URL"), "endless"),
        (("stress", "URL", "improved"), "array"),
        (("stress", "improved", "URL"), "garbage"),
        (("load", "URL", "-s", "llm"), "drip"),
        (("load", "URL", "-s", "soak"), "endless_error"),
        (("chaos", "network_partition", "URL"), "close"),
    ],
)
def test_a_server_that_never_answers_as_it_should(arguments: tuple[str, ...], mode: str) -> None:
    """One line that says so, and code 4, soon."""
    with hostile(mode) as server:
        run = cachegate(*(each.replace("URL", f"valkey://127.0.0.1:{server.port}/0") for each in arguments))
        assert run.returncode == WRONG, run.stdout + run.stderr
        assert len(run.stderr.strip().splitlines()) == 1
        assert f"127.0.0.1:{server.port}" in run.stderr


@pytest.mark.parametrize("mode", ["hidden_array", "close"])
def test_a_server_that_answers_at_first(mode: str) -> None:
    """The run goes to its end, and what failed is the server's failure; what could not be removed is told."""
    with hostile(mode, polite=3) as server:
        run = cachegate("stress", f"resp://127.0.0.1:{server.port}", "-t", "2s", "-u", "20")
        assert run.returncode == ROLLBACK, run.stdout + run.stderr
        assert "no_errors" in run.stdout.splitlines()[0]
        assert "keys that begin with cachegate:" in " ".join(run.stdout.split())
        assert b"FLUSH" not in server.received
