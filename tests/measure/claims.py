"""What a definition claims of its requests, looked for in the requests themselves.

`violations` knows the definition, the columns, and which key has which rank; nothing else of how they were drawn.
Counts are held to the exact binomial interval that a true claim leaves once in a million times, shapes to a
chi-squared test of the same strictness, and an exponent's maximum-likelihood estimate to `THETA` about what is claimed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import binom, chi2

from harness.measure.popularity import scatter
from harness.measure.requests import DELETE, GET, SET, Requests
from harness.measure.workload import Latest, Synthetic, Uniform

Ints = NDArray[np.int64]

THETA = 0.02
"""By how much an estimated exponent may differ, or by five standard errors if that is more: then requests are few."""
_CHANCE = 1e-6


def violations(claimed: Synthetic, requests: Requests) -> list[str]:
    """The claims that requests do not keep, in words."""
    op, key = (column[requests.preload :].astype(np.int64) for column in (requests.op, requests.key))
    passing = _passing(claimed, len(op))
    found = [*_frame(claimed, requests), *_entries(claimed, requests), *_passes(claimed, op, key, passing)]
    op, key = op[~passing], key[~passing]
    if len(key) and key.max() >= claimed.keys:
        return [*found, "keys: more than there are"]
    return [*found, *_operations(claimed, op, key)]


def _frame(claimed: Synthetic, requests: Requests) -> Iterator[str]:
    """Preload, time stamps, and the keys' length."""
    preload = requests.key[: requests.preload]
    if requests.preload != claimed.preload or len(np.unique(preload)) != claimed.preload:
        yield "preload: not as many keys as stated"
    popular = np.arange(claimed.preload) if claimed.mix.insert else ranked(claimed)[: claimed.preload]
    if set(preload.tolist()) != set(popular.tolist()):
        yield "preload: not the most popular keys, or not the first ones"
    if (requests.op[: requests.preload] != SET).any() or requests.time_ns[: requests.preload].any():
        yield "preload: not sets at time 0"
    gaps_ns = np.diff(requests.time_ns[requests.preload :])
    if np.abs(gaps_ns - 1e9 / claimed.rate_per_second).max() > 1:
        yield f"rate: gaps of {gaps_ns.mean():g} ns are not {claimed.rate_per_second:g} a second"
    lengths = {len(requests.key_format.format(key)) for key in np.unique(requests.key).tolist()}
    if lengths != {len(claimed.key_format.format(0))}:
        yield f"keys: of {lengths} bytes"


def _entries(claimed: Synthetic, requests: Requests) -> Iterator[str]:
    """Sizes and ttls: one kind a key, in the stated shares of the keys."""
    kinds = np.stack([requests.size.astype(np.int64), requests.ttl_ms.astype(np.int64)], axis=1)
    keys, first, which = np.unique(requests.key, return_index=True, return_inverse=True)
    if (kinds != kinds[first][which]).any():
        yield "entries: a key has two sizes or ttls"
    seen = Counter((size, ttl) for size, ttl in kinds[first].tolist())
    for kind in claimed.entries:
        count = seen.pop((kind.bytes, round((kind.ttl_seconds or 0) * 1000)), 0)
        if unlikely(count, len(keys), kind.share):
            yield f"entries: {count} of {len(keys)} keys have {kind.bytes} bytes and {kind.ttl_seconds} s"
    if seen:
        yield f"entries: {dict(seen)} are not stated"


def _passing(claimed: Synthetic, count: int) -> NDArray[np.bool_]:
    if claimed.pass_every is None:
        return np.zeros(count, dtype=np.bool_)
    return np.arange(count) % (claimed.pass_every + claimed.pass_length) >= claimed.pass_every


def _passes(claimed: Synthetic, op: Ints, key: Ints, passing: NDArray[np.bool_]) -> Iterator[str]:
    """Each pass in order, each of its keys asked for once and by nothing else."""
    passed = key[passing]
    starts = np.flatnonzero(np.diff(np.flatnonzero(passing), prepend=-9) > 1)
    if (np.delete(np.diff(passed, prepend=-9), starts) != 1).any():
        yield "passes: not in order"
    if len(np.unique(passed)) != len(passed) or np.isin(passed, key[~passing]).any():
        yield "passes: a key is asked for twice"
    if (op[passing] != GET).any():
        yield "passes: not gets"


def _operations(claimed: Synthetic, op: Ints, key: Ints) -> Iterator[str]:
    """The mix, and what is special about inserts, scans and updates."""
    mix, sets = claimed.mix, np.flatnonzero(op == SET)
    counts = {"delete": int((op == DELETE).sum())}
    starts = np.arange(len(op))
    inserted = np.full(len(op), claimed.keys)
    assert not mix.set or not (mix.insert or mix.read_modify_write), "sets would be ambiguous"
    if mix.insert:
        counts["insert"] = len(sets)
        inserted = claimed.preload + np.cumsum(op == SET) - (op == SET)
        if (key[sets] != inserted[sets] % claimed.keys).any():
            yield "inserts: not of new keys"
    elif mix.read_modify_write:
        counts["read_modify_write"] = len(sets)
        starts = np.delete(starts, sets)
        if (op[sets - 1] != GET).any() or (key[sets - 1] != key[sets]).any():
            yield "updates: a set does not follow a get of its key"
    else:
        counts["set"] = len(sets)
    if mix.scan:
        follows = (
            (key[1:] == (key[:-1] + 1) % np.minimum(inserted, claimed.keys)[1:]) & (op[1:] == GET) & (op[:-1] == GET)
        )
        starts = np.flatnonzero(~np.concatenate([[False], follows]))
        lengths = np.diff(starts)[op[starts[:-1]] == GET]
        counts["scan"] = len(lengths)
        if not uniform(np.bincount(lengths, minlength=claimed.max_scan_length + 1)[1:], claimed.max_scan_length):
            yield f"scans: not of 1 to {claimed.max_scan_length} gets, each length as often"
    counts["get"] = len(starts) - sum(counts.values())
    for name, count in counts.items():
        share = getattr(mix, name)
        if unlikely(count, len(starts), share, slack=2):
            yield f"mix: {count} of {len(starts)} are {name}, not {share:g}"
    asked = starts[op[starts] != SET] if mix.insert else starts
    yield from _popularity(claimed, key[asked], inserted[asked])


def _popularity(claimed: Synthetic, key: Ints, inserted: Ints) -> Iterator[str]:
    """The exponent and the shape of the popularity, among the keys that were there each time."""
    theta = 0.0 if isinstance(claimed.popularity, Uniform) else claimed.popularity.theta
    rank_of = np.empty(claimed.keys, dtype=np.int64)
    if isinstance(claimed.popularity, Latest):
        ranks, rank_of = (inserted - 1 - key) % claimed.keys + 1, np.arange(claimed.keys) + 1
    else:
        rank_of[ranked(claimed)] = np.arange(claimed.keys) + 1
        ranks = rank_of[key]
    there = np.minimum(inserted, claimed.keys) - 1
    if not isinstance(claimed.popularity, Latest) and (key > there).any():
        yield "popularity: a key is asked for before it is there"
    found = estimate(ranks, rank_of, there)
    if abs(found - theta) > max(THETA, 5 / np.sqrt(len(ranks) * np.log(ranks).var())):
        yield f"popularity: an exponent of {found:.3f}, not {theta:g}"
    # Ranks 1, 2 to 3, 4 to 7, ...: how many requests for each are expected, and how many there are.
    weights, block = rank_of**-theta, np.floor(np.log2(rank_of)).astype(np.int64)
    sums = np.cumsum(weights)[there]
    expected = np.array([(np.cumsum(weights * (block == b))[there] / sums).sum() for b in range(int(block.max()) + 1)])
    counts = np.bincount(np.floor(np.log2(ranks)).astype(np.int64), minlength=len(expected))
    likely = expected >= 5
    if not fits(counts[likely], expected[likely]):
        yield "popularity: the shares of the ranks are not those of the exponent"


def ranked(claimed: Synthetic) -> Ints:
    """The keys by popularity, as the definition's seed scatters them."""
    return scatter(np.random.PCG64(claimed.seed), claimed.keys)


def estimate(ranks: Ints, rank_of: Ints, there: Ints) -> float:
    """The exponent under which ranks are likeliest, when rank_of[: there + 1] could be asked for each time."""
    places, times = np.unique(there, return_counts=True)
    logs, total = np.log(rank_of), float(np.log(ranks).sum())

    def unlikeliness(theta: float) -> float:
        return theta * total + float(times @ np.log(np.cumsum(np.exp(-theta * logs))[places]))

    return float(minimize_scalar(unlikeliness, bounds=(-1, 10), method="bounded", options={"xatol": 1e-5}).x)


def unlikely(count: int, of: int, share: float, *, slack: int = 0) -> bool:
    """Whether so many of so many are too few or too many for share, even slack more or less."""
    low, high = binom.interval(1 - _CHANCE, of, share)
    return not low - slack <= count <= high + slack


def fits(counts: Ints, expected: NDArray[np.float64]) -> bool:
    """Whether counts are as expected, by a chi-squared test."""
    distance = float(((counts - expected) ** 2 / expected).sum())
    return bool(chi2.sf(distance, max(1, len(counts) - 1)) > _CHANCE)


def uniform(counts: Ints, kinds: int) -> bool:
    """Whether the counts are of so many kinds, each as often."""
    return len(counts) == kinds and fits(counts, np.full(kinds, counts.sum() / kinds))
