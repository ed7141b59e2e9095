"""An experiment's file of somebody else's: bounded when it is read, and told of when it brings code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.chaos import experiment_file, plan
from harness.chaos.experiment_file import MOST_BYTES, code_of_its_own, read
from harness.errors import UsageError

OURS = {"type": "python", "module": "harness.chaos.actions", "func": "pause"}


def doubled(levels: int, merged: str = "") -> str:
    """A list of lists of lists, each twice the one before: a few lines for 2**levels parts."""
    rows = ["a0: &a0 {x0: 1}"]
    for level in range(levels):
        inside = f"{{<<: [*a{level}, *a{level}], x{level + 1}: 1}}" if merged else f"[*a{level}, *a{level}]"
        rows.append(f"a{level + 1}: &a{level + 1} {inside}")
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (doubled(40), "parts once its aliases are followed"),
        (doubled(40, "merged"), "parts once its aliases are followed"),
        ("a: &a [*a]", "parts once its aliases are followed"),
        ("a: &a {b: *a}", "parts once its aliases are followed"),
        ("a: &a {<<: *a}", "parts once its aliases are followed"),
        ("[" * 50_000, "nested too deep"),
        ("{a: " * 50_000, "nested too deep"),
        ("a: " + "x" * MOST_BYTES, "longer than 256 KiB"),
        ("a: 2024-13-45", "month must be in"),
        ("a: " + "9" * 10_000, "digits"),
        ("a: !!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("a: \x00", "not allowed"),
    ],
)
def test_what_would_fill_the_machine_is_a_line(tmp_path: Path, text: str, said: str) -> None:
    """Before it does; and nothing in it is made that is not plain."""
    path = tmp_path / "it.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_aliases_may_be_used(tmp_path: Path) -> None:
    """As people do."""
    path = tmp_path / "it.yaml"
    path.write_text("base: &base {a: 1}\nboth: [*base, {<<: *base, b: 2}]\n")
    assert read(path) == {"base": {"a": 1}, "both": [{"a": 1}, {"a": 1, "b": 2}]}


@pytest.mark.parametrize("name", plan.names())
def test_ours_bring_no_code(name: str) -> None:
    """They name what comes with Cachegate alone."""
    assert not code_of_its_own(read(plan.find(name)))


@pytest.mark.parametrize(
    "provider",
    [
        {"type": "process", "path": "sh", "arguments": "-c id"},
        {"type": "http", "url": "http://127.0.0.1/"},
        {"type": "python", "module": "os", "func": "system"},
        OURS | {"type": "process"},
        OURS | {"func": "current"},
        OURS | {"module": "harness.chaos.proxy_server", "func": "start_process"},
        OURS | {"module": "harness.chaos.actions.x"},
        OURS | {"module": "harness.chaos.probes", "func": "target"},
        OURS | {"module": "theirs", "func": "pause"},
        OURS | {"func": ["pause"]},
        "python",
        None,
    ],
)
def test_code_is_seen_wherever_it_stands(provider: Any) -> None:
    """In the method, the rollbacks, the hypothesis, a tolerance, a control, a configuration that is probed."""
    activity = {"type": "action", "name": "it", "provider": provider}
    for each in (
        {"method": [activity]},
        {"rollbacks": [activity]},
        {"steady-state-hypothesis": {"probes": [{"tolerance": activity, "provider": OURS}]}},
        {"controls": [{"name": "c", "provider": provider}]},
        {"configuration": {"x": activity}},
        {"method": [{"provider": OURS, "controls": [{"provider": provider}]}]},
    ):
        assert code_of_its_own(each)
        assert not code_of_its_own({"method": [{"provider": OURS}]})


def test_where_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, before anything of the file is imported or run; of ours nothing is said."""
    session = pytest.importorskip("harness.session_chaos")
    from harness.cli import main  # slow to import

    heard: list[str] = []

    def stop(*_: object) -> None:
        heard.append(capsys.readouterr().err)
        raise UsageError("stopped here")

    monkeypatch.setattr(session, "chaos", stop)
    theirs = tmp_path / "theirs.yaml"
    theirs.write_text("method: [{provider: {type: python, module: theirs, func: f}}]")
    for experiment in (str(theirs), "pause"):
        capsys.readouterr()
        monkeypatch.setattr("sys.argv", ["cachegate", "chaos", experiment, "improved"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 4
    assert heard == [f"{theirs} names code of its own: run only files of people you trust\n", ""]
    assert experiment_file.OURS[0] == "harness.chaos.actions"
