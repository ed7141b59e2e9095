"""DEBUG: what it does to the process, and that no host has it unasked."""

from __future__ import annotations

import time

import pytest

from harness.serve import debug
from harness.serve.debug import Debug


def test_the_wall_clock_is_stepped_and_set_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both forms of it, for whoever kept the functions too."""
    monkeypatch.setattr(time, "time", lambda: 1_000.0)
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000_000)
    faults = Debug()
    faults.install()
    kept, kept_ns = time.time, time.time_ns
    faults.answer(b"WALL", [b"3600"])
    assert (kept(), kept_ns()) == (4_600.0, 4_600_000_000_000)
    assert faults.answer(b"TIME", []) == b"$6\r\n4600.0\r\n"
    faults.answer(b"WALL", [b"0"])
    assert kept() == 1_000.0


def test_a_stall_holds_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """For as long as was asked, and no longer than is allowed."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert Debug().answer(b"SLEEP", [b"1.5"]) == b"+OK\r\n"
    assert slept == [1.5]
    with pytest.raises(ValueError, match="0 to 30"):
        Debug().answer(b"SLEEP", [b"31"])


def test_ballast_is_held_and_let_go() -> None:
    """In one piece, or in pieces of which every other goes at once."""
    faults = Debug()
    assert faults.answer(b"BALLAST", [b"1000"]) == b":1000\r\n"
    assert faults.answer(b"FRAGMENT", [b"10000"]) == b":6000\r\n"
    assert faults.answer(b"RELEASE", []) == b"+OK\r\n"
    assert faults.answer(b"BALLAST", [b"1"]) == b":1\r\n"


def test_all_ballast_together_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many commands it comes in; what was let go counts no more."""
    monkeypatch.setattr(debug, "MOST_BYTES", 10_000)
    faults = Debug()
    assert faults.answer(b"BALLAST", [b"6000"]) == b":6000\r\n"
    for word in (b"BALLAST", b"FRAGMENT"):
        with pytest.raises(ValueError, match="and 6000 are held"):
            faults.answer(word, [b"6000"])
    assert faults.answer(b"BALLAST", [b"4000"]) == b":10000\r\n"
    faults.answer(b"RELEASE", [])
    assert faults.answer(b"BALLAST", [b"10000"]) == b":10000\r\n"


def test_ballast_that_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the process lives."""

    def refuse(_count: int) -> list[bytearray]:
        raise MemoryError

    monkeypatch.setattr(debug, "_whole", refuse)
    assert Debug().answer(b"BALLAST", [b"10"]) == b"-OOM out of memory\r\n"


@pytest.mark.parametrize(
    "words", [[b"NOTHING"], [b"SLEEP"], [b"SLEEP", b"1", b"2"], [b"WALL", b"x"], [b"WALL", b"inf"], [b"BALLAST", b"-1"]]
)
def test_what_is_no_fault_is_refused(words: list[bytes]) -> None:
    """With a ValueError, which the host turns into an error reply."""
    with pytest.raises(ValueError, match=r"."):
        Debug().answer(words[0], words[1:])
