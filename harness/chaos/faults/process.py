"""A process in trouble: paused, or ended and started anew."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import psutil

from harness.chaos.faults.emptying import forgotten
from harness.chaos.nemesis import Evidence
from harness.chaos.topology import Topology
from harness.chaos.undo import Undo, go_on
from harness.chaos.witness import answers
from harness.load.hosts import Server

_END_SECONDS = 10.0


def server_of(topology: Topology, which: str) -> Server:
    """The host, or the second tier."""
    server = topology.host if which == "host" else topology.second
    assert server is not None  # the plan's needs were looked at
    return server


class Pause:
    """It is there and does nothing (SIGSTOP): its connections stay, and nobody answers."""

    name = "pause"
    overlaps = False

    def __init__(self, topology: Topology, which: str = "host") -> None:
        self.target = which
        self._server = server_of(topology, which)
        assert self._server.pid is not None  # the plan's needs were looked at
        self._pid = self._server.pid

    def undos(self) -> list[Undo]:
        """SIGCONT."""
        return [go_on(self._pid)]

    def begin(self) -> None:
        """Stop it."""
        os.kill(self._pid, signal.SIGSTOP)

    def fired(self) -> Evidence:
        """The system says that it is stopped, and it does not answer."""
        state = psutil.Process(self._pid).status()
        silent = answers(self._server.url) is None
        return Evidence(
            state == psutil.STATUS_STOPPED and silent, f"during: process {state}, {'silent' if silent else 'answers'}"
        )

    def end(self) -> None:
        """Its lease does it."""

    def ended(self) -> Evidence:
        """It answers."""
        ping = answers(self._server.url)
        return Evidence(ping is not None, "after: no answer" if ping is None else f"after: PING {1e3 * ping:.1f} ms")


class Restart:
    """It is ended, is away, and comes again with nothing in its memory."""

    name = "restart"
    overlaps = False

    def __init__(self, topology: Topology, which: str, how: str, rows: list[tuple[int, ...]]) -> None:
        self.target = f"{which}, SIG{how}"
        self._topology, self._which = topology, which
        self._signal = signal.Signals[f"SIG{how}"]
        self._server = server_of(topology, which)
        self._rows = rows
        self._began_ns = 0

    def undos(self) -> list[Undo]:
        """None: a server that is away harms nobody who has not started the run."""
        return []

    def begin(self) -> None:
        """End it, and wait until it has ended."""
        self._began_ns = time.monotonic_ns()
        process = self._server.process
        assert process is not None  # the plan's needs were looked at
        process.send_signal(self._signal)
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise OSError(f"it did not end within {_END_SECONDS:g} s of SIG{self._signal.name}") from error

    def fired(self) -> Evidence:
        """It has ended, and nobody answers at its place."""
        process = self._server.process
        assert process is not None  # as above
        code = process.poll()
        silent = answers(self._server.url) is None
        return Evidence(
            code is not None and silent, f"during: process {self._server.pid} ended with code {code}, nobody answers"
        )

    def end(self) -> None:
        """Start it anew. What the host held is gone, as far as anybody knows: an operation of the history."""
        self._topology.restart(self._which)
        if self._which == "host":
            self._rows.append(forgotten(self._began_ns, time.monotonic_ns()))

    def ended(self) -> Evidence:
        """Another process answers."""
        now = server_of(self._topology, self._which)
        ping = answers(now.url)
        return Evidence(ping is not None and now.pid != self._server.pid, f"after: process {now.pid} answers")
