"""Requests survive the way to the child."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.measure.generate import draw
from harness.measure.stream import COLUMNS, Stream
from harness.measure.workload import parse


@pytest.mark.parametrize("name", ["churn", "llm"])
def test_the_child_reads_what_the_parent_wrote(tmp_path: Path, name: str) -> None:
    """Every column, every key and the header, over any range of rows."""
    requests = draw(parse(name), 500)
    requests.write(tmp_path / "requests")
    stream = Stream(tmp_path / "requests")
    count = len(requests.op)
    assert (stream.requests, stream.preload, stream.warmup) == (count, requests.preload, requests.warmup)
    assert (stream.look_aside, stream.distinct_keys) == (requests.look_aside, requests.distinct_keys)
    for start, stop in ((0, count), (7, 7), (7, 300), (count - 1, count)):
        for column, _ in COLUMNS:
            assert stream.column(column, start, stop) == getattr(requests, column)[start:stop].tolist()
        keys = [requests.key_format.format(key) for key in requests.key[start:stop].tolist()]
        assert stream.keys(start, stop) == keys


def test_keys_are_fresh_strings(tmp_path: Path) -> None:
    """Two reads give equal strings that are not the same object, as two requests do in life."""
    requests = draw(parse("ycsb-b"), 10)
    requests.write(tmp_path / "requests")
    stream = Stream(tmp_path / "requests")
    (first,), (second,) = stream.keys(0, 1), stream.keys(0, 1)
    assert first == second
    assert first is not second


def test_the_digest_tells_any_change() -> None:
    """Another seed, size, preload or number of requests is another digest."""
    texts = ["ycsb-b", "ycsb-b?seed=1", "ycsb-b?preload=10", "ycsb-b?rate_per_second=5", "ycsb-b?look_aside=true"]
    digests = {draw(parse(text), 100).digest() for text in texts} | {draw(parse("ycsb-b"), 101).digest()}
    assert len(digests) == len(texts) + 1
