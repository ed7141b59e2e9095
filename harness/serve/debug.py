"""How a host is broken from within, for chaos: its loop stalls, its wall clock is stepped, its memory fills.

Only a host that was started for it has one; Redis and Valkey call the command DEBUG too, and share its SLEEP.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from harness.serve.resp import OK, bulk, error, integer

MOST_SECONDS = 30.0
"""Of one stall."""
MOST_BYTES = 1 << 30
"""Of all ballast together."""
_PIECE_BYTES = 1_000
"""Of fragmented ballast: more than Python allocates by itself, so that the holes are in the heap of the C library."""


class Debug:
    """The faults of one host."""

    def __init__(self) -> None:
        self._wall_offset = 0.0
        self._ballast: list[bytearray] = []

    def install(self) -> None:
        """Let `time.time` and `time.time_ns` follow the wall clock that is stepped here."""
        real, real_ns = time.time, time.time_ns
        time.time = lambda: real() + self._wall_offset
        time.time_ns = lambda: real_ns() + round(self._wall_offset * 1e9)

    def answer(self, name: bytes, words: list[bytes]) -> bytes:
        """The reply to DEBUG name words. Raises ValueError for what it does not know."""
        handler = _HANDLERS.get(name)
        if handler is None:
            raise ValueError(f"of DEBUG there are {', '.join(sorted(each.decode() for each in _HANDLERS))}")
        return handler(self, words)

    def sleep(self, words: list[bytes]) -> bytes:
        """SLEEP seconds: the event loop does nothing else meanwhile."""
        seconds = float(_only(words))
        if not 0 <= seconds <= MOST_SECONDS:
            raise ValueError(f"a stall is of 0 to {MOST_SECONDS:g} s")
        time.sleep(seconds)
        return OK

    def step(self, words: list[bytes]) -> bytes:
        """WALL seconds: the wall clock is so far from the true one."""
        seconds = float(_only(words))
        if not math.isfinite(seconds):
            raise ValueError("a clock is wrong by a number of seconds")
        self._wall_offset = seconds
        return OK

    def now(self, _words: list[bytes]) -> bytes:
        """TIME: what this process takes for the time."""
        return bulk(repr(time.time()).encode())

    def fill(self, words: list[bytes]) -> bytes:
        """BALLAST bytes: hold so many more."""
        return self._take(words, _whole)

    def fragment(self, words: list[bytes]) -> bytes:
        """FRAGMENT bytes: take so many in small pieces, and give every other one back."""
        return self._take(words, _pieces)

    def _take(self, words: list[bytes], how: Callable[[int], list[bytearray]]) -> bytes:
        count = int(_only(words))
        if not 0 <= count <= MOST_BYTES - self._held():
            raise ValueError(f"all ballast together is of 0 to {MOST_BYTES} bytes, and {self._held()} are held")
        try:
            self._ballast += how(count)
        except MemoryError:
            return error("out of memory", "OOM")
        return integer(self._held())

    def _held(self) -> int:
        return sum(map(len, self._ballast))

    def release(self, _words: list[bytes]) -> bytes:
        """RELEASE: let all ballast go."""
        self._ballast = []
        return OK


def _whole(count: int) -> list[bytearray]:
    return [bytearray(b"x") * count]  # written to, so that it is really there


def _pieces(count: int) -> list[bytearray]:
    return [bytearray(b"x") * _PIECE_BYTES for _ in range(count // _PIECE_BYTES)][::2]


def _only(words: list[bytes]) -> bytes:
    if len(words) != 1:
        raise ValueError("it takes one number")
    return words[0]


_HANDLERS: dict[bytes, Callable[[Debug, list[bytes]], bytes]] = {
    b"SLEEP": Debug.sleep,
    b"WALL": Debug.step,
    b"TIME": Debug.now,
    b"BALLAST": Debug.fill,
    b"FRAGMENT": Debug.fragment,
    b"RELEASE": Debug.release,
}
