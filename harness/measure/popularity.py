"""Which key is asked for: draws from raw 64-bit PCG64 integers and integer thresholds.

NumPy keeps that stream stable for good, while its distributions may change between releases. Weights are rounded to
40 bits, so the last digit of a platform's `pow` does not show; the digest of the requests would tell if it did.

Where keys are inserted, they are numbered in the order of their insertion, those of the preload first, and they are a
ring: an insert past the last one comes round to the first, which is the oldest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.measure.workload import Latest, Popularity, Uniform

_SHARE = 1 << 32
_WEIGHT = 1 << 40

Ints = NDArray[np.int64]


def raw(source: np.random.PCG64, count: int) -> NDArray[np.uint64]:
    """The next count integers of source."""
    return np.asarray(source.random_raw(count), dtype=np.uint64)


def choose(source: np.random.PCG64, count: int, shares: list[float]) -> Ints:
    """count indices into shares, drawn in proportion to them."""
    edges = np.cumsum([round(share * _SHARE) for share in shares])
    picks = (raw(source, count) >> np.uint64(32)).astype(np.int64)
    return np.searchsorted(edges[:-1], picks, side="right").astype(np.int64)


def scatter(source: np.random.PCG64, keys: int) -> Ints:
    """A key for each rank of popularity, the most popular first: neighbours in rank are none in number."""
    return np.argsort(raw(source, keys), kind="stable").astype(np.int64)


def ask(popularity: Popularity, keys: Ints, picks: NDArray[np.uint64], inserted: Ints | None) -> Ints:
    """The key that each pick, a raw integer, asks for. keys are as `scatter` gives them.

    inserted is how many were ever inserted before each pick, only which can be asked for; None: all are there.
    """
    weights = _weights(popularity, len(keys))
    if inserted is None:
        return keys[_find(picks, weights, len(keys))]
    there = np.minimum(inserted, len(keys))
    if isinstance(popularity, Latest):
        return (inserted - 1 - _find(picks, weights, there)) % len(keys)
    by_key = np.empty_like(weights)
    by_key[keys] = weights
    return _find(picks, by_key, there)


def _weights(popularity: Popularity, keys: int) -> NDArray[np.uint64]:
    """By rank."""
    if isinstance(popularity, Uniform):
        return np.ones(keys, dtype=np.uint64)
    ranks = np.arange(1, keys + 1, dtype=np.float64)
    return np.maximum(1, np.floor(_WEIGHT / ranks**popularity.theta)).astype(np.uint64)


def _find(picks: NDArray[np.uint64], weights: NDArray[np.uint64], among: Ints | int) -> Ints:
    """For each pick an index into weights, drawn in proportion to them, among the first so many."""
    # The edges of the first n weights are the first n edges, whatever comes after.
    edges = np.cumsum(weights)
    return np.asarray(np.searchsorted(edges, picks % edges[np.asarray(among) - 1], side="right"), dtype=np.int64)
