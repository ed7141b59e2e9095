"""A workload as a history: right caches keep every law on it, broken ones are found, and it can be kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import VirtualTime

from cache_impls.registry import parse
from harness.check.checkers import Finding
from harness.check.explore import Builds, Explorer
from harness.check.recorded import Recording, around, record
from harness.check.spacetime import diagram, operation
from harness.history import NO_TTL, History, Op
from harness.measure.generate import draw
from harness.measure.workload import parse as parse_workload


def recorded(
    virtual_time: VirtualTime, folder: Path, spec: str, workload: str = "churn", *, capacity: int | None = None
) -> tuple[Recording, Explorer]:
    """A cache's history under a workload, and who judges it."""
    requests = draw(parse_workload(workload), 3_000, capacity)
    requests.write(folder / "requests")
    builds = Builds(parse(spec))
    job: dict[str, Any] = {
        "file": folder / "requests",
        "room": requests.capacity,
        "clients": 3,
        "key_format": requests.key_format,
    }
    recording = record(builds, job, virtual_time.clock, NO_TTL)
    assert len(recording.history) >= len(requests.op)
    return recording, Explorer(builds, virtual_time.clock, default_ttl_ns=NO_TTL)


def broken(recording: Recording, explorer: Explorer) -> dict[str, list[Finding]]:
    return {checker.ID: findings for checker, findings in explorer.judge(recording.history)}


@pytest.mark.parametrize("workload", ["churn", "ycsb-b", "llm"])
@pytest.mark.parametrize("spec", ["improved", "legacy", "tests/zoo/suspending.py:RemoteCache"])
def test_right_caches_keep_the_laws(virtual_time: VirtualTime, tmp_path: Path, spec: str, workload: str) -> None:
    """With several clients, whether they interleave or not; and there are hits to judge."""
    recording, explorer = recorded(virtual_time, tmp_path, spec, workload)
    assert broken(recording, explorer) == {}
    assert explorer.crashed == {}
    gets = recording.history.tag[recording.history.is_op(Op.GET)]
    assert (gets > 0).mean() > 0.1


@pytest.mark.parametrize(
    ("spec", "law"),
    [
        ("tests/zoo/broken.py:AnswersStale", "C1"),
        ("tests/zoo/broken.py:AnswersAnotherKey", "C5"),
        ("tests/zoo/broken.py:NeverExpires", "C2"),
        ("tests/zoo/broken.py:AnswersTuples", "C5"),
        ("tests/zoo/faults/counters.py:ExpiredMissUncounted", "C11"),
    ],
)
def test_broken_ones_are_found(virtual_time: VirtualTime, tmp_path: Path, spec: str, law: str) -> None:
    """And told by a handful of operations on the keys that it is about."""
    recording, explorer = recorded(virtual_time, tmp_path, spec)
    found = broken(recording, explorer)
    assert law in found
    finding = found[law][0]
    history, rows, oddities, raised = around(recording, finding)
    assert len(history) <= 12
    words = [operation(history, row, oddities, raised) for row in rows]
    message = finding.message.format(*words)
    assert "?" not in message
    for row in finding.rows:
        name = recording.history.names[recording.history.key[row]]
        assert name in message
    assert len(diagram(history, 3, oddities, raised)) >= len(history)


def test_lack_of_room_explains_misses(virtual_time: VirtualTime, tmp_path: Path) -> None:
    """A hundred entries are too few for the workload: C3 does not accuse what was evicted."""
    recording, explorer = recorded(virtual_time, tmp_path, "improved", "ycsb-b", capacity=100)
    gets = recording.history.tag[recording.history.is_op(Op.GET)]
    assert (gets == 0).sum() > 100
    assert broken(recording, explorer) == {}


def test_it_can_be_kept(virtual_time: VirtualTime, tmp_path: Path) -> None:
    """Rows, observations and the names of keys, judged alike."""
    recording, _ = recorded(virtual_time, tmp_path, "tests/zoo/broken.py:AnswersStale")
    recording.history.save(tmp_path / "kept.npz")
    again = History.load(tmp_path / "kept.npz")
    assert np.array_equal(again.rows, recording.history.rows)
    assert np.array_equal(again.observations, recording.history.observations)
    assert list(again.names) == list(recording.history.names)
