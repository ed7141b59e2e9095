"""The users, for locust: `class MyUser(CacheUser): scenario = "stress"` is a whole locustfile.

Locust spawns them, distributes them over processes and machines, and shows and stores what they do; its web UI,
CSV, JSON and exit codes work as ever, in fractions of a millisecond. Beside that each process measures for itself, and
the master merges what they measured, exactly: with `--cachegate-result FILE` it is written at the end.

Importing this patches the interpreter, as locust does.
"""

from __future__ import annotations

from harness.load import search_path

# isort: split
# What follows is looked for where the line above says.
import logging
import os
import sys
from typing import Any, ClassVar, NoReturn

import gevent
import locust.stats
from locust import User, events, task
from locust.argument_parser import ui_extra_args_dict
from locust.exception import StopUser
from locust.runners import LocalRunner
from locust.user.task import LOCUST_STATE_RUNNING

from harness.errors import CachegateError, UsageError
from harness.load.client import Client
from harness.load.connection import BrokenError, Connection
from harness.load.lifeline import end_with
from harness.load.locust_stats import CONNECT, hears_requests, milliseconds, percentile_fields
from harness.load.options import ONCE, add_options
from harness.load.plan import LIFELINE, Scenario, scenario, target
from harness.load.process import BEGIN, DONE, END, FILLED, KEY, READY, REPORT_SECONDS, Process
from harness.load.settings import CHOICES, OPTIONS, Settings, settings
from harness.load.web import Guard, install

_log = logging.getLogger("cachegate")
_SLICE = 32
"""Requests between two looks at whether locust wants the user to stop."""
_RECONNECT_SECONDS = 0.5
_USERS_A_WORKER = 1_000_000

locust.stats.bucket_response_time = milliseconds  # type: ignore[assignment]  # fractions of them; the hook that locust documents for other buckets
locust.stats.StatsCSV._percentile_fields = percentile_fields  # type: ignore[assignment]  # noqa: SLF001  # locust's cuts them to whole ones
locust.runners.WORKER_REPORT_INTERVAL = REPORT_SECONDS


if LIFELINE in os.environ:  # a worker may look for its master for minutes before it calls any hook
    os.register_at_fork(after_in_child=lambda: end_with(int(os.environ[LIFELINE])))


class CacheUser(User):
    """A client of a cache: the scenario's requests at the scenario's pace."""

    abstract = True
    scenario: ClassVar[str]
    """The name of a file in `scenarios/load`."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._process = _process(environment)
        self._client: Client | None = None

    def on_start(self) -> None:
        """Connect, however long it takes."""
        drive = self._process.drive
        if drive is None:
            return  # what is wrong was told; locust would show a traceback if this user ended here
        self._process.ready.wait()
        self._client = Client(drive, drive.worker * _USERS_A_WORKER + drive.joined)
        drive.joined += 1
        drive.clients.append(self._client)
        if drive.phase == 0 and drive.scenario.open:
            drive.set_rate(drive.orders.rate)
        while self._state == LOCUST_STATE_RUNNING:
            try:
                self._client.connect()
                return
            except BrokenError as error:
                drive.samples.failed(0, CONNECT, "not connected", str(error))
                gevent.sleep(_RECONNECT_SECONDS)

    def on_stop(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._process.leave(self._client)

    @task
    def requests(self) -> None:
        """Some requests."""
        if self._client is None:
            raise StopUser
        self._client.work(_SLICE, self._goes_on)

    def _goes_on(self) -> bool:
        drive = self._process.drive
        return bool(self._state == LOCUST_STATE_RUNNING) and drive is not None and not drive.over


def _process(environment: Any) -> Process:
    process: Process = getattr(environment, KEY)
    return process


def _scenario_of(environment: Any) -> Scenario:
    classes = [each for each in environment.user_classes if issubclass(each, CacheUser)]
    return scenario(classes[0].scenario)


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # locust types it as Any
def _options(parser: Any) -> None:
    search_path.working_directory_last()  # locust has put it in front again for each locustfile
    add_options(parser)


@events.init.add_listener  # type: ignore[untyped-decorator]  # as above
def _begin(environment: Any, **_: Any) -> None:
    runner = environment.runner
    options = environment.parsed_options
    if not any(issubclass(each, CacheUser) for each in environment.user_classes):
        return
    try:
        told = settings(options, os.environ)
    except UsageError as error:
        _leave(str(error))
    told.show(environment)
    if environment.web_ui is not None:
        install(environment.web_ui, Guard(options.web_host, options.web_host_display_name, _form_options))
    process = Process(environment, _scenario_of(environment), told)
    setattr(environment, KEY, process)
    hooks = environment.events
    hooks.test_start.add_listener(lambda **_: process.begin())
    hooks.spawning_complete.add_listener(lambda **_: process.spawned())
    hooks.test_stopping.add_listener(lambda **_: process.stopping())
    hooks.test_stop.add_listener(lambda **_: process.end())
    hooks.quit.add_listener(lambda **_: process.write())
    if process.is_worker:
        runner.register_message(READY, lambda msg, **_: process.heard(msg, process.ready.set))
        runner.register_message(BEGIN, lambda msg, **_: process.heard(msg, process.conduct))
        runner.register_message(END, lambda msg, **_: process.heard(msg, process.finish), concurrent=True)
        hooks.report_to_master.add_listener(lambda data, **_: data.__setitem__(KEY, process.report()))
    else:
        _complain_early(environment, told)
    if LIFELINE in os.environ:
        process.end_with_parent()
        if not process.is_worker:
            end_with(int(os.environ[LIFELINE]))
    if process.is_master:
        runner.register_message(DONE, lambda msg, **_: process.heard(msg, lambda: process.heard_done(msg.node_id)))
        runner.register_message(FILLED, lambda msg, **_: process.heard(msg, process.heard_filled))
        hooks.worker_report.add_listener(lambda client_id, data, **_: process.absorb(client_id, data.get(KEY)))
    if hears_requests(environment):
        _log.warning("listeners of events.request hear of a second's requests at its end")
    if isinstance(runner, LocalRunner):
        _log.debug("users run in this process")


def _form_options() -> set[str]:
    """The options that a web form may set: those that it shows, and what may be chosen."""
    chosen = {OPTIONS.get(field, field) for field in CHOICES}
    return (set(ui_extra_args_dict()) | chosen) - ONCE


def _complain_early(environment: Any, told: Settings) -> None:
    """One line and exit code 4 for what cannot work, before anybody is spawned."""
    try:
        from harness.measure.workload import parse  # noqa: PLC0415  # only here

        parse(told.workload or _scenario_of(environment).workload)
        for url in told.hosts:
            found = target(url)
            Connection(found.address, found.port, timeout_seconds=3.0).close()
    except BrokenError as error:
        _leave(told.hide(f"nobody answers at {error}; start one with: cachegate serve improved --port 6380"))
    except CachegateError as error:
        _leave(told.hide(str(error)))


def _leave(message: str) -> NoReturn:
    print(f"cachegate: {message}", file=sys.stderr, flush=True)
    os._exit(4)  # nothing is running yet, and locust would show a traceback
