"""How a fault is undone, as data: the process that does it may be another than the one that made it.

Each kind may be done twice, and does nothing to a process that only has the number of the one that was meant.
"""

from __future__ import annotations

import resource
import shutil
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from harness.chaos import cgroups

if TYPE_CHECKING:  # as below
    from harness.load.keys import Keys

FOLDER_PREFIX = "cachegate-"
_PATIENCE_SECONDS = 2.0
_CREATED_SECONDS = 0.05
"""A process began at the same time if within this."""


class Undo(NamedTuple):
    """One thing to do; `kind` is a row of `_KINDS`."""

    kind: str
    what: dict[str, Any]


def go_on(pid: int) -> Undo:
    """Let a stopped process go on."""
    return Undo("continue", {"pid": pid, "created": psutil.Process(pid).create_time()})


def end(pid: int) -> Undo:
    """End a process, now."""
    return Undo("kill", {"pid": pid, "created": psutil.Process(pid).create_time()})


def limit(pid: int, which: int, soft: int, hard: int) -> Undo:
    """Give a process a limit that it had."""
    created = psutil.Process(pid).create_time()
    return Undo("limit", {"pid": pid, "created": created, "which": which, "soft": soft, "hard": hard})


def remove_proxy(url: str, name: str) -> Undo:
    """Take a proxy from a Toxiproxy server."""
    return Undo("proxy", {"url": url, "name": name})


def remove_group(path: str) -> Undo:
    """Take a control group away; its processes go on outside."""
    return Undo("group", {"path": path})


def remove_folder(path: str) -> Undo:
    """Take a temporary folder of ours away."""
    return Undo("folder", {"path": path})


def remove_keys(keys: Keys) -> Undo:
    """Take a run's keys from a server that is not its own."""
    return Undo("keys", keys._asdict())


def perform(undo: Undo) -> str | None:
    """Do it; what went wrong, if anything. What is gone needs nothing."""
    try:
        _KINDS[undo.kind](**undo.what)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return None
    except (OSError, psutil.Error) as error:
        return f"{undo.kind} {undo.what}: {error}" if undo.kind != "keys" else str(error)
    return None


def _same(pid: int, created: float) -> psutil.Process:
    process = psutil.Process(pid)
    if abs(process.create_time() - created) > _CREATED_SECONDS:
        raise psutil.NoSuchProcess(pid)
    return process


def _continue(pid: int, created: float) -> None:
    _same(pid, created).send_signal(signal.SIGCONT)


def _kill(pid: int, created: float) -> None:
    process = _same(pid, created)
    process.kill()  # a stopped one too


def _limit(pid: int, created: float, which: int, soft: int, hard: int) -> None:
    _same(pid, created)
    resource.prlimit(pid, which, (soft, hard))


def _proxy(url: str, name: str) -> None:
    request = urllib.request.Request(f"{url}/proxies/{name}", method="DELETE")  # noqa: S310  # a Toxiproxy's address
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS):  # noqa: S310  # as above
            pass
    except urllib.error.HTTPError as error:
        if error.code != 404:  # it is gone
            raise
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ConnectionRefusedError):  # the server is gone, and its proxies with it
            raise


def _folder(path: str) -> None:
    if Path(path).name.startswith(FOLDER_PREFIX):  # nobody's but ours
        shutil.rmtree(path, ignore_errors=True)


def _keys(**what: Any) -> None:
    from harness.load.keys import remove  # noqa: PLC0415  # few keepers have keys, and all begin sooner without it

    remove(**what)


_KINDS: dict[str, Callable[..., None]] = {
    "continue": _continue,
    "kill": _kill,
    "limit": _limit,
    "proxy": _proxy,
    "group": cgroups.remove,
    "folder": _folder,
    "keys": _keys,
}
