"""The trial, run in this process: what it counts, what it catches, what it reports."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ZOO, VirtualTime

from cache_impls.registry import Spec, parse
from harness.measure import trial_run
from harness.measure.driver import MAX_ERRORS
from harness.measure.generate import draw
from harness.measure.trial_run import TrialRun
from harness.measure.workload import parse as parse_workload

BATCH, WARM, TURNS, TAIL_EVERY = 50, 2, 8, 4
REQUESTS = BATCH * (WARM + 2 * TURNS + TURNS // TAIL_EVERY)
BROKEN = ZOO / "broken.py"


@pytest.fixture(autouse=True)
def no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a test process no alarm must ring, and no probe wait."""
    monkeypatch.setattr("signal.setitimer", lambda *_: None)
    monkeypatch.setattr(trial_run, "_PROBE_SECONDS", 0.0)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The token pipe of a ring of one."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


class Runner:
    """Runs trials of one member in the test's process."""

    def __init__(self, virtual_time: VirtualTime, pipe: tuple[int, int], folder: Path) -> None:
        self._time, self._pipe, self._folder = virtual_time, pipe, folder

    def __call__(
        self, *texts: str, workload: str = "churn", measured: tuple[bool, ...] = (True,), **changes: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        requests = draw(parse_workload(workload), REQUESTS)
        requests.write(self._folder / "requests")
        specs: list[Spec] = [parse(text) for text in texts]
        job = {
            "requests": str(self._folder / "requests"),
            "arms": [{"measured": each} for each in measured],
            "native_clock": [None] * len(specs),
            "needs": [],
            "capacity": requests.capacity,
            "concurrency": 1,
            "look_aside": None,
            "batch": BATCH,
            "warm_batches": WARM,
            "tail_every": TAIL_EVERY,
            "turns": [0] * TURNS,
            "me": 0,
            "token_fd": self._pipe[0],
            "token_fds": [self._pipe[1]],
            "cpu": None,
            "limit_seconds": 5.0,
        } | changes
        run = TrialRun(job, specs, self._time.loop, self._time.clock)
        return self._time.run(run.main()), run.columns()


@pytest.fixture
def run(virtual_time: VirtualTime, pipe: tuple[int, int], tmp_path: Path) -> Runner:
    """A runner on a fresh clock."""
    return Runner(virtual_time, pipe, tmp_path)


@pytest.mark.parametrize("spec", ["legacy", "improved", "migration?stage=live", "yardstick", f"{BROKEN}:Correct"])
@pytest.mark.parametrize("workload", ["churn", "llm?preload=500&warmup=200", "ycsb-b?preload=2000"])
@pytest.mark.parametrize("clients", [1, 5])
def test_a_correct_cache_has_no_incident(run: Runner, spec: str, workload: str, clients: int) -> None:
    """No wrong answer, error or disagreeing counter; every request is answered."""
    report, columns = run(spec, workload=workload, concurrency=clients)
    (arm,) = report["arms"]
    assert (arm["wrong"], arm["errors"], arm["disagreements"]) == (0, [], [])
    assert arm["native_clock"] is False
    assert arm["measured_gets"] > 0
    assert {name: len(column) for name, column in columns.items()} == {
        "0.batch_ns": TURNS,
        "0.turn_cpu_ns": TURNS,
        "0.fill_ns": TURNS,
        "0.operation_ns": BATCH * TURNS // TAIL_EVERY,
    }


def test_a_look_aside_read_is_filled(run: Runner) -> None:
    """A missed get is followed by a set of that key, counted and timed apart; null is not filled when told so."""
    workload = "llm?preload=0&warmup=0"
    report, columns = run("improved", workload=workload)
    counts = report["arms"][0]["counts"]
    assert counts["fills"] == counts["gets"] - counts["hits"] > 0
    assert sum(columns["0.fill_ns"]) > 0
    report, columns = run("null", workload=workload, look_aside=False)
    assert report["arms"][0]["counts"]["fills"] == 0
    assert sum(columns["0.fill_ns"]) == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("AnswersStale", "but the last write is"),
        ("AnswersAnotherKey", "another key's value"),
        ("AnswersTuples", "answered tuple"),
        ("NeverExpires", "expired"),
    ],
)
@pytest.mark.parametrize("clients", [1, 5])
def test_a_lie_is_found(run: Runner, fault: str, words: str, clients: int) -> None:
    """Each fault of the zoo is found by the trial itself, with an example."""
    report, _ = run(f"{BROKEN}:{fault}", workload="churn?keys=300&preload=300&rate_per_second=20", concurrency=clients)
    (arm,) = report["arms"]
    assert arm["wrong"] > 0
    assert any(words in example for example in arm["wrong_examples"])


def test_miscounting_is_found(run: Runner) -> None:
    """The cache's own counters are held against ours."""
    report, _ = run(f"{BROKEN}:Miscounts", workload="ycsb-b?preload=2000")
    assert "its hits say" in report["arms"][0]["disagreements"][0]


def test_errors_are_counted_and_do_not_stop_the_trial(run: Runner) -> None:
    """The request after a failed one is served; counters are not compared then."""
    report, _ = run(f"{BROKEN}:RaisesSometimes", workload="ycsb-b?preload=2000")
    (arm,) = report["arms"]
    assert arm["counts"]["errors"] == len(
        [n for n in range(1, REQUESTS) if n % 500 == 0 and n <= arm["counts"]["gets"]]
    )
    assert "raised KeyError" in arm["errors"][0]
    assert (arm["wrong"], arm["disagreements"], report["gave_up"]) == (0, [], None)


def test_a_cache_that_always_fails_ends_the_trial(run: Runner) -> None:
    """After MAX_ERRORS there is nothing more to learn."""
    report, _ = run(f"{BROKEN}:RaisesAlways")
    assert report["arms"][0]["counts"]["errors"] == MAX_ERRORS
    assert "ConnectionError: second tier is away" in report["gave_up"]


def test_a_native_clock_is_told_from_a_lie(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that expires in real time is not accused of answering late."""
    now = [0.0]
    monkeypatch.setattr("harness.measure.trial_run.time.sleep", lambda _: now.__setitem__(0, now[0] + 2))
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    report, _ = run(f"{BROKEN}:NativeClock", workload="churn?keys=300&preload=300&rate_per_second=20")
    (arm,) = report["arms"]
    assert arm["native_clock"] is True
    assert arm["wrong"] == 0


def test_what_a_cache_lacks_ends_the_trial_at_once(run: Runner) -> None:
    """Nothing is driven, and the report says what is missing."""
    report, _ = run(f"{BROKEN}:SynchronousCache", needs=["DELETE", "TTL"])
    assert (report["status"], report["missing"]) == ("lacks", ["DELETE"])


def test_arms_in_one_process_do_not_meet(run: Runner) -> None:
    """`--precise`: a decoy that is only filled, and two arms whose batches alternate, each with its own truth."""
    report, columns = run("improved", "improved", "legacy", measured=(False, True, True))
    decoy, first, second = report["arms"]
    assert decoy["measured_gets"] == 0
    assert first["counts"]["gets"] == second["counts"]["gets"] > 0
    assert [len(columns[f"{i}.batch_ns"]) for i in range(3)] == [0, TURNS, TURNS]
    assert not any(arm["wrong"] or arm["disagreements"] for arm in report["arms"])


class Suspending:
    """A dict that gives way at every operation."""

    def __init__(self) -> None:
        self._entries: dict[str, Any] = {}
        self.most = self._inside = 0

    async def get(self, key: str) -> Any | None:
        self._inside += 1
        self.most = max(self.most, self._inside)
        await asyncio.sleep(0)
        self._inside -= 1
        return self._entries.get(key)

    async def set(self, key: str, value: Any) -> None:
        await asyncio.sleep(0)
        self._entries[key] = value


def test_clients_interleave_where_the_cache_suspends(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """With four clients up to four operations are under way at once; with one, one."""
    made: list[Suspending] = []

    def factory() -> Suspending:
        made.append(Suspending())
        return made[-1]

    import cache_impls.registry

    monkeypatch.setattr(cache_impls.registry, "_load", lambda _target: factory)
    for clients in (1, 4):
        report, _ = run("improved", workload="ycsb-b?preload=100", concurrency=clients)
        assert made[-1].most == clients
        assert report["arms"][0]["wrong"] == 0


def test_background_work_is_charged_wherever_it_falls(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that wakes twice a second of workload time is charged in every batch of every turn, timed or not."""
    (tmp_path / "busy.py").write_text(
        "from cache_impls.improved import ImprovedAsyncCache\n"
        "woken = 0\n"
        "class Busy(ImprovedAsyncCache):\n"
        "    def __init__(self, max_entries=100_000):\n"
        "        super().__init__(cleanup_interval=0.5, max_entries=max_entries)\n"
        "    async def _sweep(self):\n"
        "        global woken\n"
        "        woken += 1\n"
    )

    def wakes() -> int:
        """In place of the CPU clock: how often the task has worked."""
        return getattr(sys.modules.get("cachegate_user_busy"), "woken", 0)

    monkeypatch.setattr("harness.measure.driver.process_time_ns", wakes)
    _, columns = run(f"{tmp_path}/busy.py:Busy", workload="ycsb-b?preload=100")
    # 50 requests at 100 a second: each batch lasts half a second, and a turn has two or three.
    # (The first turn is over before the workload has come to where the probe's ttl has left the clock.)
    charged = columns["0.turn_cpu_ns"].tolist()
    assert charged[1:] == [3 if turn % TAIL_EVERY == 0 else 2 for turn in range(1, TURNS)]


def test_an_ignored_ttl_is_a_wrong_answer_on_any_workload(run: Runner) -> None:
    """Even where nothing would expire during the trial."""
    report, _ = run(f"{BROKEN}:NeverExpires", workload="ycsb-b?preload=100")
    assert report["arms"][0]["wrong"] == 1
    assert "2 s after a set with a ttl of 1 s" in report["arms"][0]["wrong_examples"][0]
