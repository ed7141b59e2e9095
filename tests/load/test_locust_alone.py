"""Locust with our users as somebody meets it who wishes the tool ill: folders, configuration and forms of theirs."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest
from conftest import ROOT
from test_driver import hostile

from harness.load.hosts import Server, servers
from harness.load.settings import SETTINGS, Settings
from harness.load.valkey import free_port

pytestmark = pytest.mark.slow
CACHEGATE = Path(sys.executable).parent / "cachegate"
LOCUST = [sys.executable, "-m", "locust", "-f", str(ROOT / "scenarios" / "load" / "soak.py")]
PATIENCE_SECONDS = 120
WRONG, INCONCLUSIVE = 4, 2
WHOLE = (0, INCONCLUSIVE)
"""A machine under load may be too slow for a rate; nothing else may fail."""


@pytest.fixture(scope="module")
def host() -> Iterator[Server]:
    """A host to ask."""
    with servers(["improved"], 12_000) as (found,):
        yield found


def load(host: Server, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """A run of the command in a folder, to its end."""
    return subprocess.run(
        [CACHEGATE, "load", host.url, "-s", "soak", "-u", "2", "-t", "3s", "--processes", "2"],
        cwd=folder, env=os.environ | environ, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip


def test_modules_of_the_working_directory_are_not_run(host: Server, tmp_path: Path) -> None:
    """Not one, in any of the processes that load."""
    run = load(host, hostile(tmp_path))
    assert run.returncode in WHOLE, run.stdout + run.stderr
    assert not (tmp_path / "marker").exists()


def test_configuration_of_locust_is_not_read(host: Server, tmp_path: Path) -> None:
    """None of the four places where locust looks for some."""
    home, stolen = tmp_path / "home", tmp_path / "stolen"
    home.mkdir()
    stolen.mkdir()
    (home / ".locust.conf").write_text(f"html = {stolen}/home.html\n")
    (tmp_path / "locust.conf").write_text(f"json-file = {stolen}/folder\n")
    (tmp_path / "pyproject.toml").write_text(f"[tool.locust]\ncsv = '{stolen}/project'\n")
    run = load(host, tmp_path, HOME=str(home), LOCUST_LOGFILE=f"{stolen}/log", LOCUST_CSV=f"{stolen}/environment")
    assert run.returncode in WHOLE, run.stdout + run.stderr
    assert list(stolen.iterdir()) == []


def test_a_password_is_not_told(tmp_path: Path) -> None:
    """What cannot be reached is, without it."""
    path = tmp_path / "settings.json"
    Settings(hosts=("resp://:hunter2@127.0.0.1:1",)).write(path)
    run = subprocess.run(
        [*LOCUST, "--headless", "-t", "1s"],
        cwd=ROOT, env=os.environ | {SETTINGS: str(path)}, capture_output=True, text=True,
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert run.returncode == WRONG
    assert "nobody answers" in run.stderr
    assert "hunter2" not in run.stdout + run.stderr


class Page:
    """Locust's web UI, as browsers and others ask it."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def ask(self, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, str]:
        """The code and the text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = {"Content-Type": "application/x-www-form-urlencoded"} | headers
            connection.request(method, path, urlencode(form or {}), sent)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def listening(self) -> set[str]:
        """The addresses on which it and its workers listen."""
        process = psutil.Process(self.process.pid)
        every = [process, *process.children(recursive=True)]
        return {
            found.laddr.ip for each in every for found in each.net_connections() if found.status == psutil.CONN_LISTEN
        }

    def until(self, state: str) -> None:
        """Wait until the test is in this state."""
        end = time.monotonic() + PATIENCE_SECONDS
        while json.loads(self.ask("GET", "/stats/requests")[1])["state"] != state:
            assert time.monotonic() < end, f"it is not {state}"
            time.sleep(0.2)  # for another process, which tells nobody

    def end(self) -> str:
        """End it; what it said."""
        self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate(timeout=PATIENCE_SECONDS)
        return said[0] + said[1]


@contextmanager
def page(host: Server, *arguments: str) -> Iterator[Page]:
    """Plain locust with its web UI."""
    port = free_port()
    process = subprocess.Popen(
        [*LOCUST, "--host", host.url, "--web-port", str(port), *arguments],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        found = Page(process, port)
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                found.ask("GET", "/logs")
                break
            except OSError:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end
                time.sleep(0.2)  # as above
        yield found
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


START = {"user_count": "2", "spawn_rate": "2", "host": ""}


def test_a_form_writes_no_file(host: Server, tmp_path: Path) -> None:
    """Nor does one of another site, or under another name, do anything; one of its own starts what it may."""
    victim, mine = tmp_path / "victim", tmp_path / "mine.json"
    victim.write_text("precious")
    start = START | {"host": host.url}
    with page(host, "--cachegate-result", str(mine), "--key-prefix", "mine:") as ui:
        assert ui.listening() == {"127.0.0.1"}
        for name in ("cachegate_result", "key_prefix", "history_folder", "cachegate_orders", "html_file", "json_file"):
            code, text = ui.ask("POST", "/swarm", start | {name: str(victim)})
            assert (code, len(text.splitlines())) == (403, 1)
            assert name in text
        assert ui.ask("POST", "/swarm", start, Origin="http://evil.example")[0] == 403
        assert ui.ask("POST", "/swarm", start, Host="evil.example")[0] == 403
        assert ui.ask("GET", "/logs", Host="evil.example")[0] == 403
        assert json.loads(ui.ask("GET", "/stats/requests")[1])["state"] == "ready"
        own = f"http://127.0.0.1:{ui.port}"
        assert ui.ask("POST", "/swarm", start | {"workload": f"trace:{victim}"}, Origin=own)[0] == 200
        ui.until("stopped")
        code, text = ui.ask("POST", "/swarm", start | {"workload": "churn", "rate": "50"}, Origin=own)
        assert (code, json.loads(text)["success"]) == (200, True)
        ui.until("running")
        assert ui.ask("POST", "/stop")[0] == 200
        said = ui.end()
    assert "a web form chooses among presets" in said
    assert "Traceback" not in said
    orders = json.loads(mine.read_text())["orders"]
    assert (orders["workload"], orders["rate"], orders["prefix"]) == ("churn", 50.0, "mine:")
    assert victim.read_text() == "precious"
    assert [each.name for each in tmp_path.iterdir() if each not in (victim, mine)] == []


def test_other_machines_are_let_in_when_told(host: Server) -> None:
    """A master listens for workers, and its web UI for everybody, where its user says so."""
    port = str(free_port())
    master = ["--master", "--master-bind-port", port]
    with page(host, *master) as ui:
        assert ui.listening() == {"127.0.0.1"}
    told = [*master, "--master-bind-host", "0.0.0.0", "--web-host", "0.0.0.0"]  # noqa: S104  # what is tested
    with page(host, *told) as ui:
        assert ui.listening() == {"0.0.0.0"}  # noqa: S104  # as above
        worker = subprocess.Popen(
            [*LOCUST, "--worker", "--master-host", "127.0.0.1", "--master-port", port],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            end = time.monotonic() + PATIENCE_SECONDS
            while json.loads(ui.ask("GET", "/worker-count")[1])["worker_count"] < 1:
                assert time.monotonic() < end
                time.sleep(0.2)  # as above
            assert ui.ask("POST", "/swarm", START | {"host": host.url})[0] == 200
            ui.until("running")
            assert ui.ask("GET", "/", Host="10.0.0.4:8089")[0] == 200
            assert ui.ask("GET", "/", Host="evil.example")[0] == 403
        finally:
            worker.kill()
            worker.wait()
