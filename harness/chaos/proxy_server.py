"""Which Toxiproxy server a run uses: the one in TOXIPROXY_URL, else toxiproxy-server on the PATH, else our own.

What is started here is ended here. The embedded one ends by itself when its owner dies, however it dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import IO

from harness.chaos.network import NetworkFaultError, ProxyServer, RefusedError, ServerSilentError
from harness.chaos.toxiproxy.guard import TOKEN_VARIABLE
from harness.children import environment, last_part, python, start_process
from harness.errors import HarnessError, UsageError

START_SECONDS = 20.0
_END_SECONDS = 5.0
_PAUSE_SECONDS = 0.02
PROGRAM = "toxiproxy-server"


@contextlib.contextmanager
def found_server(seed: int) -> Iterator[ProxyServer]:
    """The server, until the end of the block; `.what` says which it is. The seed is for the embedded one alone.

    Raises UsageError if TOXIPROXY_URL names none.
    """
    url = os.environ.get("TOXIPROXY_URL")
    with contextlib.ExitStack() as ending:
        if url:
            yield named(url)
        elif shutil.which(PROGRAM):
            yield ending.enter_context(installed())
        else:
            yield ending.enter_context(embedded(seed))


def named(url: str) -> ProxyServer:
    """The server that somebody else runs, with the secret that the environment has for it. Raises UsageError."""
    server = ProxyServer(url, token=os.environ.get(TOKEN_VARIABLE) or None)
    try:
        server.version()
        server.guarded = server.token is not None and _refuses_others(url)
    except NetworkFaultError as error:
        raise UsageError(f"{error} (TOXIPROXY_URL names it)") from error
    return server


def _refuses_others(url: str) -> bool:
    try:
        ProxyServer(url).version()
    except RefusedError:
        return True
    return False


@contextlib.contextmanager
def installed() -> Iterator[ProxyServer]:
    """toxiproxy-server, on a free port of the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with tempfile.TemporaryFile("w+") as complaints:
        command = [PROGRAM, "-host", "127.0.0.1", "-port", str(port)]
        process: subprocess.Popen[bytes] = start_process(
            command, stdout=complaints, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            server = ProxyServer(f"http://127.0.0.1:{port}")
            version = _answered(server, process, complaints)
            server.what, server.pid = f"{PROGRAM} {version} on the PATH", process.pid
            yield server
        finally:
            _end(process)


@contextlib.contextmanager
def embedded(seed: int) -> Iterator[ProxyServer]:
    """Ours, as a child process."""
    with tempfile.TemporaryFile("w+") as complaints:
        process: subprocess.Popen[str] = start_process(
            python("harness.chaos.toxiproxy.child"),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            start_new_session=True,  # ^C is its owner's: the proxies stay until the faults are undone
        )
        token = secrets.token_urlsafe()  # other users of the machine reach the loopback too
        job = {"host": "127.0.0.1", "port": 0, "seed": seed, "token": token}
        try:
            assert process.stdin is not None  # a pipe was asked for
            assert process.stdout is not None  # a pipe was asked for
            with contextlib.suppress(BrokenPipeError):  # it died at once: told below
                process.stdin.write(json.dumps(job) + "\n")
                process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
            line = process.stdout.readline() if ready else ""
            if not line:
                raise HarnessError(f"the embedded Toxiproxy did not start: {_complaint(complaints)}")
            where = json.loads(line)
            server = ProxyServer(f"http://{where['address']}:{where['port']}", what="embedded", token=token)
            server.ends_with_run = True
            server.guarded = True
            server.pid, server.complaints = process.pid, lambda: _written(complaints)
            yield server
        finally:
            _end(process)


def _answered(server: ProxyServer, process: subprocess.Popen[bytes], complaints: IO[str]) -> str:
    """Its version, as soon as it tells it."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            return server.version()
        except ServerSilentError as error:
            if process.poll() is not None or time.monotonic() > end:
                raise UsageError(f"{PROGRAM} on the PATH did not start: {_complaint(complaints)}") from error
            time.sleep(_PAUSE_SECONDS)


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _written(complaints: IO[str]) -> str:
    return last_part(complaints.fileno())


def _complaint(complaints: IO[str]) -> str:
    lines = _written(complaints).strip().splitlines()
    return lines[-1] if lines else "it said nothing"
