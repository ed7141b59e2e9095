"""Control groups: how the system itself holds a process to so much memory, as containers do. Versions 1 and 2."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/sys/fs/cgroup")
_BUSY_SECONDS, _BUSY_LOOK_SECONDS = 5.0, 0.02
"""For a group whose last process is dying."""


class Files(NamedTuple):
    """Where a version keeps what."""

    parent: Path
    limit: str
    usage: str
    refused: str


_VERSIONS = (
    Files(ROOT / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.failcnt"),
    Files(ROOT, "memory.max", "memory.current", "memory.events"),
)


def files() -> Files | None:
    """Those of this machine, if groups can be made here."""
    for each in _VERSIONS:
        if not os.access(each.parent, os.W_OK):
            continue
        if each.limit != "memory.max":
            if (each.parent / each.limit).exists():
                return each
            continue
        with suppress(OSError):
            if "memory" in (each.parent / "cgroup.subtree_control").read_text(encoding="ascii").split():
                return each
    return None


class Group:
    """One group below the machine's own. Raises OSError for what the system refuses."""

    def __init__(self, name: str) -> None:
        found = files()
        if found is None:
            raise OSError("this machine has no control group that can be written")
        self._files = found
        self.path = found.parent / name

    def make(self, limit_bytes: int) -> None:
        """Make it, empty, with so much memory."""
        self.path.mkdir()
        (self.path / self._files.limit).write_text(str(limit_bytes), encoding="ascii")

    def add(self, pid: int) -> None:
        """Put a process in: what it takes from now on counts."""
        (self.path / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def holds(self, pid: int) -> bool:
        """Whether the process is in it."""
        return str(pid) in (self.path / "cgroup.procs").read_text(encoding="ascii").split()

    def usage_bytes(self) -> int:
        """What its processes have taken."""
        return int((self.path / self._files.usage).read_text(encoding="ascii"))

    def refusals(self) -> int:
        """How often the limit was met."""
        words = (self.path / self._files.refused).read_text(encoding="ascii").split()
        return int(words[words.index("max") + 1] if "max" in words else words[0])


def home(pid: int) -> str:
    """The group that a process is in now, as a path. Raises OSError for a process that is gone."""
    found = files()
    if found is None:
        raise OSError("this machine has no control group that can be written")
    told = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    return str(place(found, told, mounts))


def place(found: Files, told: str, mounts: str) -> Path:
    """Where a group stands, of which /proc/PID/cgroup told from the hierarchy's root; a part of that may be mounted."""
    wanted = "" if found.parent == ROOT else found.parent.name
    rows = [row.split(":", 2) for row in told.splitlines()]
    inside = next((path for _, controllers, path in rows if wanted in controllers.split(",")), "/")
    roots = [row.split()[3] for row in mounts.splitlines() if row.split()[4] == str(found.parent)]
    root = roots[-1] if roots else "/"  # the last mount covers the others
    inside = inside.removeprefix(root) if f"{inside}/".startswith(f"{root.rstrip('/')}/") else inside
    return found.parent / inside.strip("/")


def remove(path: str, homes: dict[str, str]) -> str | None:
    """Take a group away. What is in it goes back to where it was, by its pid in homes; what it has started follows it.

    Where that is gone it goes to the group above ours, which is told. Raises OSError.
    """
    group = Path(path)
    if not group.is_dir():
        return None
    lost: list[str] = []
    end = time.monotonic() + _BUSY_SECONDS
    while True:
        for pid in (group / "cgroup.procs").read_text(encoding="ascii").split():
            before = homes.get(pid) or next(iter(homes.values()), str(group.parent))
            try:
                if not _enter(Path(before), pid):
                    _enter(group.parent, pid)
                    lost.append(f"process {pid} could not go back to {before}, and is in {group.parent}")
            except ProcessLookupError:
                continue  # it has ended
        try:
            group.rmdir()
        except FileNotFoundError:
            pass  # somebody else was quicker
        except OSError:  # the kernel is not done with one that was killed
            if time.monotonic() > end:
                raise
            time.sleep(_BUSY_LOOK_SECONDS)
            continue
        return "; ".join(lost) or None


def _enter(group: Path, pid: str) -> bool:
    """Put a process into a group; False if there is no such group, or none that takes it."""
    try:
        (group / "cgroup.procs").write_text(pid, encoding="ascii")
    except ProcessLookupError:
        raise
    except OSError:
        return False
    return True
