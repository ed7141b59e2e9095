"""Scenarios and targets: what is there, and what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from harness.errors import UsageError
from harness.load.plan import CONDITIONS, FOLDER, Scenario, is_target, names, scenario, target
from harness.measure.workload import parse

NEEDED = ["concurrency", "llm", "load", "soak", "spike", "stress"]
OF_EXPERIMENTS = ["chaos", "herd"]
"""The load of `cachegate chaos`, in which errors are what is looked for."""


def test_all_are_there() -> None:
    """Those that the README names."""
    assert names() == sorted([*NEEDED, *OF_EXPERIMENTS])


@pytest.mark.parametrize("name", [*NEEDED, *OF_EXPERIMENTS])
def test_a_scenario_is_whole(name: str) -> None:
    """It asks a question of a workload that there is, its phases fill its time, and locust finds its file."""
    found = scenario(name)
    assert found.question.endswith("?")
    assert sum(phase.share for phase in found.phases) == pytest.approx(1)
    least = {"lawful"} if name in OF_EXPERIMENTS else {"no_errors", "lawful", "counts_agree"}
    assert least <= set(found.conditions) <= set(CONDITIONS)
    assert found.open == (found.rate > 0)
    parse(found.workload)
    assert f'scenario = "{name}"' in (FOLDER / f"{name}.py").read_text(encoding="utf-8")


def test_the_nearest_name_is_told() -> None:
    """A slip is told as that."""
    with pytest.raises(UsageError, match="did you mean 'stress'"):
        scenario("sterss")
    with pytest.raises(UsageError, match="there are chaos, concurrency"):
        scenario("zzz")


@pytest.mark.parametrize("change", [{"users": 0}, {"phases": []}, {"conditions": ["luck"]}, {"stray": 1}])
def test_nonsense_is_refused(change: dict[str, object]) -> None:
    """A scenario of no users, no phases, or conditions that nobody knows."""
    with pytest.raises(ValidationError):
        Scenario.model_validate(scenario("soak").model_dump() | change)


def test_targets() -> None:
    """An address, and whether what is there is ours."""
    assert target("resp://127.0.0.1:6380").ours
    there = target("valkey://[::1]:6379/0")
    assert (there.address, there.port, there.ours) == ("::1", 6379, False)
    assert is_target("redis://a:1")
    assert not is_target("improved")
    for text in ("127.0.0.1:6380", "http://a:1", "valkey://a:1/3", "resp://:1", "resp://a:b", "resp://a"):
        with pytest.raises(UsageError, match="is no server"):
            target(text)
