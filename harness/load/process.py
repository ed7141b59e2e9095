"""What a locust process does beside its users: it measures, hands on and, as the master, adds up."""

from __future__ import annotations

import gc
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.runners import MasterRunner, WorkerRunner
from pydantic import ValidationError

from harness.errors import CachegateError, UsageError
from harness.load.client import Client
from harness.load.conduct import Conductor
from harness.load.connection import BrokenError
from harness.load.drive import Drive, Orders
from harness.load.lifeline import boot
from harness.load.locust_stats import CONNECT, tell_locust
from harness.load.plan import Scenario
from harness.load.result import is_told
from harness.load.samples import COLUMNS, MOST_WORKERS, Batch
from harness.load.settings import Settings, public
from harness.load.totals import Totals
from harness.load.trust import MASTER, WORKER, ImpostorError, Trust

_log = logging.getLogger("cachegate")
KEY = "cachegate"
"""Under which a process is found in locust's environment, and its reports in those of a worker."""
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


class Process:
    """One of a run, with what environment says it is: all of it, a worker, or the master."""

    def __init__(self, environment: Any, scenario: Scenario, settings: Settings) -> None:
        self._scenario = scenario
        self._settings = settings
        self._trust = Trust(settings.secret)
        self._orders: Orders | None = None
        """Of this run, with URLs that hold no password."""
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
        self._orders = None
        self._said = False
        self.ready.clear()
        self.drive = self._conductor = None
        try:
            if self.is_worker:
                orders = self._from_master(options)
            else:
                self.totals, self._finished = Totals(), set()
                self._filled = self._spawned = self._leaving = False
                options.cachegate_orders = self._trust.sealed(MASTER, {})  # none, if they cannot be given
                orders = self._give(options)
                options.cachegate_orders = self._trust.sealed(MASTER, {"orders": orders.model_dump(mode="json")})
                self._greenlets.append(gevent.spawn(self._tell))
            self._orders = orders
            if self.is_master:
                self._await_listeners()
                return
            worker = self._runner.worker_index if self.is_worker else 0
            self.drive = self._drive(orders, worker)
        except ImpostorError as error:
            _log.error("%s", error)
            os._exit(4)  # whoever gave these orders would go on giving some
        except CachegateError as error:
            _log.error("%s", self._settings.hide(str(error)))
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
                self._send(FILLED)
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

    def _give(self, options: Any) -> Orders:
        """What every process is to do. Raises UsageError for what a web form cannot have."""
        named, settings = self._scenario, self._settings.chosen(options, self._environment.host)
        return Orders(
            scenario=named.name,
            workload=settings.workload or named.workload,
            targets=tuple(map(public, settings.hosts)),
            users=self._runner.target_user_count or options.num_users or named.users,
            rate=named.rate if settings.rate is None else settings.rate,
            run_seconds=settings.seconds or options.run_time or None,
            seed=settings.seed,
            prefix=settings.prefix,
            one_in=settings.one_in,
            turn_seconds=settings.turn_seconds,
        )

    def _drive(self, orders: Orders, worker: int) -> Drive:
        """Of this process, which knows passwords that no other has told it. Raises UsageError."""
        targets = tuple(map(self._settings.full, orders.targets))
        drive = Drive(self._scenario, orders.model_copy(update={"targets": targets}), worker)
        drive.targets = [each.model_copy(update={"text": public(each.text)}) for each in drive.targets]
        return drive

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
        self._send(READY)
        self._begin_all()

    def _begin_all(self) -> None:
        if self._filled and self._spawned:
            self._expected = self._runner.worker_count
            self._send(BEGIN)

    def conduct(self) -> None:
        """Begin the first phase."""
        if self._conductor is not None:
            self._conductor.begin()

    def _done(self) -> None:
        """All phases of this process have ended."""
        if self.is_worker:
            self._send(DONE)
        elif self._settings.seconds:  # else locust's own --run-time ends it, or its user does
            self._leave_soon()

    def heard_done(self, client_id: str) -> None:
        """A worker's phases have ended; when all have, the run is over."""
        self._finished.add(client_id)
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        """Asked again each second: a worker that died is missed only after a while."""
        over = self._settings.seconds and self._finished and len(self._finished) >= self._runner.worker_count
        if over and not self._leaving:
            self._leaving = True
            self._leave_soon()

    def _leave_soon(self) -> None:
        gevent.spawn_later(_AFTER_SECONDS, self._end_run)

    def _end_run(self) -> None:
        """Quit when every process has told how it ended: locust's own quitting gives them half a second."""
        if self.is_master:
            self._send(END)
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

    # What processes tell each other

    def _send(self, kind: str) -> None:
        self._runner.send_message(kind, self._trust.sealed(MASTER if self.is_master else WORKER, {}))

    def heard(self, message: Any, then: Callable[[], None]) -> None:
        """A message of ours came. Do what it asks, if it is of a process of this run."""
        if self.is_master:
            ours = self._is_worker_of_ours(message.node_id, message.data)
        else:
            ours = self._trust.holds(MASTER, message.data)
        if ours:
            then()
        else:
            self._trust.drop(message.type)

    def _is_worker_of_ours(self, client_id: str, told: object) -> bool:
        """A worker that stops is taken off locust's list before its last words come: it was on it once."""
        known = client_id in self._runner.clients or client_id in self._listening
        return known and self._trust.holds(WORKER, told)

    def _from_master(self, options: Any) -> Orders:
        """What the master told this worker. Raises UsageError; ImpostorError if somebody else told it."""
        told = getattr(options, "cachegate_orders", None)
        if not self._trust.holds(MASTER, told):
            raise ImpostorError("the master's port was taken by somebody who is not of this run; start it again")
        number = self._runner.worker_index
        try:
            orders = Orders.model_validate(told["orders"] if isinstance(told, dict) and "orders" in told else None)
        except ValidationError as error:
            raise UsageError("the master gave no orders; its own log says why") from error
        if type(number) is not int or not 0 <= number < MOST_WORKERS:
            raise UsageError("the master gave this worker no number")
        if orders.workload != self._scenario.workload and not self._settings.reads(orders.workload):
            raise UsageError("the master named a file for --workload; name the same when this worker starts")
        return orders

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
        if not self._settings.result:
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
            "boot": boot(),
            "users": drive.joined,
            "lost_connections": drive.lost_connections,
            "phases": self._conductor.log,
            "history": None,
        }
        if self._settings.folder and drive.orders.one_in:  # never where a master says
            path = Path(self._settings.folder) / f"users-{drive.worker}.npz"
            drive.samples.save(path)
            said["history"] = str(path)
        if self.is_worker:
            self._waiting.append({"ended": drive.worker, "said": said})
        else:
            self.totals.ended(drive.worker, said)

    def report(self) -> dict[str, Any]:
        """For the master."""
        waiting, self._waiting = self._waiting, []
        return self._trust.sealed(WORKER, {"reports": waiting})

    def absorb(self, client_id: str, told: Any) -> None:
        """What a worker's `report` gave; None from one that does not listen yet. Anybody may send some."""
        if told is None:
            return
        if not self._is_worker_of_ours(client_id, told):
            self._trust.drop("a report")
            return
        self._listening.add(client_id)
        reports: Any = told.get("reports") if isinstance(told, dict) else told
        for report in reports if isinstance(reports, list) else [reports]:
            if not is_told(report):
                _log.error("worker %s sent what is no report: it is left out", client_id)
            elif "ended" in report:
                self.totals.ended(report["ended"], report["said"])
            else:
                self.totals.add(report)

    def write(self) -> None:
        """The result, for whoever started this."""
        if self._settings.result and not self.is_worker:
            orders = None if self._orders is None else self._orders.model_dump(mode="json")
            text = json.dumps({"orders": orders} | self.totals.result())
            Path(self._settings.result).write_text(text, encoding="utf-8")
