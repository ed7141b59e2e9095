"""From what the check process said to verdicts; and violations kept as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.check import replays
from harness.check.run import Events, run
from harness.check.verdicts import CheckRequest, results, verdict
from harness.errors import UsageError
from harness.history import Op
from harness.session_check import replay
from harness.simulate.schedule import Profile, Schedule, Step


def test_a_failure_of_ours_is_not_the_caches() -> None:
    """A job that the check process cannot do: nothing is judged, and nothing passes."""
    found = run({"spec": "improved", "seed": 1, "profiles": [], "only": ["C1"]}, 1, lambda _: None)
    assert found.internal is not None
    assert found.internal["message"].startswith("KeyError")
    request = CheckRequest(spec="improved", seed=1, only=("C1",))
    checks = results(found, request, 1)
    assert {(result.id, result.verdict.value) for result in checks} == {("C1", "unknown"), ("C13", "unknown")}
    decided, reason = verdict(checks, found, request)
    assert decided == "unknown"
    assert "cachegate itself failed: KeyError" in reason


def test_a_checker_that_failed_is_unknown() -> None:
    """Whatever else was held."""
    found = Events(problems=[], ended=True, crashed={"C1": "IndexError: off by one"})
    request = CheckRequest(spec="improved", seed=1, only=("C1", "C2"))
    by_id = {result.id: result.verdict.value for result in results(found, request, 1)}
    assert by_id == {"C1": "unknown", "C2": "pass"}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("schedule", {"profile": "none such"}, "no schedule of this version"),
        ("check", "C99", "no check 'C99'"),
        ("python", "2.7", "recorded with Python 2.7"),
    ],
)
def test_replays_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, value: Any, said: str
) -> None:
    """One line, and exit code 4."""
    monkeypatch.chdir(tmp_path)
    schedule = Schedule(Profile.CALM, ((Step(Op.GET),),), "few", 1).to_json()
    event = {"check": "C1", "message": "", "evidence": (), "default_ttl_ns": -1, "schedule": schedule}
    identity = replays.save(event, "improved", 1)
    assert identity is not None
    assert replays.read(identity).check == "C1"
    path = replays.RUNS / identity / "replay.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(UsageError, match=said):
        replay(identity, None, lambda _: None)
