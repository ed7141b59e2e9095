"""Who is believed among locust's processes, when another user of the machine reaches or takes the master's port."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"  # locust would patch the interpreter of all tests
from locust.runners import MasterRunner, WorkerRunner

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]

# locust is imported first, as above
from harness.errors import UsageError
from harness.load.drive import Drive
from harness.load.plan import scenario
from harness.load.process import DONE, Process
from harness.load.samples import Samples
from harness.load.settings import Settings
from harness.load.trust import MASTER, PROOF, WORKER, ImpostorError, Trust

SECRET = "5ec7e7"  # noqa: S105  # of nothing
HOST = "resp://127.0.0.1:1"
ORDERS = {"scenario": "soak", "workload": "ycsb-b", "targets": [HOST], "users": 2, "rate": 1.0, "run_seconds": 1.0}
ORDERS |= {"seed": 1}


def process(kind: Any, number: Any = 0, **told: Any) -> tuple[Process, Any]:
    """Of a run, without a network: what it sends is in its runner's `sent`."""
    runner = kind.__new__(kind)
    sent: list[tuple[str, Any]] = []
    vars(runner).update(clients={"known": 1}, worker_index=number, sent=sent, greenlet=None)
    runner.send_message = lambda name, data: sent.append((name, data))
    environment = SimpleNamespace(runner=runner, parsed_options=SimpleNamespace(cachegate_orders=None))
    return Process(environment, scenario("soak"), Settings(hosts=(HOST,), **told)), runner


def ordered(made: Process, *, secret: str = "", **changes: Any) -> Any:
    """What a worker makes of such orders."""
    told = Trust(secret).sealed(MASTER, {"orders": ORDERS | changes})
    return made._from_master(SimpleNamespace(cachegate_orders=told))


def message(data: Any, client: str = "known") -> Any:
    return SimpleNamespace(type=DONE, data=data, node_id=client)


def digest() -> dict[str, Any]:
    samples = Samples(0)
    samples.loads = 7
    return samples.digest(samples.take())


def test_a_proof_is_of_one_part() -> None:
    """Whoever was sent the master's cannot speak as a worker; what lacks one, of whatever type, is dropped."""
    trust = Trust(SECRET)
    said = trust.sealed(MASTER, {"a": 1})
    assert said["a"] == 1
    assert SECRET not in str(said)
    assert trust.holds(MASTER, said)
    assert not trust.holds(WORKER, said)
    wrongs: tuple[Any, ...] = (
        None,
        {},
        [],
        "x",
        {PROOF: None},
        {PROOF: "é"},
        {PROOF: ""},
        Trust("other").sealed(MASTER, {}),
    )
    for wrong in wrongs:
        assert not trust.holds(MASTER, wrong)
    assert Trust("").holds(MASTER, None)


def test_a_worker_follows_its_own_master_alone() -> None:
    """With a secret, orders with another or none are an impostor's; plain locust has none, and follows any."""
    ours, _ = process(WorkerRunner, secret=SECRET)
    assert ordered(ours, secret=SECRET).users == 2
    for secret in ("", "other"):
        with pytest.raises(ImpostorError):
            ordered(ours, secret=secret)
    with pytest.raises(ImpostorError):
        ours._from_master(SimpleNamespace())
    plain, _ = process(WorkerRunner)
    assert ordered(plain).users == 2
    with pytest.raises(UsageError, match="gave no orders"):
        plain._from_master(SimpleNamespace())


def test_a_worker_ends_when_an_impostor_gives_orders(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With one line, and the code of what cannot be done."""

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr("harness.load.process.os._exit", leave)
    ours, runner = process(WorkerRunner, secret=SECRET)
    ours._environment.parsed_options.cachegate_orders = {"orders": ORDERS}
    with pytest.raises(SystemExit) as caught:
        ours.begin()
    assert caught.value.code == 4
    assert len(caplog.records) == 1
    assert runner.sent == []


def test_a_worker_reads_no_file_that_a_master_names(tmp_path: Path) -> None:
    """A preset, or exactly the trace that it was told itself."""
    mine = f"trace:{tmp_path}/mine.csv"
    for told in ({}, {"workload": mine}):
        made, _ = process(WorkerRunner, **told)
        assert ordered(made, workload="churn").workload == "churn"
        for theirs in ("trace:/etc/shadow?format=twitter", f"{mine}?format=twitter"):
            with pytest.raises(UsageError, match="name the same when this worker starts"):
                ordered(made, workload=theirs)
    assert ordered(made, workload=mine).workload == mine


@pytest.mark.parametrize("number", [-1, "../../x", 1.5, None, True, 100_000])
def test_a_worker_has_a_number(number: Any) -> None:
    """It stands in the name of its history, and is told by the master."""
    made, _ = process(WorkerRunner, number)
    with pytest.raises(UsageError, match="no number"):
        ordered(made)


def ended(made: Process) -> dict[str, Any]:
    """The last words of a process that has begun."""
    orders = ordered(made)
    made.drive = Drive(scenario("soak"), orders, 0)
    made._conductor = SimpleNamespace(end=lambda: None, log=[])  # type: ignore[assignment]  # as much as is asked
    made.end()
    said: dict[str, Any] = made.report()["reports"][-1]["said"]
    return said


def test_histories_go_where_the_process_was_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Never where a master says: orders that name a folder are none, and a worker without one keeps no history."""
    monkeypatch.setattr("harness.load.process.tell_locust", lambda *_: None)
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    theirs.mkdir()
    mine.mkdir()
    plain, _ = process(WorkerRunner)
    with pytest.raises(UsageError):
        ordered(plain, folder=str(theirs))
    assert ended(plain)["history"] is None
    told, _ = process(WorkerRunner, folder=str(mine))
    assert ended(told)["history"] == str(mine / "users-0.npz")
    assert [each.name for each in mine.iterdir()] == ["users-0.npz"]
    assert list(theirs.iterdir()) == []


def test_a_master_takes_reports_of_its_workers(caplog: pytest.LogCaptureFixture) -> None:
    """With the secret where there is one, and always from those that it knows; the rest is told in one line."""
    for secret in ("", SECRET):
        made, runner = process(MasterRunner, secret=secret)
        caplog.clear()
        good = Trust(secret).sealed(WORKER, {"reports": [digest()]})
        made.absorb("stranger", good)
        made.absorb("stranger", good)
        if secret:
            made.absorb("known", {"reports": [digest()]})
            made.absorb("known", [digest()])
            made.absorb("known", Trust(secret).sealed(MASTER, {"reports": [digest()]}))
        assert made.totals.loads == 0
        assert made._listening == set()
        assert len(caplog.records) == 1
        made.absorb("known", None)
        made.absorb("known", good)
        assert made.totals.loads == 7
        runner.clients.clear()
        made.absorb("known", good)  # its last words, when it has stopped
        assert made.totals.loads == 14


def test_messages_are_heard_from_this_run(caplog: pytest.LogCaptureFixture) -> None:
    """By the master from its workers, by workers from their master; what they send is what they hear."""
    heard: list[str] = []
    caplog.set_level(logging.ERROR)
    (master, above), (worker, below) = (process(kind, secret=SECRET) for kind in (MasterRunner, WorkerRunner))
    worker._done()
    master.heard_filled()
    (_, of_worker), (_, of_master) = below.sent[0], above.sent[0]
    master.heard(message(of_worker), lambda: heard.append("master"))
    worker.heard(message(of_master), lambda: heard.append("worker"))
    assert heard == ["master", "worker"]
    for made, theirs in ((master, of_master), (worker, of_worker)):
        strange: tuple[Any, ...] = ({}, None, theirs)
        for data in strange:
            made.heard(message(data), lambda: heard.append("impostor"))
    master.heard(message(of_worker, "stranger"), lambda: heard.append("stranger"))
    assert heard == ["master", "worker"]
    assert len(caplog.records) == 2


def test_plain_locust_hears_any_master_and_the_workers_it_knows() -> None:
    """As before there was a secret."""
    heard: list[str] = []
    (master, _), (worker, _) = (process(kind) for kind in (MasterRunner, WorkerRunner))
    worker.heard(message({}), lambda: heard.append("worker"))
    master.heard(message({}), lambda: heard.append("master"))
    master.heard(message({}, "stranger"), lambda: heard.append("stranger"))
    gevent.sleep(0)
    assert heard == ["worker", "master"]
