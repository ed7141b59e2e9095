"""How a fault is undone, as data: the process that does it may be another than the one that made it.

Each kind may be done twice, and does nothing to a process that only has the number of the one that was meant: it tells.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from harness.chaos import cgroups
from harness.chaos.processes import start_ticks

if TYPE_CHECKING:  # as below
    from harness.load.keys import Keys

FOLDER_PREFIX = "cachegate-"
_PATIENCE_SECONDS = 2.0
_LONGEST_LINE, _SHOWN = 1_024, 60
"""Bytes of an answer that are read, and told."""
_SECRETS = {"token"}
"""Fields that are not told."""


class Undo(NamedTuple):
    """One thing to do; `kind` is a row of `_KINDS`."""

    kind: str
    what: dict[str, Any]


def go_on(pid: int) -> Undo:
    """Let a stopped process go on. Raises ProcessLookupError if there is none, as the next two do."""
    return Undo("continue", {"pid": pid, "start_ticks": start_ticks(pid)})


def end(pid: int) -> Undo:
    """End a process, now."""
    return Undo("kill", {"pid": pid, "start_ticks": start_ticks(pid)})


def limit(pid: int, which: int, soft: int, hard: int) -> Undo:
    """Give a process a limit that it had."""
    return Undo("limit", {"pid": pid, "start_ticks": start_ticks(pid), "which": which, "soft": soft, "hard": hard})


def remove_proxy(url: str, name: str, token: str | None = None) -> Undo:
    """Take a proxy from a Toxiproxy server, which may have a secret."""
    return Undo("proxy", {"url": url, "name": name, "token": token})


def remove_group(path: str, homes: dict[str, str]) -> Undo:
    """Take a control group away; its processes go on where they were before, by pid in homes."""
    return Undo("group", {"path": path, "homes": homes})


def remove_folder(path: str) -> Undo:
    """Take a temporary folder of ours away."""
    return Undo("folder", {"path": path})


def remove_keys(keys: Keys) -> Undo:
    """Take a run's keys from a server that is not its own."""
    return Undo("keys", keys._asdict())


def perform(undo: Undo) -> str | None:
    """Do it; what went wrong, if anything. What is gone needs nothing."""
    try:
        problem = _KINDS[undo.kind](**undo.what)
    except ProcessLookupError:
        return None
    except OSError as error:
        problem = str(error)
    except Exception as error:  # told, and what else is broken is made whole all the same
        problem = f"{type(error).__name__}: {error}"
    if problem is None or undo.kind == "keys":  # which says itself what and where
        return problem
    told = {name: value for name, value in undo.what.items() if name not in _SECRETS}
    return f"{undo.kind} {told}: {problem}"


class _AnotherError(OSError):
    """The process that was meant is gone, and another has its number."""


def _check_same(pid: int, ticks: int) -> None:
    if start_ticks(pid) != ticks:
        raise _AnotherError(f"process {pid} is another one now, which is let alone; the one that was meant is gone")


def _continue(pid: int, start_ticks: int) -> None:
    _check_same(pid, start_ticks)
    os.kill(pid, signal.SIGCONT)


def _kill(pid: int, start_ticks: int) -> None:
    _check_same(pid, start_ticks)
    os.kill(pid, signal.SIGKILL)  # a stopped one too


def _limit(pid: int, start_ticks: int, which: int, soft: int, hard: int) -> None:
    _check_same(pid, start_ticks)
    resource.prlimit(pid, which, (soft, hard))


def _proxy(url: str, name: str, token: str | None) -> str | None:
    """Ask the server, whoever it is by now: the answer's first line is read, and nothing is waited for longer."""
    place, end = urlsplit(url), time.monotonic() + _PATIENCE_SECONDS
    secret = "" if token is None else f"Authorization: Bearer {token}\r\n"
    request = f"DELETE /proxies/{name} HTTP/1.1\r\nHost: {place.netloc}\r\n{secret}Connection: close\r\n\r\n"
    line = b""
    try:
        with socket.create_connection((place.hostname or "", place.port or 80), _PATIENCE_SECONDS) as server:
            server.sendall(request.encode())
            while b"\r\n" not in line and len(line) < _LONGEST_LINE:
                server.settimeout(max(0.001, end - time.monotonic()))
                received = server.recv(_LONGEST_LINE)
                if not received:
                    break
                line += received
    except ConnectionRefusedError:
        return None  # the server is gone, and its proxies with it
    if line.split(b" ", 2)[1:2] in ([b"204"], [b"404"]):
        return None
    answered = line.partition(b"\r\n")[0][:_SHOWN]
    return f"it answered {answered!r}"


def _folder(path: str) -> str | None:
    folder = Path(path)
    above = Path(tempfile.gettempdir())
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return None
    named = folder.name.startswith(FOLDER_PREFIX) and folder.parent.resolve() == above.resolve()
    if not named or not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        return f"it is no folder of ours directly below {above}, and is let alone"
    shutil.rmtree(folder, ignore_errors=True)
    return f"{folder} is still there" if folder.exists() else None


def _keys(**what: Any) -> str | None:
    from harness.load.keys import remove  # noqa: PLC0415  # few keepers have keys, and all begin sooner without it

    remove(**what)
    return None


_KINDS: dict[str, Callable[..., str | None]] = {
    "continue": _continue,
    "kill": _kill,
    "limit": _limit,
    "proxy": _proxy,
    "group": cgroups.remove,
    "folder": _folder,
    "keys": _keys,
}
