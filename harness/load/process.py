"""What a locust process does beside its users: it measures, hands on and, as the master, adds up."""

from __future__ import annotations

import gc
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from gevent.monkey import get_original
from locust.runners import MasterRunner, WorkerRunner

from harness.errors import CachegateError
from harness.load.client import Client
from harness.load.conduct import Conductor
from harness.load.connection import BrokenError
from harness.load.drive import Drive, Orders
from harness.load.locust_stats import CONNECT, tell_locust
from harness.load.plan import Scenario
from harness.load.samples import COLUMNS, Batch
from harness.load.totals import Totals

_log = logging.getLogger("cachegate")
KEY = "cachegate"
"""Under which a process is found in locust's environment, and its reports in those of a worker."""
DEFAULT_HOST = "resp://127.0.0.1:6380"
FILLED, READY, BEGIN = "cachegate_filled", "cachegate_ready", "cachegate_begin"
"""From the worker that fills; to all workers; to all when their users are there."""
DONE, END = "cachegate_done", "cachegate_end"
"""From each worker when its phases are over; to all when those of all are."""
_LISTEN_SECONDS = 10.0
"""Within which workers that are there listen to what the master tells, or are not ours."""
_LAST_WORDS_SECONDS = 15.0
_AFTER_SECONDS = 0.3
"""Of load after the last phase, so that its end is not measured."""
REPORT_SECONDS = 1.0
_LOOK_SECONDS = 0.1
_MANY_ROWS = 10_000
"""Operations that are counted at once: while a process counts, its users wait. Fewer once a second."""


def end_with(lifeline: int) -> None:
    """Whoever started the run may be killed: then nobody wants its result, and this process ends.

    lifeline is the end of a pipe whose other end is theirs. A thread of its own waits for it, whatever gevent does; a
    pid would not do, since they may be gone before it is looked at first.
    """

    def wait() -> None:
        os.read(lifeline, 1)  # nobody writes: this is its end
        os._exit(1)  # nobody is left to be told

    get_original("_thread", "start_new_thread")(wait, ())


class Process:
    """One of a run, with what environment says it is: all of it, a worker, or the master."""

    def __init__(self, environment: Any, scenario: Scenario) -> None:
        self._scenario = scenario
        self._environment = environment
        self._runner = environment.runner
        self.is_worker = isinstance(self._runner, WorkerRunner)
        self.is_master = isinstance(self._runner, MasterRunner)
        self.totals = Totals()
        self.drive: Drive | None = None
        self._conductor: Conductor | None = None
        self.ready = Event()
        """Set when what the workload finds there is there: users wait for it."""
        self._filled = self._spawned = self._leaving = False
        self._waiting: list[dict[str, Any]] = []
        """Digests that the master has not been told."""
        self._greenlets: list[Any] = []
        self._listening: set[str] = set()
        """Workers that have sent a report, so that they hear what a test's start is to do."""
        self._said = False
        self._finished: set[str] = set()
        """Workers whose phases have ended."""
        self._expected = 0
        """Workers that began."""

    # The run begins

    def begin(self) -> None:
        """A test starts. The master gives the orders, whoever has users follows them."""
        options = self._environment.parsed_options
        if not self.is_worker:
            self.totals, self._finished = Totals(), set()
            self._filled = self._spawned = self._leaving = False
            options.cachegate_orders = self._orders(options).model_dump_json()
            self._greenlets.append(gevent.spawn(self._tell))
        if self.is_master:
            self._await_listeners()
            return
        orders = Orders.model_validate_json(options.cachegate_orders)
        worker = self._runner.worker_index if self.is_worker else 0
        self._said = False
        self.ready.clear()
        self.drive = self._conductor = None
        try:
            self.drive = Drive(self._scenario, orders, worker)
        except CachegateError as error:
            _log.error("%s", error)
            gevent.spawn(self._runner.stop)
            return
        self._conductor = Conductor(self.drive, self.flush, self._done)
        self._greenlets.append(gevent.spawn(self.drive.watch))
        if worker == 0:
            try:
                self.drive.fill()
            except BrokenError as error:
                self.drive.samples.failed(0, CONNECT, "not connected", str(error))
            if self.is_worker:
                self._runner.send_message(FILLED, {})
        if not self.is_worker:
            self.ready.set()
        gc.collect()
        gc.freeze()  # what is there stays, and need not be looked at again while users wait
        self._greenlets.append(gevent.spawn(self._flush_for_ever))

    def _await_listeners(self) -> None:
        """Locust connects a worker before it calls its hooks: a test that began between would find no `Drive` there."""
        end = time.monotonic() + _LISTEN_SECONDS
        while time.monotonic() < end and any(each.id not in self._listening for each in self._runner.clients.ready):
            gevent.sleep(_LOOK_SECONDS)

    def _orders(self, options: Any) -> Orders:
        named = self._scenario
        users = self._runner.target_user_count or options.num_users or named.users
        host = self._environment.host or DEFAULT_HOST
        return Orders(
            scenario=named.name,
            workload=options.workload or named.workload,
            targets=tuple(host.split(",")),
            users=users,
            rate=named.rate if options.rate is None else options.rate,
            run_seconds=options.cachegate_seconds or options.run_time or None,
            seed=options.seed,
            prefix=options.key_prefix,
            one_in=options.history_one_in,
            folder=options.history_folder,
            turn_seconds=options.turn_seconds,
        )

    def spawned(self) -> None:
        """All users are there. Of several processes the master gives the sign, so that their phases are the same."""
        self._spawned = True
        if self.is_master:
            self._begin_all()
        elif not self.is_worker:
            self.conduct()

    def heard_filled(self) -> None:
        """The worker that fills has done so: the users of all may begin."""
        self._filled = True
        self._runner.send_message(READY, {})
        self._begin_all()

    def _begin_all(self) -> None:
        if self._filled and self._spawned:
            self._expected = self._runner.worker_count
            self._runner.send_message(BEGIN, {})

    def conduct(self) -> None:
        """Begin the first phase."""
        if self._conductor is not None:
            self._conductor.begin()

    def _done(self) -> None:
        """All phases of this process have ended."""
        if not self._environment.parsed_options.cachegate_seconds:
            return  # locust's own --run-time ends it, or its user does
        if self.is_worker:
            self._runner.send_message(DONE, {})
        else:
            self._leave_soon()

    def heard_done(self, client_id: str) -> None:
        """A worker's phases have ended; when all have, the run is over."""
        self._finished.add(client_id)
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        """Asked again each second: a worker that died is missed only after a while."""
        if self._finished and not self._leaving and len(self._finished) >= self._runner.worker_count:
            self._leaving = True
            self._leave_soon()

    def _leave_soon(self) -> None:
        gevent.spawn_later(_AFTER_SECONDS, self._end_run)

    def _end_run(self) -> None:
        """Quit when every process has told how it ended: locust's own quitting gives them half a second."""
        if self.is_master:
            self._runner.send_message(END, {})
            end = time.monotonic() + _LAST_WORDS_SECONDS
            while len(self.totals.workers) < self._telling() and time.monotonic() < end:
                gevent.sleep(_LOOK_SECONDS)
        else:
            self.finish()
        self._runner.quit()

    def _telling(self) -> int:
        """Workers that can tell how they ended: of those that began, not the dead."""
        present: int = self._runner.worker_count
        return min(self._expected, max(len(self._finished), present))

    def finish(self) -> None:
        """Ask nothing more, let what is under way end, and say how it was."""
        drive = self.drive
        if drive is None:
            return
        drive.over = True
        drive.pacer.end()
        end = time.monotonic() + _LAST_WORDS_SECONDS / 2
        while drive.busy and time.monotonic() < end:
            gevent.sleep(_LOOK_SECONDS)
        self.end()

    def end_with_parent(self) -> None:
        """As `end_with`, of a worker whose master was killed."""
        parent = os.getppid()

        def look() -> None:
            while os.getppid() == parent:
                gevent.sleep(REPORT_SECONDS)
            os._exit(1)  # nobody is left to be told

        gevent.spawn(look)

    # While it goes on

    def flush(self) -> Batch:
        """Hand on what is there."""
        drive = self.drive
        assert drive is not None
        batch = drive.samples.take()
        tell_locust(self._environment, drive.orders.workload, batch, drive.samples.unreported)
        digest = drive.samples.digest(batch)
        if self.is_worker:
            self._waiting.append(digest)
        else:
            self.totals.add(digest)
        return batch

    def _flush_for_ever(self) -> None:
        assert self.drive is not None
        samples, looks = self.drive.samples, 0
        while True:
            gevent.sleep(_LOOK_SECONDS)
            looks += 1
            if len(samples.rows) >= _MANY_ROWS * len(COLUMNS) or looks * _LOOK_SECONDS >= REPORT_SECONDS:
                self.flush()
                looks = 0

    def leave(self, client: Client) -> None:
        """A user goes."""
        client.close()
        if self.drive is not None and client in self.drive.clients:
            self.drive.clients.remove(client)

    def _tell(self) -> None:
        """Once a second, for whoever started this: a line of JSON on standard output."""
        if not self._environment.parsed_options.cachegate_result:
            return
        began = time.monotonic()
        while True:
            gevent.sleep(REPORT_SECONDS)
            self._leave_if_done()
            latest = self.totals.latest()
            if latest is not None:
                latest |= {"users": self._runner.user_count, "elapsed": time.monotonic() - began}
                print(json.dumps({"progress": latest}), flush=True)

    # The run ends

    def stopping(self) -> None:
        """Users are about to be stopped: nobody waits for a slot any more."""
        if self.drive is not None:
            self.drive.pacer.end()

    def end(self) -> None:
        """The test stops: measure no more, say what this process was."""
        for greenlet in self._greenlets:
            greenlet.kill(block=False)
        self._greenlets.clear()
        drive = self.drive
        if drive is None or self._said:
            return
        self._said = True
        assert self._conductor is not None
        self._conductor.end()
        drive.pacer.end()
        self.flush()
        said: dict[str, Any] = {
            "pid": os.getpid(),
            "boot": _boot(),
            "users": drive.joined,
            "lost_connections": drive.lost_connections,
            "phases": self._conductor.log,
            "history": None,
        }
        if drive.orders.folder and drive.orders.one_in:
            path = Path(drive.orders.folder) / f"users-{drive.worker}.npz"
            drive.samples.save(path)
            said["history"] = str(path)
        if self.is_worker:
            self._waiting.append({"ended": drive.worker, "said": said})
        else:
            self.totals.ended(drive.worker, said)

    def report(self) -> list[dict[str, Any]]:
        """For the master."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def absorb(self, client_id: str, reports: list[dict[str, Any]] | None) -> None:
        """A worker's; None from one that does not listen yet."""
        if reports is None:
            return
        self._listening.add(client_id)
        for report in reports:
            if "ended" in report:
                self.totals.ended(report["ended"], report["said"])
            else:
                self.totals.add(report)

    def write(self) -> None:
        """The result, for whoever started this."""
        path = self._environment.parsed_options.cachegate_result
        if path and not self.is_worker:
            orders = json.loads(self._environment.parsed_options.cachegate_orders or "null")
            Path(path).write_text(json.dumps({"orders": orders} | self.totals.result()), encoding="utf-8")


def _boot() -> str:
    """Which machine this is, as long as it runs: clocks of two cannot be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return os.uname().nodename
