"""What is read of locust's processes: a broken result is one line, and a report that is none is left out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.load import result
from harness.load.histogram import Times
from harness.load.samples import Samples
from harness.load.totals import Totals


def times() -> dict[str, Any]:
    """Three of them."""
    found = Times()
    found.add(np.array([1_000, 5_000_000, 5_000_000], dtype=np.int64))
    return found.to_plain()


def digest() -> dict[str, Any]:
    """Of a process that made four requests."""
    samples = Samples(1)
    for outcome in (0, 0, 0, 1):
        samples.rows.extend((2, 0, 7, 3, -1, 1, 0, 1_000, 9_000, outcome))
    samples.failed(0, 0, "error reply", "ERR no")
    return samples.digest(samples.take())


def said(folder: Path) -> dict[str, Any]:
    """The last words of a process."""
    phase = {"name": "soak", "number": 1, "rate": 10.0, "began": 1.0, "ended": 2.0, "active_seconds": [1.0]}
    words = {"pid": 3, "boot": "b", "users": 2, "lost_connections": 0, "history": str(folder / "users-0.npz")}
    return words | {"phases": [phase | {"late": times(), "cut_short": False}]}


def whole(folder: Path) -> dict[str, Any]:
    """A result as `Totals` gives it."""
    totals = Totals()
    totals.add(digest())
    totals.ended(0, said(folder))
    return json.loads(json.dumps({"orders": {"scenario": "soak", "targets": ["resp://a:1"]}} | totals.result()))  # type: ignore[no-any-return]  # it is a dict


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    """All of it."""
    path = tmp_path / "result.json"
    path.write_text(json.dumps(whole(tmp_path)))
    assert result.read(path, tmp_path) == whole(tmp_path)
    assert result.read(tmp_path / "absent", tmp_path) is None


@pytest.mark.parametrize(
    "change",
    [
        {"orders": None},
        {"orders": {"targets": []}},
        {"workers": [{"worker": 0}]},
        {"series": [{"time": "now"}]},
        {"counts": {"first": {}}},
        {
            "times": {
                "2/get": {"service": {"places": [10**12], "counts": [1]}, "response": {"places": [], "counts": []}}
            }
        },
        {
            "times": {
                "2/get": {"service": {"places": [2, 1], "counts": [1, 1]}, "response": {"places": [], "counts": []}}
            }
        },
        {"stray": 1},
    ],
)
def test_a_broken_result_is_one_line(tmp_path: Path, change: dict[str, Any]) -> None:
    """Where it is broken, and no more of what stands in it."""
    path = tmp_path / "result.json"
    path.write_text(json.dumps(whole(tmp_path) | change))
    with pytest.raises(HarnessError, match="locust's result is broken: ") as caught:
        result.read(path, tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_no_result_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of one, too much, another kind of file, a link to another."""
    path = tmp_path / "result.json"
    text = json.dumps(whole(tmp_path))
    path.write_text(text[: len(text) // 2])
    with pytest.raises(HarnessError, match="is broken"):
        result.read(path, tmp_path)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(HarnessError, match="cannot be read"):
        result.read(link, tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(HarnessError, match="is no file"):
        result.read(tmp_path / "pipe", tmp_path)
    monkeypatch.setattr(result, "_MOST_BYTES", 100)
    with pytest.raises(HarnessError, match="is larger than"):
        result.read(path, tmp_path)


def test_a_history_is_in_the_folder_of_the_run(tmp_path: Path) -> None:
    """No other file is read as one."""
    path = tmp_path / "result.json"
    found = whole(tmp_path)
    found["workers"][0]["history"] = str(tmp_path / "sub" / ".." / "users-1.npz")
    path.write_text(json.dumps(found))
    with pytest.raises(HarnessError, match="the history of worker 0 is not in its folder"):
        result.read(path, tmp_path)


def test_reports_of_workers(tmp_path: Path) -> None:
    """What they send is taken, what they cannot have sent is not."""
    assert result.is_told(digest())
    assert result.is_told({"ended": 0, "said": said(tmp_path)})
    for wrong in (
        None,
        3,
        {},
        {"ended": -1, "said": said(tmp_path)},
        {"ended": 0, "said": {}},
        digest() | {"loads": -1},
    ):
        assert not result.is_told(wrong)
