"""The users, for locust: `class MyUser(CacheUser): scenario = "stress"` is a whole locustfile.

Locust spawns them, distributes them over processes and machines, and shows and stores what they do; its web UI,
CSV, JSON and exit codes work as ever, in fractions of a millisecond. Beside that each process measures for itself, and
the master merges what they measured, exactly: with `--cachegate-result FILE` it is written at the end.

Importing this patches the interpreter, as locust does.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import gevent
import locust.stats
from locust import User, events, task
from locust.runners import LocalRunner, MasterRunner, WorkerRunner
from locust.user.task import LOCUST_STATE_RUNNING

from harness.errors import CachegateError
from harness.load.conduct import Conductor
from harness.load.connection import BrokenError, Connection
from harness.load.drive import Client, Drive, Orders
from harness.load.locust_stats import CONNECT, hears_requests, milliseconds, percentile_fields, tell_locust
from harness.load.plan import Scenario, scenario, target
from harness.load.samples import COLUMNS, Batch
from harness.load.totals import Totals

_log = logging.getLogger("cachegate")
_SLICE = 32
"""Requests between two looks at whether locust wants the user to stop."""
_REPORT_SECONDS = 1.0
_LOOK_SECONDS = 0.1
_MANY_ROWS = 10_000
"""Operations that are counted at once: while a process counts, its users wait. Fewer once a second."""
_RECONNECT_SECONDS = 0.5
_USERS_A_WORKER = 1_000_000
_KEY = "cachegate"
_DONE = "cachegate_done"
_AFTER_SECONDS = 0.3
"""Of load after the last phase, so that its end is not measured."""
_DEFAULT_HOST = "resp://127.0.0.1:6380"

locust.stats.bucket_response_time = milliseconds  # type: ignore[assignment]  # fractions of them; the hook that locust documents for other buckets
locust.stats.StatsCSV._percentile_fields = percentile_fields  # type: ignore[assignment]  # noqa: SLF001  # locust's cuts them to whole ones
locust.runners.WORKER_REPORT_INTERVAL = _REPORT_SECONDS


class CacheUser(User):
    """A client of a cache: the scenario's requests at the scenario's pace."""

    abstract = True
    scenario: ClassVar[str]
    """The name of a file in `scenarios/load`."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._session = _session(environment)
        self._client: Client | None = None

    def on_start(self) -> None:
        """Connect, however long it takes."""
        drive = self._session.drive
        assert drive is not None
        self._client = Client(drive, drive.worker * _USERS_A_WORKER + len(drive.clients))
        drive.clients.append(self._client)
        if drive.phase == 0 and drive.scenario.open:
            drive.set_rate(drive.orders.rate)
        while self._state == LOCUST_STATE_RUNNING:
            try:
                self._client.connect()
                return
            except BrokenError as error:
                drive.samples.failed(CONNECT, "not connected", str(error))
                gevent.sleep(_RECONNECT_SECONDS)

    def on_stop(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._session.leave(self._client)

    @task
    def requests(self) -> None:
        """Some requests."""
        assert self._client is not None
        self._client.work(_SLICE, self._goes_on)

    def _goes_on(self) -> bool:
        return bool(self._state == LOCUST_STATE_RUNNING)


class _Session:
    """What this process does beside its users: it measures, hands on and, as the master, adds up."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._runner = environment.runner
        self.is_worker = isinstance(self._runner, WorkerRunner)
        self.is_master = isinstance(self._runner, MasterRunner)
        self.totals = Totals()
        self.drive: Drive | None = None
        self._conductor: Conductor | None = None
        self._waiting: list[dict[str, Any]] = []
        """Digests that the master has not been told."""
        self._greenlets: list[Any] = []
        self._said = False
        self._finished: set[str] = set()
        """Workers whose phases have ended."""

    # The run begins

    def begin(self) -> None:
        """A test starts. The master gives the orders, whoever has users follows them."""
        options = self._environment.parsed_options
        if not self.is_worker:
            self.totals, self._finished = Totals(), set()
            options.cachegate_orders = self._orders(options).model_dump_json()
            self._greenlets.append(gevent.spawn(self._tell))
        if self.is_master:
            return
        orders = Orders.model_validate_json(options.cachegate_orders)
        worker = self._runner.worker_index if self.is_worker else 0
        self._said = False
        self.drive = Drive(_scenario_of(self._environment), orders, worker)
        self._conductor = Conductor(self.drive, self.flush, self._done)
        self._greenlets.append(gevent.spawn(self.drive.watch))
        if worker == 0:
            try:
                self.drive.fill()
            except BrokenError as error:
                self.drive.samples.failed(CONNECT, "not connected", str(error))
        gc.collect()
        gc.freeze()  # what is there stays, and need not be looked at again while users wait
        self._greenlets.append(gevent.spawn(self._flush_for_ever))

    def _orders(self, options: Any) -> Orders:
        named = _scenario_of(self._environment)
        users = self._runner.target_user_count or options.num_users or named.users
        host = self._environment.host or _DEFAULT_HOST
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
        """All users are there."""
        if self._conductor is not None:
            self._conductor.begin()

    def _done(self) -> None:
        """All phases of this process have ended."""
        if not self._environment.parsed_options.cachegate_seconds:
            return  # locust's own --run-time ends it, or its user does
        if self.is_worker:
            self._runner.send_message(_DONE, {})
        else:
            self._leave_soon()

    def heard_done(self, client_id: str) -> None:
        """A worker's phases have ended; when all have, the run is over."""
        self._finished.add(client_id)
        if len(self._finished) >= self._runner.worker_count:
            self._leave_soon()

    def _leave_soon(self) -> None:
        gevent.spawn_later(_AFTER_SECONDS, self._runner.quit)

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
            if len(samples.rows) >= _MANY_ROWS * len(COLUMNS) or looks * _LOOK_SECONDS >= _REPORT_SECONDS:
                self.flush()
                looks = 0

    def leave(self, client: Client) -> None:
        """A user goes."""
        client.close()

    def _tell(self) -> None:
        """Once a second, for whoever started this: a line of JSON on standard output."""
        if not self._environment.parsed_options.cachegate_result:
            return
        began = time.monotonic()
        while True:
            gevent.sleep(_REPORT_SECONDS)
            latest = self.totals.latest()
            if latest is not None:
                latest |= {"users": self._runner.user_count, "elapsed": time.monotonic() - began}
                print(json.dumps({"progress": latest}), flush=True)

    # The run ends

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
            "users": len(drive.clients),
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

    def absorb(self, reports: list[dict[str, Any]]) -> None:
        """A worker's."""
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


def _session(environment: Any) -> _Session:
    session: _Session = getattr(environment, _KEY)
    return session


def _scenario_of(environment: Any) -> Scenario:
    classes = [each for each in environment.user_classes if issubclass(each, CacheUser)]
    return scenario(classes[0].scenario)


def _boot() -> str:
    """Which machine this is, as long as it runs: clocks of two cannot be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return os.uname().nodename


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # locust types it as Any
def _options(parser: Any) -> None:
    group = parser.add_argument_group("Cachegate")
    add = group.add_argument
    add("--workload", default="", help="What is asked: a preset or trace:FILE. Default: the scenario's.")
    add("--rate", type=float, default=None, help="Requests a second in open phases. Default: the scenario's.")
    add("--seed", type=int, default=1, help="Where users begin, and how long loaders take.")
    add("--key-prefix", default="", help="Of every key.")
    add("--history-folder", default=None, help="Where each process leaves its history, for the checkers.")
    add("--history-one-in", type=int, default=1, help="Keep the history of one key in so many; 0 for none.")
    add("--turn-seconds", type=float, default=0.25, help="Of each of two hosts (--host A,B), turn by turn.")
    parser.add_argument(
        "--cachegate-result", default=None, include_in_web_ui=False, help="Write what was measured here, as JSON."
    )
    parser.add_argument(
        "--cachegate-seconds", type=float, default=None, include_in_web_ui=False, help="Of all phases together."
    )
    parser.add_argument(
        "--cachegate-orders", default=None, include_in_web_ui=False, help="What the master tells its workers."
    )


@events.init.add_listener  # type: ignore[untyped-decorator]  # as above
def _begin(environment: Any, **_: Any) -> None:
    runner = environment.runner
    options = environment.parsed_options
    if not any(issubclass(each, CacheUser) for each in environment.user_classes):
        return
    session = _Session(environment)
    setattr(environment, _KEY, session)
    hooks = environment.events
    hooks.test_start.add_listener(lambda **_: session.begin())
    hooks.spawning_complete.add_listener(lambda **_: session.spawned())
    hooks.test_stop.add_listener(lambda **_: session.end())
    hooks.quit.add_listener(lambda **_: session.write())
    if session.is_worker:
        hooks.report_to_master.add_listener(lambda data, **_: data.__setitem__(_KEY, session.report()))
    else:
        _complain_early(environment, options)
    if session.is_master:
        runner.register_message(_DONE, lambda msg, **_: session.heard_done(msg.node_id))
        hooks.worker_report.add_listener(lambda data, **_: session.absorb(data.get(_KEY, [])))
    if hears_requests(environment):
        _log.warning("listeners of events.request hear of a second's requests at its end")
    if isinstance(runner, LocalRunner):
        _log.debug("users run in this process")


def _complain_early(environment: Any, options: Any) -> None:
    """One line and exit code 4 for what cannot work, before anybody is spawned."""
    try:
        from harness.measure.workload import parse  # noqa: PLC0415  # only here

        parse(options.workload or _scenario_of(environment).workload)
        for text in (environment.host or _DEFAULT_HOST).split(","):
            found = target(text)
            Connection(found.address, found.port, timeout_seconds=3.0).close()
    except BrokenError as error:
        _leave(f"nobody answers at {error}; start one with: cachegate serve improved --port 6380")
    except CachegateError as error:
        _leave(str(error))


def _leave(message: str) -> None:
    print(f"cachegate: {message}", file=sys.stderr, flush=True)
    os._exit(4)  # nothing is running yet, and locust would show a traceback
