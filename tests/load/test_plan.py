"""Scenarios and targets: what is there, and what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from harness.errors import UsageError
from harness.load.plan import CONDITIONS, FOLDER, Scenario, is_target, names, scenario, target
from harness.measure.workload import parse
from harness.passwords import shown

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


@pytest.mark.parametrize(
    ("text", "user", "password"),
    [
        ("valkey://:p%40s%2Fs%3A%3F@h:6379/0", "", "p@s/s:?"),
        ("resp://me:pw@[::1]:6379", "me", "pw"),
        ("redis://me:a:b@h:6379", "me", "a:b"),
        ("resp://:%FF@h:6379", "", "\udcff"),
        ("resp://:a?b@h:6379", "", "a?b"),
        ("resp://:a@b@h:6379", "", "a@b"),
    ],
)
def test_a_password_travels_in_the_address(text: str, user: str, password: str) -> None:
    """Percent-encoded; a proxy's address has it too, and what people read does not."""
    found = target(text)
    assert (found.user, found.password) == (user, password)
    through = target(found.through("127.0.0.1", 1))
    assert (through.address, through.port, through.credentials) == ("127.0.0.1", 1, found.credentials)
    assert found.text == text.replace(text[text.index("://") + 3 : text.rindex("@") + 1], "")
    assert password not in repr(found).replace("resp", "")


def test_without_a_password_there_are_no_credentials() -> None:
    """An empty one is one."""
    assert target("resp://h:1").credentials == ()
    assert target("resp://:@h:1").credentials == (b"",)
    assert target("resp://me:pw@h:1").credentials == (b"me", b"pw")


@pytest.mark.parametrize(
    "text", ["resp://pw@h:1", "resp://:p/w@h:1", "resp://:pw@h", "valkey://:pw@h:1/3", "resp://:pw@"]
)
def test_a_wrong_address_is_told_without_its_password(text: str) -> None:
    """In one line with what to write."""
    with pytest.raises(UsageError, match="write resp://:PASSWORD@") as told:
        target(text)
    assert "pw" not in str(told.value)
    assert "p/w" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("valkey://:pw@h:1/0", "valkey://h:1/0"),
        ("hierarchy?l2=valkey%3A%2F%2F%3Ap%2540w%40h%3A1&l1=legacy", "hierarchy?l2=valkey%3A%2F%2Fh%3A1&l1=legacy"),
        ("hierarchy?l2=resp://:pw@h:1", "hierarchy?l2=resp://h:1"),
        ("no cache 'redis://me:p@w@h:1'", "no cache 'redis://h:1'"),
        ("improved?max_memory_mb=64", "improved?max_memory_mb=64"),
        ("valkey://127.0.0.1:6379/0 answered me@example", "valkey://127.0.0.1:6379/0 answered me@example"),
    ],
)
def test_what_people_read_has_no_password(text: str, seen: str) -> None:
    """Wherever an address stands."""
    assert shown(text) == seen
