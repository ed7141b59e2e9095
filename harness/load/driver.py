"""The locust process (or processes) of a run: started, listened to, ended.

Locust runs as its user would run it, because importing it patches the interpreter. But nothing that its user or the
project under test left for locust reaches it: it has a working directory, a home and settings of the run's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import selectors
import signal
import site
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from harness.children import environment, last_part, python, start_process
from harness.errors import HarnessError
from harness.load import result
from harness.load.plan import FOLDER, LIFELINE, Scenario
from harness.load.settings import PASSWORD, SETTINGS, Settings
from harness.load.valkey import free_port
from harness.measure.workload import TRACE_PREFIX

GRACE_SECONDS = 30.0
"""Beyond its time, after which the driver counts as hung."""
_START_SECONDS = 90.0
"""Until every process is there and what the workload finds there is set, at most."""
_STOP_SECONDS = 10
_LOOK_SECONDS = 0.5
_SECRET_BYTES = 32


class Driver:
    """One run of locust against some hosts. Use as a context; `wait` until it ends."""

    def __init__(
        self, scenario: Scenario, hosts: list[str], *, users: int, seconds: float, rate: float, workload: str,
        seed: int, processes: int, one_in: int, prefix: str, folder: Path,
    ) -> None:  # fmt: skip
        self._folder = folder.absolute()
        self._result = self._folder / "result.json"
        told = self._folder / "settings.json"
        Settings(
            hosts=tuple(hosts),
            workload=_absolute(workload),
            rate=rate,
            seed=seed,
            one_in=one_in,
            prefix=prefix,
            folder=str(self._folder),
            result=str(self._result),
            seconds=seconds,
            secret=secrets.token_hex(_SECRET_BYTES),  # another may bind the master's port before it does
        ).write(told)
        self._complaints = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  # closed below
        self.total_seconds = scenario.ramp_seconds + seconds
        lifeline, end = os.pipe()
        self._lifeline: int | None = end
        """Open as long as this process lives; locust's processes wait for its end."""
        arguments = [
            "--headless", "--only-summary", "--skip-log",
            "--locustfile", str(FOLDER / f"{scenario.name}.py"),
            "--users", str(users),
            "--spawn-rate", str(max(1.0, users / scenario.ramp_seconds)),
            "--run-time", f"{self.total_seconds + _START_SECONDS:.0f}s",  # it ends with its last phase, before
            "--stop-timeout", str(_STOP_SECONDS),
        ]  # fmt: skip
        if processes > 1:
            port = str(free_port())
            arguments += ["--processes", str(processes), "--expect-workers-max-wait", "30", "--master-port", port]
            arguments += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        try:
            self._process: subprocess.Popen[str] = start_process(
                [*python("harness.load.locust_main"), *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                text=True,
                bufsize=1,
                start_new_session=True,  # ^C is ours to hand on; its workers end with it
                env=_environment(self._folder) | {SETTINGS: str(told), LIFELINE: str(lifeline)},
                pass_fds=(lifeline,),
            )
        except BaseException:  # ^C, too
            os.close(end)  # whatever it has forked ends
            self._complaints.close()
            raise
        finally:
            os.close(lifeline)
        self._began = time.monotonic()
        self._expected = processes + 1 if processes > 1 else 1
        self._processes: list[psutil.Process] = []

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def wait(self, say: Callable[[dict[str, Any]], None], look: Callable[[], None]) -> dict[str, Any]:
        """Until it ends: what it measured. say is told its progress, look is called twice a second.

        Raises HarnessError if it fails or hangs, with its last words.
        """
        assert self._process.stdout is not None  # a pipe was asked for
        limit = self.total_seconds + _START_SECONDS + GRACE_SECONDS
        due = time.monotonic() + _LOOK_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while True:
                if selector.select(max(0.0, due - time.monotonic())):
                    line = self._process.stdout.readline()
                    if not line:
                        break
                    with contextlib.suppress(ValueError):  # what a workload prints is not ours
                        said = json.loads(line)
                        if isinstance(said, dict) and "progress" in said:
                            say(result.Progress.model_validate(said["progress"]).model_dump())
                elif self._process.poll() is not None:
                    break  # killed: its workers hold the pipe
                if time.monotonic() >= due:
                    look()
                    due += _LOOK_SECONDS
                if time.monotonic() - self._began > limit:
                    raise HarnessError(f"locust did not end within {limit:.0f} s: {self._words()}")
        self._process.wait()
        left = result.read(self._result, self._folder)
        if left is None:
            code = self._process.returncode
            raise HarnessError(f"locust ended with code {code} and left no result: {self._words()}")
        return left

    def cpu_seconds(self) -> dict[int, float]:
        """Processor time that each of its processes has used, by pid."""
        if len(self._processes) < self._expected:  # to look for them costs more than to look at them
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(self._process.pid)
                self._processes = [process, *process.children(recursive=True)]
        found = {}
        for each in self._processes:
            with contextlib.suppress(psutil.Error):
                times = each.cpu_times()
                found[each.pid] = float(times.user + times.system)
        return found

    def stop(self) -> None:
        """Tell it to end now: it lets what is under way end, and leaves its result."""
        self._process.terminate()

    def kill(self) -> None:
        """End it and its workers, if they are there."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._complaints.close()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def _words(self) -> str:
        lines = [line for line in last_part(self._complaints.fileno()).splitlines() if line.strip()]
        return " | ".join(lines[-3:]) or "it said nothing"


def _environment(home: Path) -> dict[str, str]:
    """This process's, without what locust would take for options, and with another home: it looks for some there."""
    kept = {name: value for name, value in environment().items() if not name.startswith("LOCUST_") and name != PASSWORD}
    base = {"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}  # found by the home, if not told
    return kept | base | {"HOME": str(home)}


def _absolute(workload: str) -> str:
    """A workload with the whole path of its file, if it has one."""
    if not workload.startswith(TRACE_PREFIX):
        return workload
    name, mark, fields = workload.removeprefix(TRACE_PREFIX).partition("?")
    return f"{TRACE_PREFIX}{Path(name).absolute()}{mark}{fields}"
