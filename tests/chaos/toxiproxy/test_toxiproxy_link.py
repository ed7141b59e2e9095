"""The chain: toxics that come and go in mid-flow, flow control, chance; nothing lost, nothing out of order."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Bench

from harness.chaos.toxiproxy.stage import End

GENTLE = {
    "latency": {"latency": 40, "jitter": 30},
    "bandwidth": {"rate": 3},
    "slicer": {"average_size": 3, "size_variation": 2, "delay": 700},
    "slow_close": {"delay": 50},
}
"""Those that lose nothing."""
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 500)),
        st.tuples(st.just("add"), st.sampled_from(sorted(GENTLE))),
        st.tuples(st.just("remove"), st.integers(0, 5)),
        st.tuples(st.just("toxicity"), st.integers(0, 5)),
        st.tuples(st.just("change"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.integers(0, 60)),
        st.tuples(st.just("room"), st.booleans()),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=300)
@given(steps=STEPS, seed=st.integers(0, 1_000))
def test_nothing_is_lost_and_nothing_overtakes(steps: list[tuple[str, int]], seed: int) -> None:
    """Whatever toxics come, change and go: what arrived is always the beginning of what was sent, in the end all."""
    bench, rng, sent = Bench(seed), Random(seed), b""
    for number, (step, value) in enumerate(steps):
        chosen = bench.toxics[int(value) % len(bench.toxics)] if bench.toxics and isinstance(value, int) else None
        if step == "send":
            data = rng.randbytes(int(value))
            sent += data
            bench.send(data)
        elif step == "add":
            kind = str(value)
            bench.add(kind, rng.choice([0.3, 1.0]), f"{kind}{number}", **GENTLE[kind])
        elif step == "wait":
            bench.world.advance(int(value) / 1e3)
        elif step == "room":
            bench.ends.room = bool(value)
            bench.link.serve()
        elif chosen is not None and step == "remove":
            bench.remove(chosen)
        elif chosen is not None and step == "toxicity":
            chosen.toxicity = rng.choice([0.0, 0.5, 1.0])
            bench.link.follow(bench.toxics)
        elif chosen is not None:
            bench.change(chosen, **GENTLE[chosen.type])
        assert sent.startswith(bench.ends.data)
    bench.ends.room = True
    bench.link.finish(End.HALF)
    bench.world.advance(10_000)
    assert bench.ends.data == sent
    assert [end for _, end in bench.ends.ended] == [End.HALF]
    assert bench.world.waiting == 0


def test_a_full_stage_holds_the_source() -> None:
    """A slow line is felt by who sends, and no longer than it is full."""
    bench = Bench()
    bench.add("bandwidth", rate=100)
    bench.send(bytes(100_000))
    assert bench.ends.held
    bench.world.advance(0.5)
    assert not bench.ends.held
    assert bench.world.waiting == 1


def test_a_stage_waits_for_the_next() -> None:
    """A delay line before a slow one hands on no more than that takes; in the end it is full, and the source held."""
    bench = Bench()
    bench.add("latency", latency=10)
    bench.add("bandwidth", rate=1)
    for _ in range(40):
        bench.send(bytes(1_000_000))
        bench.world.advance(0.02)
    first, second = (acting.stage for acting in bench.link.acting)
    assert second.held <= 2_000_000
    assert first.held > 30_000_000
    assert bench.ends.held


def test_a_target_without_room() -> None:
    """Nothing is handed on, the source is held, and it all goes on with the room."""
    bench = Bench()
    bench.ends.room = False
    bench.link.govern()
    assert bench.ends.held
    bench.add("latency")
    bench.send(b"x")
    bench.world.advance(1)
    assert bench.ends.data == b""
    bench.ends.room = True
    bench.link.serve()
    assert bench.ends.data == b"x"
    assert not bench.ends.held


def test_toxicity_is_drawn_once_a_connection() -> None:
    """The same connections for the same seed, about the share that was asked for, and more of it only adds some."""

    def acting(toxicity: float) -> list[bool]:
        found = []
        for seed in range(400):
            bench = Bench(seed)
            toxic = bench.add("latency", toxicity)
            chosen = bool(bench.link.acting)
            bench.add("slicer")
            bench.change(toxic, latency=3)
            assert bool(len(bench.link.acting) - 1) == chosen
            found.append(chosen)
        return found

    some, more = acting(0.3), acting(0.6)
    assert some == acting(0.3)
    assert 80 < sum(some) < 160
    assert all(later for before, later in zip(some, more, strict=True) if before)
    assert not any(acting(0.0))
    assert all(acting(1.0))


def test_a_link_that_ended() -> None:
    """It has no timers, and nothing arrives."""
    bench = Bench()
    bench.add("latency", latency=100)
    bench.send(b"x")
    bench.link.end()
    bench.world.advance(1)
    assert bench.world.waiting == 0
    assert bench.ends.arrived == []
