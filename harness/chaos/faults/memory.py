"""Memory in trouble: a limit on the running process, and ballast in it.

The limit is RLIMIT_DATA, set from outside (`prlimit`): what a process may map for data. One below what it has refuses
every further piece; what it holds already stays, and Python goes on in the holes of that.
"""

from __future__ import annotations

import resource

import psutil

from harness.chaos.faults.process import server_of
from harness.chaos.nemesis import Evidence
from harness.chaos.topology import Topology
from harness.chaos.undo import Undo, limit
from harness.chaos.witness import answers, call

_TRIED_BYTES = 64 * 1024 * 1024
"""That a process under a limit is asked to take, and must be refused: the proof that the limit acts."""


_PIECE_BYTES = 5_000_000
"""Of ballast, at once."""


class Limit:
    """So many bytes more than it has now, and no more."""

    name = "memory_limit"
    overlaps = False

    def __init__(self, topology: Topology, headroom_bytes: int) -> None:
        self._server = server_of(topology, "host")
        assert self._server.pid is not None  # the plan's needs were looked at
        self._pid, self._headroom = self._server.pid, headroom_bytes
        self.target = f"host, {abs(headroom_bytes) / 1e6:g} MB {'less' if headroom_bytes < 0 else 'more'} than it has"
        self._before = resource.prlimit(self._pid, resource.RLIMIT_DATA)
        self._limit = 0

    def undos(self) -> list[Undo]:
        """The limit that it had."""
        return [limit(self._pid, resource.RLIMIT_DATA, *self._before)]

    def begin(self) -> None:
        """Tighten it."""
        self._limit = _data_bytes(self._pid) + self._headroom
        resource.prlimit(self._pid, resource.RLIMIT_DATA, (self._limit, self._before[1]))

    def fired(self) -> Evidence:
        """The system says so, and the process is refused a large piece; or it has died of it."""
        died = self._server.died()
        if died is not None:
            return Evidence(True, f"during: {died}")
        soft = resource.prlimit(self._pid, resource.RLIMIT_DATA)[0]
        size = b"%d" % (_TRIED_BYTES + max(0, self._headroom))
        refused = call(self._server.url, b"DEBUG", b"BALLAST", size).startswith(b"-OOM")
        if not refused:
            call(self._server.url, b"DEBUG", b"RELEASE")
        told = (
            f"during: limit {self._limit / 1e6:.1f} MB, {_TRIED_BYTES / 1e6:.0f} MB {'refused' if refused else 'given'}"
        )
        return Evidence(soft == self._limit and refused, told)

    def end(self) -> None:
        """Its lease does it."""

    def ended(self) -> Evidence:
        """The limit is what it was, and it answers."""
        if self._server.died() is not None:
            return Evidence(True, "after: there is no process left to limit")
        now = resource.prlimit(self._pid, resource.RLIMIT_DATA)
        ping = answers(self._server.url)
        told = f"after: the limit is as it was, {_data_bytes(self._pid) / 1e6:.1f} MB mapped"
        return Evidence(now == self._before and ping is not None, told)


class Ballast:
    """The process holds so much more, in one piece or with holes."""

    name = "ballast"
    overlaps = False

    def __init__(self, topology: Topology, size_bytes: int, *, fragmented: bool) -> None:
        self._server = server_of(topology, "host")
        self._size, self._word = size_bytes, b"FRAGMENT" if fragmented else b"BALLAST"
        self.target = f"host, {size_bytes / 1e6:g} MB{' in fragments' if fragmented else ''}"
        self._before = self._resident()

    def undos(self) -> list[Undo]:
        """None: it ends with the process, which is ours."""
        return []

    def begin(self) -> None:
        """Take it."""
        left = self._size
        while left > 0:  # a loop that takes all at once is a stall, which is another fault
            call(self._server.url, b"DEBUG", self._word, b"%d" % min(left, _PIECE_BYTES))
            left -= _PIECE_BYTES

    def fired(self) -> Evidence:
        """The process has grown by at least a quarter of it: of fragments half is given back."""
        now = self._resident()
        told = f"during: {self._before / 1e6:.1f} MB resident before, {now / 1e6:.1f} MB with it"
        return Evidence(now - self._before >= self._size / 4, told)

    def end(self) -> None:
        """Let it go."""
        call(self._server.url, b"DEBUG", b"RELEASE")

    def ended(self) -> Evidence:
        """It answers; how much the system got back is told."""
        ping = answers(self._server.url)
        return Evidence(ping is not None, f"after: {self._resident() / 1e6:.1f} MB")

    def _resident(self) -> int:
        return self._server.memory_bytes() or 0


def _data_bytes(pid: int) -> int:
    """What RLIMIT_DATA counts (VmData)."""
    return int(psutil.Process(pid).memory_info().data)
