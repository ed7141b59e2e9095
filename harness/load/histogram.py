"""Times in HdrHistograms: nanoseconds at three significant digits, nothing clipped, merged exactly.

The steps are those of Gil Tene's HdrHistogram (1 ns at least, three digits), so `encode` gives its V2 text, which
other tools read. Counting is NumPy's: the Python port's `record_value` costs 1.5 us, and a driver that stops for 12 ms
a second to count shows those as the cache's (measured: a p99 of 9 ms where it is 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

_DIGITS = 3
_HALF = 1_024
"""Steps to an octave: half of the 2,048 that three digits need, since each octave shares half with the last."""
_KEPT_BITS = 11
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999}

Counts = NDArray[np.int64]


class Times:
    """A histogram of times in nanoseconds, from 1 ns to what 62 bits hold. Adding two is exact."""

    def __init__(self) -> None:
        self._counts: Counts = np.zeros(2 * _HALF, dtype=np.int64)

    def add(self, times_ns: NDArray[np.int64]) -> None:
        """Count times; what is less than a nanosecond counts as one."""
        if len(times_ns):
            self._count(np.bincount(_places(np.maximum(times_ns, 1))).astype(np.int64))

    def merge(self, said: dict[str, Any]) -> None:
        """Add what another's `to_plain` gave."""
        if said["places"]:
            places = np.array(said["places"], dtype=np.int64)
            more = np.zeros(int(places[-1]) + 1, dtype=np.int64)
            more[places] = said["counts"]
            self._count(more)

    def to_plain(self) -> dict[str, Any]:
        """Places and their counts, for a wire."""
        places = np.flatnonzero(self._counts)
        return {"places": places.tolist(), "counts": self._counts[places].tolist()}

    @classmethod
    def of(cls, *said: dict[str, Any]) -> Times:
        """All of these together."""
        times = cls()
        for each in said:
            times.merge(each)
        return times

    def encode(self) -> str:
        """In HdrHistogram's own V2 format, compressed, in base64."""
        places = np.flatnonzero(self._counts)
        lowest = _lowest(places).tolist()
        histogram = HdrHistogram(1, max(2, *lowest, 2) * 2, _DIGITS)
        for value, count in zip(lowest, self._counts[places].tolist(), strict=True):
            histogram.record_value(value, count)
        text: bytes = histogram.encode()
        return text.decode()

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._counts.sum())

    def seconds(self, share: float) -> float:
        """The time in seconds that a share of them did not exceed, to three digits; 0 if there are none."""
        total = self.count
        if not total:
            return 0.0
        place = int(np.searchsorted(np.cumsum(self._counts), max(1, np.ceil(share * total - 1e-9))))
        return float(_lowest(np.array([place + 1]))[0] - 1) / 1e9

    def summary(self) -> dict[str, float]:
        """p50, p95, p99, p999 and max, in seconds."""
        return {name: self.seconds(share) for name, share in QUANTILES.items()} | {"max": self.seconds(1.0)}

    def _count(self, more: Counts) -> None:
        if len(more) > len(self._counts):
            self._counts = np.concatenate([self._counts, np.zeros(len(more) - len(self._counts), dtype=np.int64)])
        self._counts[: len(more)] += more


def _places(times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """The step of each time: exact below 2,048 ns, then 1,024 steps an octave."""
    shift = np.maximum(np.frexp(times_ns.astype(np.float64))[1].astype(np.int64) - _KEPT_BITS, 0)
    places: NDArray[np.int64] = shift * _HALF + (times_ns >> shift)
    return places


def _lowest(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least time of each step."""
    shift = np.maximum(places // _HALF - 1, 0)
    lowest: NDArray[np.int64] = (places - shift * _HALF) << shift
    return lowest
