"""One run of an experiment on one cache, from nothing to what users saw.

Chaos Toolkit calls functions of modules, so the run that goes on is kept here (`current`): its actions, probes and
controls find it, whether `cachegate chaos` runs the file or Chaos Toolkit's own command does.
"""

from __future__ import annotations

import itertools
import random
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from harness.chaos.lease import Leases
from harness.chaos.nemesis import Fault, Nemesis, Told
from harness.chaos.plan import Plan
from harness.chaos.proxy_server import found_server
from harness.chaos.topology import LEASE_SECONDS, Topology, missing, topology
from harness.chaos.undo import FOLDER_PREFIX, remove_folder
from harness.errors import HarnessError, UsageError
from harness.load import samples
from harness.load.connection import BrokenError, command, connect
from harness.load.driver import Driver
from harness.load.hosts import Server
from harness.load.keys import keys_of
from harness.load.plan import is_target, scenario
from harness.load.samples import MOST_WORKERS
from harness.measure.environment import Watch
from harness.measure.generate import draw
from harness.measure.workload import parse

Say = Callable[[str], None]

_MOST_SECONDS = 180.0
"""That an experiment may take: its load ends by itself then."""
_START_SECONDS = 60.0
"""In which users must be there."""
_LOOK_SECONDS = 0.05
_COUNT = re.compile("[0-9]{1,9}")
_SHARE_OF_KEYS = 4
"""One in so many fits into a cache that has a second tier, so that it needs it."""


class Outcome(NamedTuple):
    """All that was measured."""

    result: dict[str, Any]
    """What the driver left."""
    rows: samples.Column
    """Its history, and what the faults did to the cache."""
    told: list[Told]
    host: Server
    promises: dict[str, Any]
    capacity: int | None
    problem: str | None
    """What went wrong with the host."""
    entries: int | None
    """In it at the end."""
    fresh_bytes: int | None
    memory_bytes: int | None
    """Resident in the host before anybody used it, and at the end."""
    proxies: str
    proxies_guarded: bool
    """Whether the proxy server refuses whoever does not have its secret."""
    prefix: str
    deviated: bool
    """Whether the hypothesis did not hold after the method."""
    trouble: str | None
    """What happened to the second tier that nobody had asked for."""
    tier_used: bool | None
    """Whether the cache asked its second tier anything; None where that is not known."""
    other_cpu: float
    """Processors that others kept busy meanwhile, on average."""
    left: str | None = None
    """What could not be removed from a server of somebody else."""


class Run:
    """One experiment, one cache. `start`, break things, `finish`; `close` in any case."""

    def __init__(self, plan: Plan, text: str, seed: int, say: Say) -> None:
        self.plan, self.text, self.seed, self.say = plan, text, seed, say
        self.rng = random.Random(seed)
        self.error: Exception | None = None
        """Why it could not go on."""
        self.outcome: Outcome | None = None
        self.rows: list[tuple[int, ...]] = []
        """Operations of the faults themselves."""
        self._tags = itertools.count(1)
        self._stack = ExitStack()
        self._topology: Topology | None = None
        self._nemesis: Nemesis | None = None
        self._driver: Driver | None = None
        self._waiting: threading.Thread | None = None
        self._result: dict[str, Any] | None = None
        self._failed: Exception | None = None
        self._ended = threading.Event()
        """Set when the users have ended."""
        self._prefix = ""
        self._proxies_guarded = False
        self._watch: Watch | None = None
        self._began = 0.0

    @property
    def topology(self) -> Topology:
        """What stands. Only while it runs."""
        if self._topology is None:
            raise HarnessError("no experiment is running")
        return self._topology

    @property
    def nemesis(self) -> Nemesis:
        """What breaks it. Only while it runs."""
        if self._nemesis is None:
            raise HarnessError("no experiment is running")
        return self._nemesis

    def start(self) -> None:
        """Build everything up and wait until users are served, for as long as the plan says.

        Raises UsageError, NothingMeasuredError and HarnessError.
        """
        plan, stack = self.plan, self._stack
        self._watch, self._began = Watch(), time.monotonic()
        self.say("starting the cache, the proxies and the users")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX)))
        leases = stack.enter_context(Leases())
        leases.take(remove_folder(str(folder)), LEASE_SECONDS)
        self._nemesis = Nemesis(leases)
        server = stack.enter_context(found_server(self.seed))
        self._proxies_guarded = server.guarded
        keys = None
        if is_target(self.text):
            # Drawn from chance, not from the seed: two runs with one seed may meet on one server.
            self._prefix = f"cachegate:{secrets.token_hex(4)}:"
            keys = keys_of(plan.load.workload, self.text, self._prefix)
        made = stack.enter_context(topology(self.text, self._capacity(), server, leases, keys))
        self._topology = made
        load = scenario(plan.load.scenario)
        self._driver = stack.enter_context(
            Driver(
                load,
                [made.client.url],
                users=plan.load.users,
                seconds=_MOST_SECONDS,
                rate=plan.load.rate,
                workload=plan.load.workload,
                seed=self.seed,
                processes=1,
                one_in=1,
                prefix=self._prefix,
                folder=folder,
            )
        )
        self._waiting = threading.Thread(target=self._drive, daemon=True)
        self._waiting.start()
        self._await_users(made.host)
        self.say("steady load, before anything is broken")
        time.sleep(plan.steady_seconds)

    def _await_users(self, host: Server) -> None:
        """Until all are connected, which they are when what the workload finds there is there."""
        others = _clients(host) - 1
        end = time.monotonic() + _START_SECONDS
        while _clients(host) - others <= self.plan.load.users:
            if self._ended.wait(_LOOK_SECONDS):
                raise self._failed or HarnessError("the users ended before anything was broken")
            if time.monotonic() > end:
                kind = HarnessError if host.process is not None else UsageError
                raise kind(
                    f"{self.plan.load.users} users were not there within {_START_SECONDS:g} s, as {host.text} counts"
                )

    def next_tag(self) -> int:
        """The tag of the next write of a fault, of no other write anywhere."""
        return next(self._tags) * MOST_WORKERS + MOST_WORKERS - 1

    def inflict(self, fault: Fault, seconds: float) -> str:
        """Break something for so long; what was seen."""
        self.say(f"{fault.name}: {fault.target}, for {seconds:g} s")
        return self.nemesis.inflict(fault, seconds).evidence

    def finish(self, *, deviated: bool) -> Outcome:
        """Wait until all is quiet, end the load, and take everything down."""
        assert self._driver is not None  # it was started
        assert self._waiting is not None  # as above
        self.say("steady load, after everything is whole again")
        problems = self.nemesis.stop()
        time.sleep(self.plan.settle_seconds)
        self._driver.stop()
        self.say("the users end")
        self._waiting.join(_START_SECONDS)
        if self._failed is not None:
            raise self._failed
        if self._result is None:
            raise HarnessError("the users did not end")
        left = self.topology.keys.end() if self.topology.keys is not None else None
        other_cpu = self._others()
        host, second = self.topology.host, self.topology.second
        trouble = None if second is None else second.died()
        used = None if second is None or trouble else _used(second)
        problem = host.died() or ("; ".join(problems) or None)
        entries = None
        if problem is None:
            try:
                entries = _entries(host)
            except BrokenError as error:
                problem = f"it answers no more: {error}"
        memory_bytes = host.memory_bytes()
        if problem is None:
            problem = host.end()
        try:
            rows = [samples.load(Path(worker["history"])) for worker in self._result["workers"] if worker["history"]]
        except ValueError as error:
            raise HarnessError(f"the users left a broken history: {error}") from error
        if not rows:
            raise HarnessError("the users left no history")
        if self.rows:
            rows.append(np.array(self.rows, dtype=np.int64))
        self.outcome = Outcome(
            result=self._result,
            rows=np.concatenate(rows),
            told=list(self.nemesis.told),
            host=host,
            promises=host.promises,
            capacity=host.capacity,
            problem=problem,
            entries=entries,
            fresh_bytes=self.topology.fresh_bytes,
            memory_bytes=memory_bytes,
            proxies=self.topology.proxies,
            proxies_guarded=self._proxies_guarded,
            prefix=self._prefix,
            deviated=deviated,
            trouble=trouble,
            tier_used=used,
            other_cpu=other_cpu,
            left=left,
        )
        return self.outcome

    def _others(self) -> float:
        """Processors that others kept busy: not we, nor the children that have ended, nor those that live."""
        assert self._watch is not None  # it was started
        ours = 0.0
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                times = child.cpu_times()
                ours += times.user + times.system
        return max(0.0, self._watch.result(pinned=False).other_cpu - ours / (time.monotonic() - self._began))

    def close(self) -> None:
        """Nothing is left: no process, no proxy, no limit."""
        self._stack.close()
        self._topology = self._nemesis = self._driver = None

    def _capacity(self) -> int:
        if self.plan.load.capacity is not None:
            return self.plan.load.capacity
        requests = draw(parse(self.plan.load.workload), 1)
        return requests.capacity if "second_tier" in missing(self.text) else requests.capacity // _SHARE_OF_KEYS

    def _drive(self) -> None:
        """Listen to the users, in a thread of its own."""
        assert self._driver is not None  # it was started

        try:
            self._result = self._driver.wait(lambda _row: None, lambda: None)
        except Exception as error:  # raised again by whoever waits for it
            self._failed = error
        finally:
            self._ended.set()


_current: Run | None = None


def prepare(run: Run | None) -> None:
    """From now on this is the run that goes on, or none."""
    global _current  # noqa: PLW0603  # Chaos Toolkit calls functions of modules, and hands them nothing of ours
    _current = run


def current() -> Run:
    """The run that goes on. Raises UsageError if there is none."""
    if _current is None:
        raise UsageError("no experiment is running; add the control harness.chaos.control to the file")
    return _current


def prepared() -> Run | None:
    """The run that was prepared, if any."""
    return _current


def _used(second: Server) -> bool | None:
    """Whether anything was asked of a second tier of ours."""
    try:
        found = second.info()
    except BrokenError:
        return None
    return any(int(found.get(f"cachegate_{name}_ok", "0")) for name in ("get", "set", "delete"))


def _clients(host: Server) -> int:
    """That are connected. Raises UsageError for a server of somebody else that does not tell, and HarnessError."""
    kind = HarnessError if host.process is not None else UsageError
    try:
        told = host.info().get("connected_clients", "")
    except BrokenError as error:
        raise kind(f"{host.text} answers no more: {error}") from error
    if not _COUNT.fullmatch(told):
        raise kind(f"{host.text} does not tell how many clients it has (INFO, connected_clients)")
    return int(told)


def _entries(host: Server) -> int | None:
    connection = connect(host.url)
    try:
        answer = connection.call(command(b"DBSIZE"))
    finally:
        connection.close()
    return answer if type(answer) is int else None
