"""Recorded accesses: read, and refused with a reason."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UsageError
from harness.measure.generate import draw
from harness.measure.requests import GET
from harness.measure.traces import read_accesses
from harness.measure.workload import parse

KEYS = [5, 1, 2, 5, 5, -7, 2]
DATA = np.array(KEYS, dtype=">i4").tobytes()


@pytest.mark.parametrize(
    ("name", "data"), [("t.trace", DATA), ("t.trace.gz", gzip.compress(DATA)), ("t.trace.xz", lzma.compress(DATA))]
)
def test_cache2k_is_big_endian_int32(tmp_path: Path, name: str, data: bytes) -> None:
    """Plain or compressed, the same keys come out in order."""
    (tmp_path / name).write_bytes(data)
    assert read_accesses(tmp_path / name).tolist() == KEYS


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.trace", b"", "empty"),
        ("t.trace", DATA[:-1], "truncated"),
        ("t.trace.xz", lzma.compress(DATA)[:-5], "cannot be read"),
        ("t.trace.gz", gzip.compress(DATA)[:-5], "cannot be read"),
        ("t.trace.xz", b"not xz at all", "cannot be read"),
        ("t.trace", b"0\n1\n2\n3\n", "this is text"),
    ],
)
def test_a_damaged_trace_is_a_usage_error(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    """Unreadable, truncated, empty and foreign files each say so."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=message):
        read_accesses(tmp_path / name)


def test_a_missing_trace_is_a_usage_error(tmp_path: Path) -> None:
    """A folder is no trace either."""
    with pytest.raises(UsageError, match="cannot be read"):
        read_accesses(tmp_path)


def test_a_trace_becomes_look_aside_reads(tmp_path: Path) -> None:
    """Keys are renumbered, a fifth of the accesses warms up, capacity is a tenth of the keys."""
    path = tmp_path / "t.trace"
    path.write_bytes(np.arange(1000, dtype=">i4").tobytes())
    requests = draw(parse(f"trace:{path}"), 10_000)
    assert (requests.op == GET).all()
    assert requests.look_aside
    assert (requests.warmup, requests.measurable, requests.capacity) == (200, 800, 100)
    assert draw(parse(f"trace:{path}?warmup_share=0"), 100).measurable == 100


def test_web07_is_the_published_trace(web07: Path) -> None:
    """76,118 accesses to 20,484 keys, as its README says."""
    accesses = read_accesses(web07)
    assert len(accesses) == 76_118
    assert len(np.unique(accesses)) == 20_484


@pytest.mark.parametrize("field", ["ttl_seconds=1e7", "value_bytes=999999999", "ttl_seconds=0.0001"])
def test_fields_that_do_not_fit_are_refused(tmp_path: Path, field: str) -> None:
    """Before anything overflows or is rounded to nothing."""
    (tmp_path / "t.trace").write_bytes(DATA)
    with pytest.raises(UsageError, match=field.split("=", maxsplit=1)[0]):
        parse(f"trace:{tmp_path}/t.trace?{field}")
