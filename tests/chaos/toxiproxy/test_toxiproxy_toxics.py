"""Each toxic on a link in a world that stands still: when what arrives, to the microsecond."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from conftest import ROOT
from worlds import Bench

from harness.chaos.toxiproxy.stage import End, Stage
from harness.chaos.toxiproxy.toxics.behaviour import Behaviour
from harness.chaos.toxiproxy.toxics.registry import KINDS, Kind


@pytest.fixture
def bench() -> Bench:
    """A link."""
    return Bench()


def test_latency_is_a_delay_line(bench: Bench) -> None:
    """What came together leaves together, later; the end does not wait longer than what is before it."""
    toxic = bench.add("latency", latency=100)
    bench.send(b"a")
    bench.world.advance(0.03)
    bench.send(b"b")
    bench.link.finish(End.HALF)
    bench.world.advance(1)
    assert bench.ends.arrived == [(0.1, b"a"), (0.13, b"b")]
    assert bench.ends.ended == [(0.13, End.HALF)]
    assert toxic.acted == [2]


def test_jitter_keeps_the_order(bench: Bench) -> None:
    """Delays differ, within their range, and nobody overtakes."""
    bench.add("latency", latency=100, jitter=50)
    for number in range(50):
        bench.send(bytes([number]))
        bench.world.advance(0.2)
    times = [arrived - number * 0.2 for number, (arrived, _) in enumerate(bench.ends.arrived)]
    assert bench.ends.data == bytes(range(50))
    assert 0.05 <= min(times) < 0.07
    assert 0.13 < max(times) <= 0.15
    for number in range(50):
        bench.send(bytes([number]))
        bench.world.advance(0.001)
    bench.world.advance(1)
    assert bench.ends.data == bytes(range(50)) * 2


def test_jitter_larger_than_latency(bench: Bench) -> None:
    """Nothing arrives before it was sent."""
    bench.add("latency", latency=0, jitter=10)
    for _ in range(100):
        bench.send(b"x")
        bench.world.advance(0.1)
    assert len(bench.ends.arrived) == 100


def test_latency_that_is_changed(bench: Bench) -> None:
    """What waits follows the new setting, from when it came."""
    toxic = bench.add("latency", latency=10_000)
    bench.send(b"a")
    bench.world.advance(1)
    bench.change(toxic, latency=1_500)
    bench.world.advance(10)
    assert bench.ends.arrived == [(1.5, b"a")]


def test_bandwidth(bench: Bench) -> None:
    """In pieces of 100 ms, at that rate, whatever the size of what came."""
    bench.add("bandwidth", rate=10)
    bench.send(bytes(2_500))
    bench.send(bytes(100))
    bench.world.advance(5)
    assert [(when, len(data)) for when, data in bench.ends.arrived] == [
        (0.1, 1_000),
        (0.2, 1_000),
        (0.25, 500),
        (0.26, 100),
    ]


def test_bandwidth_does_not_catch_up(bench: Bench) -> None:
    """A reader that was away for ten seconds is sent no more than a tenth of a second at once."""
    bench.add("bandwidth", rate=10)
    bench.ends.room = False
    bench.send(bytes(50_000))
    bench.world.advance(10)
    bench.ends.room = True
    bench.link.serve()
    assert len(bench.ends.data) <= 1_000
    bench.world.advance(1)
    assert len(bench.ends.data) <= 12_000


def test_bandwidth_of_0_stalls(bench: Bench) -> None:
    """Until it is changed."""
    toxic = bench.add("bandwidth", rate=0)
    bench.send(b"x")
    bench.link.finish(End.HALF)
    bench.world.advance(100)
    assert (bench.ends.data, bench.ends.ended) == (b"", [])
    bench.change(toxic, rate=1_000)
    bench.world.advance(1)
    assert (bench.ends.data, bench.ends.ended[0][1]) == (b"x", End.HALF)


def test_bandwidth_then_latency(bench: Bench) -> None:
    """A line with both: sent at the rate, each piece that much later."""
    bench.add("bandwidth", rate=10)
    bench.add("latency", latency=500)
    bench.send(bytes(3_000))
    bench.world.advance(5)
    assert [when for when, _ in bench.ends.arrived] == [0.6, 0.7, 0.8]


@pytest.mark.parametrize("end", [End.HALF, End.FULL])
def test_slow_close(bench: Bench, end: End) -> None:
    """The end alone is late."""
    bench.add("slow_close", delay=300)
    bench.send(b"x")
    bench.link.finish(end)
    bench.world.advance(1)
    assert bench.ends.arrived == [(0.0, b"x")]
    assert bench.ends.ended == [(0.3, end)]


def test_slow_close_that_is_removed(bench: Bench) -> None:
    """The end arrives at once."""
    toxic = bench.add("slow_close", delay=300_000)
    bench.link.finish(End.HALF)
    bench.remove(toxic)
    assert bench.ends.ended == [(0.0, End.HALF)]


def test_timeout(bench: Bench) -> None:
    """Counted from the last byte, which does not arrive."""
    toxic = bench.add("timeout", timeout=100)
    bench.world.advance(0.08)
    bench.send(b"x")
    bench.world.advance(0.05)
    assert bench.ends.ended == []
    bench.world.advance(1)
    assert (bench.ends.arrived, bench.ends.ended) == ([], [(0.18, End.FULL)])
    assert toxic.acted == [2]


def test_timeout_without_end(bench: Bench) -> None:
    """0 swallows for ever; the end of the stream passes; removing it closes."""
    toxic = bench.add("timeout")
    bench.send(b"x")
    bench.world.advance(1e6)
    assert bench.ends.ended == []
    bench.remove(toxic)
    assert (bench.ends.arrived, bench.ends.ended[0][1]) == ([], End.FULL)


def test_timeout_lets_the_end_pass(bench: Bench) -> None:
    """As Toxiproxy does."""
    bench.add("timeout")
    bench.send(b"x")
    bench.link.finish(End.HALF)
    assert (bench.ends.arrived, bench.ends.ended[0][1]) == ([], End.HALF)


def test_reset_peer(bench: Bench) -> None:
    """That long after the first byte; nothing arrives."""
    toxic = bench.add("reset_peer", timeout=100)
    bench.world.advance(5)
    bench.send(b"x")
    bench.send(b"y")
    bench.world.advance(5)
    assert (bench.ends.arrived, bench.ends.ended) == ([], [(5.1, End.RESET)])
    assert toxic.acted == [1]


def test_reset_peer_that_is_removed_in_time(bench: Bench) -> None:
    """What it held is handed on."""
    toxic = bench.add("reset_peer", timeout=1_000)
    bench.send(b"x")
    bench.remove(toxic)
    bench.world.advance(5)
    assert (bench.ends.data, bench.ends.ended) == (b"x", [])


def test_slicer(bench: Bench) -> None:
    """Pieces within their range, that far apart."""
    bench.add("slicer", average_size=10, size_variation=3, delay=500)
    bench.send(bytes(range(256)))
    bench.world.advance(1)
    sizes = [len(data) for _, data in bench.ends.arrived]
    assert bench.ends.data == bytes(range(256))
    assert all(7 <= size <= 13 for size in sizes[:-1])
    assert len(set(sizes)) > 3
    times = [when for when, _ in bench.ends.arrived]
    assert all(abs(after - before - 0.0005) < 1e-5 for before, after in pairwise(times))


@pytest.mark.parametrize(
    "attributes",
    [{}, {"average_size": 5}, {"average_size": 1, "size_variation": 9}, {"average_size": -4, "size_variation": -4}],
)
def test_slicer_with_odd_settings(bench: Bench, attributes: dict[str, int]) -> None:
    """It goes on, and all arrives (Toxiproxy itself crashes on some of these)."""
    bench.change(bench.add("slicer"), **attributes)
    bench.send(bytes(range(100)))
    bench.link.finish(End.HALF)
    bench.world.advance(1)
    assert bench.ends.data == bytes(range(100))
    assert bench.ends.ended[0][1] is End.HALF


def test_limit_data(bench: Bench) -> None:
    """Closed with the last byte that it lets pass; what has passed is remembered when the limit changes."""
    toxic = bench.add("limit_data", bytes=10)
    bench.send(bytes(6))
    bench.change(toxic, bytes=8)
    bench.send(bytes(6))
    assert (len(bench.ends.data), bench.ends.ended) == (8, [(0.0, End.FULL)])
    bench.send(b"more")
    assert len(bench.ends.data) == 8


def test_limit_data_then_latency(bench: Bench) -> None:
    """What it let pass arrives before the end, through the other toxics."""
    bench.add("limit_data", bytes=3)
    bench.add("latency", latency=100)
    bench.send(b"12345")
    bench.world.advance(1)
    assert (bench.ends.arrived, bench.ends.ended) == ([(0.1, b"123")], [(0.1, End.FULL)])


def test_the_smallest_example(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toxic that the README teaches works as it stands there, with a row and nothing else."""
    text = (ROOT / "harness" / "chaos" / "README.md").read_text(encoding="utf-8")
    code = text.partition('```python\n"""flip')[2].partition("```")[0]
    space: dict[str, Any] = {"dataclass": dataclass, "Behaviour": Behaviour, "Stage": Stage, "__name__": __name__}
    exec(compile(f'"""flip{code}', "README.md", "exec", dont_inherit=True), space)  # noqa: S102  # our own README
    monkeypatch.setitem(KINDS, "flip", Kind(space["Settings"], space["Flip"]))
    toxic = bench.add("flip")
    bench.send(b"\x00\xff\x01")
    bench.link.finish(End.HALF)
    assert (bench.ends.data, bench.ends.ended) == (b"\xff\x00\xfe", [(0.0, End.HALF)])
    assert toxic.acted == [1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [-(2**63), -1, 0, 2**63 - 1])
def test_numbers_of_any_size(bench: Bench, kind: str, value: int) -> None:
    """No setting that the API takes stops a link."""
    names = KINDS[kind].settings.__dataclass_fields__
    toxic = bench.add(kind)
    bench.change(toxic, **dict.fromkeys(names, value))
    bench.send(b"data")
    bench.link.finish(End.HALF)
    bench.world.advance(1)
    bench.remove(toxic)
    assert bench.ends.ended
