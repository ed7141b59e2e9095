"""A workload as a folder of columns: whole, counted, cut where it is asked to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import UsageError
from harness.hitratio.asking import Asked, prepare
from harness.hitratio.columns import CHUNK
from harness.measure.generate import draw
from harness.measure.requests import DELETE, GET, SET
from harness.measure.workload import parse


def asked(spec: str, folder: Path, requests: int | None = None) -> Asked:
    return prepare(parse(spec), requests, folder, lambda _line: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "columns"
    path.mkdir()
    return path


def csv(tmp_path: Path, rows: str) -> str:
    (tmp_path / "t.csv").write_text(rows)
    return f"trace:{tmp_path}/t.csv"


def test_a_trace_is_asked_whole(tmp_path: Path, folder: Path) -> None:
    """No warm-up is left out; ids are dense; what is not recorded does not expire; a tenth of the keys has room."""
    keys = np.random.default_rng(1).integers(0, 5000, 3 * CHUNK + 11)
    (tmp_path / "t.trace").write_bytes(keys.astype(">i4").tobytes())
    found = asked(f"trace:{tmp_path}/t.trace", folder)
    assert (found.gets, found.sets, found.deletes, found.preload) == (len(keys), 0, 0, 0)
    assert found.folder.look_aside
    assert not found.expires
    assert not found.cut
    assert found.answerable == len(keys) - 5000
    assert found.default_capacity == 500
    assert found.seconds == pytest.approx((len(keys) - 1) / 100)
    ids = list(found.folder.stream("key"))
    _, first = np.unique(keys, return_index=True)
    assert max(ids) == found.folder.distinct_keys - 1 == 4999
    assert [ids[i] for i in sorted(first)] == list(range(5000))
    assert found.folder.keys(0, 1) == ["trace:0000000000"]
    assert found.folder.column("size", 0, 3) == [0, 0, 0]
    found.folder.close()


def test_a_trace_can_be_cut(tmp_path: Path, folder: Path) -> None:
    """Its first requests are those of the whole, and it is said that there are more."""
    path = csv(tmp_path, "".join(f"{i},k{i % 7},2,1,1,get,0\n" for i in range(100)))
    found = asked(path, folder, 30)
    assert (found.folder.requests, found.cut, found.seconds) == (30, True, 29.0)
    assert not asked(path, folder, 100).cut
    assert list(asked(path, folder, 1).folder.stream("key")) == [0]


def test_a_trace_with_writes_is_not_look_aside(tmp_path: Path, folder: Path) -> None:
    """Its fills are recorded; a ttl that runs out within its time is told, of what is really written."""
    rows = "0,a,1,1,1,set,5\n4,a,1,1,1,get,0\n{last},a,1,1,1,delete,0\n"
    found = asked(csv(tmp_path, rows.format(last=5)), folder)
    assert not found.folder.look_aside
    assert found.expires
    assert (found.gets, found.sets, found.deletes, found.answerable) == (1, 1, 1, 1)
    assert not asked(csv(tmp_path, rows.format(last=4)), folder).expires
    assert not asked(csv(tmp_path, rows.format(last=5)) + "?ttl_seconds=6", folder).expires
    assert asked(csv(tmp_path, "0,a,1,1,1,get,0\n9,a,1,1,1,get,0\n") + "?ttl_seconds=6", folder).expires


def test_a_preset_is_asked_as_it_is(folder: Path) -> None:
    """Its preload, its mix, its ttls: the requests are those that it draws."""
    found, drawn = asked("churn", folder, 1000), draw(parse("churn"), 1000)
    for name in ("op", "key", "ttl_ms", "time_ns"):
        assert list(found.folder.stream(name)) == getattr(drawn, name).tolist()
    assert found.preload == drawn.preload == 5000
    counts = [int((drawn.op == code).sum()) for code in (GET, SET, DELETE)]
    assert [found.gets, found.sets, found.deletes] == counts
    assert found.default_capacity == drawn.capacity
    assert found.expires


def test_the_digest_is_of_what_is_asked(tmp_path: Path, folder: Path) -> None:
    """The same requests have the same one, others another."""
    path = csv(tmp_path, "0,a,1,1,1,get,0\n9,b,1,1,1,get,0\n")
    assert asked(path, folder).digest == asked(path, folder).digest
    assert asked(path, folder).digest != asked(path, folder, 1).digest
    assert asked(path, folder).digest != asked(f"{path}?look_aside=false", folder).digest


def test_a_workload_that_reads_nothing_has_no_hit_ratio(tmp_path: Path, folder: Path) -> None:
    """One line says so."""
    with pytest.raises(UsageError, match="reads nothing, so there is no hit ratio"):
        asked(csv(tmp_path, "0,a,1,1,1,set,5\n"), folder)
