"""Experiment files: ours are whole, and what is wrong in one is told in a line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from harness.chaos import actions, experiment_file, plan, probes
from harness.chaos.methods import look_through
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
    experiment = experiment_file.read(plan.find(name))
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
    assert look_through(experiment, name) <= set(planned.needs)
    gaps = [each.get("pauses", {}).get("after", 0) for each in experiment["method"] if not each.get("background")]
    assert all(gap == 0 or gap < 1.1 or gap >= planned.holds.recovers_within + 0.5 for gap in gaps[:-1])


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
        plan.plan(experiment_file.read(path), "it")
    assert "\n" not in str(raised.value)


def changed(**changes: Any) -> dict[str, Any]:
    """A whole experiment with something else in it; None takes it away."""
    experiment = experiment_file.read(plan.find("pause")) | changes
    return {key: value for key, value in experiment.items() if value is not None}


def action(func: str, **arguments: Any) -> list[dict[str, Any]]:
    """A method of one action."""
    provider = {"type": "python", "module": "harness.chaos.actions", "func": func, "arguments": arguments}
    return [{"type": "action", "name": "it", "provider": provider}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": None}, "title"),
        ({"title": dt.date(2026, 1, 1)}, "title"),
        ({"controls": None}, "controls"),
        ({"controls": [{"name": "x", "provider": None}]}, "controls"),
        ({"controls": [{"name": "x", "provider": {"type": "python", "module": "json"}}]}, "lack the module"),
        ({"extensions": 5}, "extensions"),
        ({"configuration": "abc"}, "configuration"),
        ({"steady-state-hypothesis": "abc"}, "steady-state"),
        ({"steady-state-hypothesis": None}, "steady-state"),
        ({"rollbacks": "abc"}, "rollbacks"),
        ({"method": "abc"}, "method"),
        ({"method": [1]}, "method"),
        ({"method": []}, "method"),
        ({"method": action("heal")}, "breaks nothing"),
        ({"method": action("explode")}, "there is no 'explode'"),
        ({"method": action("cut", link="nolink")}, "link"),
        ({"method": action("cut", how="swalow")}, "how"),
        ({"method": action("cut", direction="sideways")}, "direction"),
        ({"method": action("cut", second=1)}, "second: Extra"),
        ({"method": action("cut", seconds=-5)}, "seconds"),
        ({"method": action("cut", seconds="abc")}, "seconds"),
        ({"method": action("cut", seconds=float("inf"))}, "seconds"),
        ({"method": action("toxic", kind="latncy")}, "kind"),
        ({"method": action("toxic", kind="latency", attributes={"rate": 1})}, "latency has no 'rate'"),
        ({"method": action("ballast", mb=0)}, "mb"),
        ({"method": action("step_clock")}, "by_seconds: Field required"),
    ],
)
def test_a_file_that_would_not_work_is_refused_before_anything_starts(changes: dict[str, Any], said: str) -> None:
    """In a line that says where."""
    with pytest.raises(UsageError, match=said) as raised:
        look_through(changed(**changes), "it")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        (action("cut"), set()),
        (action("cut", link="second-tier"), {"second_tier"}),
        (action("flush"), {"own_process"}),
        (action("pause"), {"own_process"}),
        (action("restart", of="second_tier"), {"own_second_tier"}),
        (action("stall"), {"own_process"}),
        (action("limit_container"), {"own_process", "memory_bound", "container"}),
        (action("ballast", mb=5), {"own_host"}),
    ],
)
def test_what_a_method_needs_is_known_whatever_its_file_says(method: list[dict[str, Any]], wanted: set[str]) -> None:
    """So nobody else's server is flushed or stopped."""
    assert look_through(changed(method=method), "it") == wanted
