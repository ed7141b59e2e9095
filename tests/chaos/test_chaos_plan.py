"""Experiment files: ours are whole, and what is wrong in one is told in a line."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaoslib.experiment import ensure_experiment_is_valid

from harness.chaos import actions, plan, probes
from harness.errors import UsageError
from harness.load.plan import scenario
from harness.measure.workload import parse

NEEDED = [
    "cascade", "clock_step", "container_limit", "loop_stall", "memory_exhaustion", "memory_pressure", "network_failure",
    "network_partition", "pause", "second_tier_outage", "service_restart", "slow_second_tier", "thundering_herd",
    "tier_partition",
]  # fmt: skip


def test_all_are_there() -> None:
    """Those that the README names."""
    assert plan.names() == NEEDED


@pytest.mark.parametrize("name", NEEDED)
def test_an_experiment_is_whole(name: str) -> None:
    """Chaos Toolkit takes it, it asks one question, has a hypothesis, rolls back, and says what must hold."""
    experiment = plan.read(plan.find(name))
    ensure_experiment_is_valid(experiment)
    planned = plan.plan(experiment, name)
    assert planned.question.endswith("?")
    scenario(planned.load.scenario)
    parse(planned.load.workload)
    assert experiment["steady-state-hypothesis"]["probes"]
    assert [each["provider"]["func"] for each in experiment["rollbacks"]] == ["heal"]
    for each in experiment["method"]:
        assert hasattr(actions, each["provider"]["func"])
    for each in experiment["steady-state-hypothesis"]["probes"]:
        assert hasattr(probes, each["provider"]["func"])
    needs_tier = any(
        each["provider"].get("arguments", {}).get("link") == "second-tier"
        or each["provider"].get("arguments", {}).get("of") == "second_tier"
        for each in experiment["method"]
    )
    assert needs_tier == ("second_tier" in planned.needs)


def test_the_nearest_name_is_told() -> None:
    """A slip is told as that."""
    with pytest.raises(UsageError, match="did you mean 'network_partition'"):
        plan.find("network_partitoin")
    with pytest.raises(UsageError, match="there are cascade"):
        plan.find("zzz")
    with pytest.raises(UsageError, match=r"there is no file nowhere\.yaml"):
        plan.find("nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: a\nmethod: [\n", r"it\.yaml:3: "),
        ("title: a: b\n", r"it\.yaml:1: mapping values"),
        ("- 1\n", "no experiment"),
        ("title: a\n", "does not say what must hold"),
        ("title: a\nextensions: [{name: cachegate, question: q}]\n", r"extensions\.cachegate\.holds: Field required"),
        ("title: a\nextensions: [{name: cachegate, question: q, holds: {}}]\n", "recovers_within"),
        (
            "title: a\nextensions: [{name: cachegate, question: q, holds: {recovers_within: 1}, needs: [luck]}]\n",
            "needs",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    """With the line of the file, or the field."""
    path = tmp_path / "it.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said) as raised:
        plan.plan(plan.read(path), "it")
    assert "\n" not in str(raised.value)
