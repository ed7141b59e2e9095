"""`hitratio` as its user meets it, with the caches' processes under it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import numpy as np
import psutil
import pytest
from conftest import ROOT, ZOO

import harness
from harness import cli

BROKEN, CACHES = ZOO / "broken.py", Path(__file__).parent / "caches.py"
SCHEMA = Path(harness.__file__).parent / "schemas" / "hitratio.json"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, in a folder with small traces: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    keys = np.random.default_rng(1).zipf(1.3, 6000) % 300
    (tmp_path / "t.trace").write_bytes(keys.astype(">i4").tobytes())
    (tmp_path / "lirs.txt").write_text("*\n" + "\n".join(map(str, [1, 2, 3, 1, 2, 3])))

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli._run(["hitratio", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def document(run: Run, *arguments: object) -> dict[str, Any]:
    code, out, _ = run(*arguments, "--seed", "1", "--json", "-")
    found: dict[str, Any] = json.loads(out)
    assert found["exit_code"] == code
    return found


def rows(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [row for row in found["rows"] if row["name"] == name]


def test_ours_on_a_trace(run: Run) -> None:
    """A table with LRU, the caches and the optimal, differences in points, and a document that validates."""
    code, out, _ = run(
        "improved?num_shards=1", "legacy?num_shards=1", "-w", "trace:t.trace", "--capacity", "40,20", "--seed", "1",
        "--json", "out.json", "--junit", "out.xml", "--markdown", "out.md",
    )  # fmt: skip
    assert code == 0, out
    assert out.startswith("PROCEED  every answer was right; improved?num_shards=1 ")
    assert "6,000 accesses (all reads, a miss is followed by a write) to" in out
    table = [line.split() for line in out.splitlines()]
    assert ["hit", "ratio", "at", "20", "40"] in table
    found = json.loads(Path("out.json").read_text())
    jsonschema.validate(found, json.loads(SCHEMA.read_text()))
    for lru, ours, best in zip(*(rows(found, n) for n in ("LRU", "legacy?num_shards=1", "optimal")), strict=True):
        assert ours["hit_ratio"] == lru["hit_ratio"]  # one shard of it is an LRU
        assert ours["held"] == ours["capacity"]
        assert 0 < ours["hit_ratio"] < best["hit_ratio"] <= found["workloads"][0]["compulsory_limit"] < 1
        assert best["against_lru"] == pytest.approx(best["hit_ratio"] - lru["hit_ratio"])
        text = f"{best['hit_ratio']:.4f} {best['against_lru'] * 100:+6.2f}"
        assert text in out
        assert text in Path("out.md").read_text()
    caches = [row for row in found["rows"] if row["kind"] == "cache"]
    for row in caches:
        others = [other["hit_ratio"] for other in caches if other["capacity"] == row["capacity"]]
        assert row["best"] == (row["hit_ratio"] == max(others))
    suite = ET.fromstring(Path("out.xml").read_text())
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("5", "0")


def test_a_preset_and_its_own_capacity(run: Run) -> None:
    """Without --capacity; ttls that run out are said to be nothing that the references know."""
    found = document(run, "improved", "-w", "churn", "-w", "trace:lirs.txt", "--requests", "2000")
    assert found["exit_code"] == 0
    churn, lirs = found["workloads"]
    assert (churn["requests"], churn["preload"], churn["capacities"]) == (7000, 5000, [5000])
    assert (lirs["requests"], lirs["distinct_keys"], lirs["capacities"]) == (6, 3, [1])
    assert lirs["compulsory_limit"] == 0.5
    assert churn["ttls_run_out"]
    assert any("LRU and optimal know no ttl" in each["message"] for each in found["warnings"])


@pytest.mark.parametrize(
    ("spec", "kind", "example"),
    [
        (f"{CACHES}:Lies", "wrong answer", "answered '1.trace:"),
        (f"{BROKEN}:RaisesSometimes", "error", "raised KeyError"),
        (f"{BROKEN}:RaisesAlways", "error", "raised ConnectionError"),
        (f"{BROKEN}:Dies", "crash", "exit code 7"),
        (f"{BROKEN}:IsKilled", "crash", "signal 9"),
        (f"{CACHES}:SizeRaises", "error", "size() raised OSError: disk is away"),
        (f"{CACHES}:ShutdownRaises", "error", "shutdown() raised OSError: disk is away"),
    ],
)
def test_a_cache_that_lies_or_fails_is_found(run: Run, spec: str, kind: str, example: str) -> None:
    """Exit code 1, what it did, and no hit ratio; the cache beside it has one. A correct twin passes above."""
    found = document(run, spec, "improved", "-w", "trace:t.trace", "--capacity", "20,30")
    assert (found["verdict"], found["exit_code"]) == ("rollback", 1)
    first = found["incidents"][0]
    assert (first["cache"], first["kind"], first["capacity"]) == (spec, kind, 20)
    assert example in first["example"]
    assert [row["hit_ratio"] for row in rows(found, spec)] == [None, None]
    assert all(row["best"] for row in rows(found, "improved"))


def test_an_expired_answer_is_a_lie(run: Run) -> None:
    """Time passes as the workload says, and every ttl that it sets is judged."""
    spec = f"{BROKEN}:NeverExpires"
    found = document(run, spec, "improved", "-w", "trace:t.trace?ttl_seconds=5", "--capacity", "50")
    assert found["exit_code"] == 1
    assert {each["cache"] for each in found["incidents"]} == {spec}


@pytest.mark.slow
def test_a_cache_that_hangs_is_ended(run: Run) -> None:
    """After its limit, once: its other capacities are not tried."""
    spec = f"{BROKEN}:Hangs"
    found = document(run, spec, "-w", "trace:t.trace", "--capacity", "20,30", "--trial-limit", "1s")
    assert found["exit_code"] == 1
    assert [each["example"] for each in found["incidents"]] == ["it hung: more than 1 s for 2,000 requests"]
    assert rows(found, spec)[1]["note"] == "not asked, because it died before"


@pytest.mark.parametrize(
    ("spec", "note"),
    [
        (f"{CACHES}:HoldsTwice", "it held 40 entries"),
        (f"{CACHES}:HoldsTwiceUnseen", "it hits more than a cache of this capacity can"),
        (f"{CACHES}:Sizeless", "it has no size, so nobody saw whether it kept to its bound"),
        ("improved?max_entries=300", "its spec sets a bound of its own, 300"),
        ("null", "it takes no bound; it held 0 entries"),
    ],
)
def test_what_does_not_keep_to_the_capacity_is_not_compared(run: Run, spec: str, note: str) -> None:
    """It is measured, marked in the table, told why, and never the best, whatever it hits."""
    trace = "trace:lirs.txt" if "Unseen" in spec else "trace:t.trace"
    capacity = 2 if "Unseen" in spec else 20
    found = document(run, spec, "legacy?num_shards=1", "-w", trace, "--capacity", capacity)
    assert found["exit_code"] == 0
    (row,), (other,) = rows(found, spec), rows(found, "legacy?num_shards=1")
    assert (row["note"], row["comparable"], row["best"]) == (note, False, False)
    assert row["hit_ratio"] is not None
    assert other["best"]
    assert any(spec in each["message"] and note in each["message"] for each in found["warnings"])
    assert f"!{row['hit_ratio']:.4f}" in run(spec, "-w", trace, "--capacity", capacity, "--seed", 1)[1]


def test_what_a_cache_lacks_is_skipped_aloud(run: Run) -> None:
    """A workload with deletes and ttls on a cache without: nothing measured is 5, part of it is 2."""
    spec = f"{CACHES}:Sizeless"
    found = document(run, spec, "-w", "churn", "--requests", "2000")
    assert (found["verdict"], found["exit_code"]) == ("inconclusive", 5)
    assert "it has no delete() and no ttl of its own" in found["reason"]
    found = document(run, spec, "improved", "-w", "churn", "--requests", "100")
    assert (found["verdict"], found["exit_code"]) == ("inconclusive", 2)


def test_what_a_cache_prints_reaches_nobody(run: Run) -> None:
    """Neither the report nor the harness, which listens elsewhere."""
    code, out, _ = run(f"{CACHES}:Prints", "-w", "trace:t.trace", "--capacity", "20")
    assert code == 0
    assert "event" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'CACHE...'"),
        (["improvd"], "did you mean 'improved'"),
        (["improved?shards=2"], "no parameter 'shards'"),
        (["improved", "--capacity", "0"], "capacity '0': a cache needs room for at least 1 entry"),
        (["improved", "--capacity", "5,,6"], "capacity '5,,6' is not a list of entries"),
        (["improved", "--requests", "0"], "--requests"),
        (["improved", "-w", "trace:none.trace"], "there is no file none.trace"),
        (["improved", "-w", "trace:t.trace?format=lrs"], "no trace format 'lrs'; did you mean 'lirs'?"),
        (["improved", "-w", "trace:bad.txt"], "line 2 holds 'two'; expected a decimal key"),
        (["improved", "-w", "trace:short.trace"], "is it truncated?"),
        (["improved", "--json", "/no/such/folder/x.json"], "there is no folder"),
        (["improved", "--markdown", "-"], "only --json"),
        ([f"{BROKEN}:factory_raises", "-w", "trace:t.trace"], "could not be built"),
    ],
)
def test_bad_input_is_one_line_and_code_4(run: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    """No traceback, and nothing on standard output."""
    (tmp_path / "bad.txt").write_text("1\ntwo\n")
    (tmp_path / "short.trace").write_bytes(bytes(7))
    code, out, err = run(*arguments)
    assert (code, out) == (4, "")
    assert message in err
    assert err.startswith("cachegate: ")
    assert err.count("\n") == 1


def test_a_missing_library_is_told_before_the_workload_is_read(run: Run, tmp_path: Path) -> None:
    """The trace is not there either, and nobody has looked for it yet."""
    (tmp_path / "needs.py").write_text("import a_library_that_is_not_there\n")
    code, _, err = run("improved", f"{tmp_path}/needs.py:make", "-w", "trace:t.trace")
    assert code == 4
    assert "No module named 'a_library_that_is_not_there'" in err


@pytest.mark.slow
def test_an_interrupt_leaves_nothing_running(tmp_path: Path) -> None:
    """^C while a cache answers: code 130, no process, no folder of ours."""
    (tmp_path / "t.txt").write_text("\n".join(str(i % 50) for i in range(500_000)))
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "harness", "hitratio", f"{BROKEN}:Hangs", "-w", "trace:t.txt", "--capacity", "9"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    children: list[psutil.Process] = []
    while not children:
        assert time.monotonic() < deadline
        if list((tmp_path / "tmp").glob("*/next")):  # before that it is only tried out
            children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "nothing is left running" in err
    assert not any(child.is_running() for child in children)
    assert list((tmp_path / "tmp").iterdir()) == []
