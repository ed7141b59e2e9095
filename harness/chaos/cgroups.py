"""Control groups: how the system itself holds a process to so much memory, as containers do. Versions 1 and 2."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/sys/fs/cgroup")


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


def remove(path: str) -> None:
    """Take a group away; what is in it goes back to the group above. Raises OSError."""
    group = Path(path)
    if not group.is_dir():
        return
    for pid in (group / "cgroup.procs").read_text(encoding="ascii").split():
        with suppress(ProcessLookupError):
            (group.parent / "cgroup.procs").write_text(pid, encoding="ascii")
    group.rmdir()
