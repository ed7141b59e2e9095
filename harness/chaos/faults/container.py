"""The host in a container: the system gives it so much more memory, and kills it for another page."""

from __future__ import annotations

import secrets

from harness.chaos.cgroups import Group, home
from harness.chaos.nemesis import Evidence
from harness.chaos.topology import Topology
from harness.chaos.undo import Undo, remove_group
from harness.chaos.witness import answers

_LEAST_BYTES = 16 * 1024 * 1024
"""Of a container: less would not hold what a process needs to answer."""


class Container:
    """A control group with a limit: so much in all, of which the process has some already."""

    name = "container"
    overlaps = False

    def __init__(self, topology: Topology, limit_bytes: int, value_bytes: int) -> None:
        server = topology.host
        assert server.pid is not None  # the plan's needs were looked at
        self._server, self._pid = server, server.pid
        has = (server.memory_bytes() or 0) - (topology.fresh_bytes or 0)
        self._limit = max(_LEAST_BYTES, limit_bytes - has)
        self._value_bytes = value_bytes
        self.target = f"host, {limit_bytes / 1e6:.0f} MB more than it began with"
        self._group = Group(f"cachegate-{secrets.token_hex(4)}")
        self._sets = 0

    def undos(self) -> list[Undo]:
        """The group goes, and the process back where it was."""
        return [remove_group(str(self._group.path), {str(self._pid): home(self._pid)})]

    def begin(self) -> None:
        """Put it in."""
        self._sets = self._written()
        self._group.make(self._limit)
        self._group.add(self._pid)

    def fired(self) -> Evidence:
        """It is in the group, and has been given more than would fit; or it was killed."""
        died, refusals = self._server.died(), self._group.refusals()
        if died is not None:
            return Evidence(True, f"during: the limit was met {refusals:,} times; {died}")
        given = (self._written() - self._sets) * self._value_bytes
        told = (
            f"during: {given / 1e6:.0f} MB written, {self._group.usage_bytes() / 1e6:.0f} MB of the "
            f"{self._limit / 1e6:.0f} that were left taken, the limit met {refusals:,} times"
        )
        return Evidence(self._group.holds(self._pid) and given >= self._limit, told)

    def end(self) -> None:
        """Its lease does it."""

    def ended(self) -> Evidence:
        """There is no such group, and it answers."""
        if self._server.died() is not None:
            return Evidence(not self._group.path.exists(), "after: there is no process left to limit")
        ping = answers(self._server.url)
        return Evidence(ping is not None and not self._group.path.exists(), "after: it is free, and answers")

    def _written(self) -> int:
        return int(self._server.info().get("cachegate_set_ok", "0"))
