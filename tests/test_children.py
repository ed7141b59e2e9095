"""Child processes: ^C while one is being started leaves none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from harness.children import start_process

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[signal.Signals], list[subprocess.Popen[Any]]]:
    """Let this signal come as soon as a process was forked, before Popen returns; all that were forked."""
    forked: list[subprocess.Popen[Any]] = []
    original = subprocess.Popen

    def by(number: signal.Signals) -> list[subprocess.Popen[Any]]:
        def popen(*arguments: Any, **options: Any) -> subprocess.Popen[Any]:
            forked.append(original(*arguments, **options))
            os.kill(os.getpid(), number)
            return forked[-1]

        monkeypatch.setattr(subprocess, "Popen", popen)
        return forked

    return by


def test_a_signal_in_the_middle_ends_what_was_forked(interrupted: Callable[..., list[subprocess.Popen[Any]]]) -> None:
    """It is raised after all, and no process is left; the handlers are as they were."""
    forked = interrupted(signal.SIGINT)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        start_process(SLEEPS)
    assert not psutil.pid_exists(forked[0].pid)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_means_nothing_changes_nothing(
    interrupted: Callable[..., list[subprocess.Popen[Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler is called once, and the process lives."""
    calls: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: calls.append(number))
    try:
        forked = interrupted(signal.SIGTERM)
        process = start_process(SLEEPS)
        assert (process, process.poll(), calls) == (forked[0], None, [signal.SIGTERM])
    finally:
        signal.signal(signal.SIGTERM, before)
        forked[0].kill()
        forked[0].wait()


def test_a_thread_may_start_one() -> None:
    """Where no signal can be handled, none is held."""
    started: list[subprocess.Popen[Any]] = []
    thread = threading.Thread(target=lambda: started.append(start_process([sys.executable, "-c", ""])))
    thread.start()
    thread.join()
    assert started[0].wait() == 0
