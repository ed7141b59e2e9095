"""From a trace to requests: what is recorded is asked, unless the user says otherwise; no more is read than needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import UsageError
from harness.measure.generate import draw
from harness.measure.recorded import MAX_RECORDED_BYTES, parts
from harness.measure.requests import DELETE, GET, SET
from harness.measure.traces import FOREVER_MS
from harness.measure.workload import MAX_TRACE_WARMUP, Trace, parse

TWITTER = """\
10,a,1,120,7,get,0
10,b,1,130,7,set,60
9,a,1,9999999,7,add,0
15,b,1,0,7,get,0
16,b,1,0,7,delete,0
"""


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(TWITTER)
    return path


def test_a_trace_of_keys_becomes_look_aside_reads(tmp_path: Path) -> None:
    """Keys are renumbered, a fifth of the accesses warms up, capacity is a tenth of the keys."""
    path = tmp_path / "t.trace"
    path.write_bytes(np.arange(1000, dtype=">i4").tobytes())
    requests = draw(parse(f"trace:{path}"), 10_000)
    assert (requests.op == GET).all()
    assert requests.look_aside
    assert (requests.warmup, requests.measurable, requests.capacity) == (200, 800, 100)
    assert draw(parse(f"trace:{path}?warmup_share=0"), 100).measurable == 100
    assert requests.time_ns[:3].tolist() == [0, 10_000_000, 20_000_000]


def test_what_is_asked_of_web07_is_what_it_was(web07: Path) -> None:
    """Stored results refer to the digest; this one is of the version that read cache2k alone, whole."""
    requests = draw(parse(f"trace:{web07}"), 60_000)
    assert requests.digest() == "d33da5ffb82799989579671f6f12ec362139c9ffe08d43965360adb056de018f"


def test_what_is_recorded_is_asked(csv: Path) -> None:
    """Operations, sizes, times and ttls; times never decrease; sizes end where memcached's do."""
    requests = draw(parse(f"trace:{csv}?warmup_share=0"), 100)
    assert requests.op.tolist() == [GET, SET, SET, GET, DELETE]
    assert requests.key.tolist()[0] == requests.key.tolist()[2] != requests.key.tolist()[1]
    assert requests.size.tolist() == [120, 130, MAX_RECORDED_BYTES, 0, 0]
    assert requests.ttl_ms.tolist() == [3_600_000, 60_000, FOREVER_MS, 3_600_000, 3_600_000]
    assert (requests.time_ns // 10**9).tolist() == [0, 0, 0, 5, 6]
    assert not requests.look_aside
    assert requests.needs == ("DELETE", "TTL")


def test_what_the_user_sets_outranks_it(csv: Path) -> None:
    """Each field by itself."""
    spec = f"trace:{csv}?warmup_share=0&value_bytes=7&ttl_seconds=2&rate_per_second=10&look_aside=true&capacity=5"
    requests = draw(parse(spec), 100)
    assert set(requests.size.tolist()) == {7}
    assert set(requests.ttl_ms.tolist()) == {2000}
    assert (requests.time_ns // 10**6).tolist() == [0, 100, 200, 300, 400]
    assert requests.look_aside
    assert requests.capacity == 5
    assert requests.op.tolist() == [GET, SET, SET, GET, DELETE]


def test_a_trace_that_only_reads_is_look_aside(tmp_path: Path) -> None:
    """Unless the user says no: then nothing is ever written."""
    path = tmp_path / "t.csv"
    path.write_text("1,a,1,5,1,get,0\n2,a,1,5,1,gets,0\n")
    assert draw(parse(f"trace:{path}"), 10).look_aside
    assert not draw(parse(f"trace:{path}?look_aside=false"), 10).look_aside


def test_a_trial_reads_no_more_than_it_needs(tmp_path: Path) -> None:
    """Damage behind that is not met; the warm-up is a share of the whole trace, so it may need some of it."""
    path = tmp_path / "t.trace"
    keys = np.arange(2 * MAX_TRACE_WARMUP * 5, dtype=">i4").tobytes()
    path.write_bytes(keys + b"!")
    assert draw(parse(f"trace:{path}?warmup_share=0"), 100).measurable == 100
    requests = draw(parse(f"trace:{path}"), 1000)
    assert (requests.warmup, requests.measurable) == (MAX_TRACE_WARMUP, 1000)
    with pytest.raises(UsageError, match="truncated"):
        draw(parse(f"trace:{path}"), 10**7)


def test_times_go_on_from_chunk_to_chunk(tmp_path: Path) -> None:
    """Paced or recorded, a chunk goes on where the last one ended; no chunk goes back."""
    path = tmp_path / "t.csv"
    path.write_text("".join(f"{100 - i // 1000},key{i % 10},4,1,1,get,0\n" for i in range(30_000)))
    for spec in (f"trace:{path}", f"trace:{path}?rate_per_second=100"):
        workload = parse(spec)
        assert isinstance(workload, Trace)
        found = list(parts(workload))
        assert len(found) > 1
        time_ns = np.concatenate([part.time_ns for part in found])
        assert (np.diff(time_ns) >= 0).all()
    assert time_ns[-1] == 299_990_000_000


def test_a_ttl_that_nobody_gives_can_be_endless(csv: Path) -> None:
    """For references that know no ttl; one that is recorded or set stays."""
    for spec, expected in ((f"trace:{csv}", 60_000), (f"trace:{csv}?ttl_seconds=5", 5000)):
        workload = parse(spec)
        assert isinstance(workload, Trace)
        (part,) = parts(workload, default_ttl_ms=FOREVER_MS)
        assert part.ttl_ms.tolist()[1] == expected
    (part,) = parts(Trace(name="t", title="t", path=csv), default_ttl_ms=FOREVER_MS)
    assert part.ttl_ms.tolist()[0] == FOREVER_MS


@pytest.mark.parametrize("field", ["ttl_seconds=1e7", "value_bytes=999999999", "ttl_seconds=0.0001"])
def test_fields_that_do_not_fit_are_refused(csv: Path, field: str) -> None:
    """Before anything overflows or is rounded to nothing."""
    with pytest.raises(UsageError, match=field.split("=", maxsplit=1)[0]):
        parse(f"trace:{csv}?{field}")


def test_an_unknown_format_is_refused_at_once(csv: Path) -> None:
    """With the nearest one."""
    with pytest.raises(UsageError, match=r"no trace format 'twiter'; did you mean 'twitter'\?"):
        parse(f"trace:{csv}?format=twiter")
    assert draw(parse(f"trace:{csv}?format=Twitter"), 10).measurable > 0
