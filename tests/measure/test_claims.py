"""Presets are what they claim: looked for in 200,000 requests of each, and what only resembles them is told apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from claims import estimate, fits, ranked, uniform, unlikely, violations

from harness.measure.generate import draw
from harness.measure.requests import SET, Requests
from harness.measure.workload import Synthetic, parse, presets

COUNT = 200_000


def preset(name: str, **changes: Any) -> Synthetic:
    """The preset, with some fields changed."""
    return Synthetic.model_validate(parse(name).model_dump() | changes)


@pytest.mark.parametrize("name", presets())
def test_a_preset_is_what_it_claims(name: str) -> None:
    """Mix, entries, keys, times, popularity, inserts, scans, updates and passes are as its file says."""
    assert violations(preset(name), draw(preset(name), COUNT)) == []


ZIPF = {"kind": "zipf"}
LATEST = {"kind": "latest"}
SESSIONS = [
    {"bytes": 64, "ttl_seconds": 1, "share": 0.28},
    {"bytes": 512, "ttl_seconds": 10, "share": 0.47},
    {"bytes": 64, "ttl_seconds": 60, "share": 0.25},
]


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("ycsb-a", {"mix": {"get": 0.51, "set": 0.49}}, "mix"),
        ("ycsb-b", {"mix": {"get": 0.94, "set": 0.06}}, "mix"),
        ("ycsb-b", {"mix": {"get": 0.94, "set": 0.05, "delete": 0.01}}, "are delete"),
        ("ycsb-b", {"popularity": ZIPF | {"theta": 1.02}}, "popularity"),
        ("ycsb-b", {"popularity": ZIPF | {"theta": 0.96}}, "an exponent of 0.9"),
        ("ycsb-c", {"popularity": {"kind": "uniform"}}, "popularity"),
        ("ycsb-c", {"keys": 9_000, "preload": 9_000}, "popularity"),
        ("chaos-large", {"popularity": ZIPF | {"theta": 0.03}}, "an exponent of 0.0"),
        ("twitter-cluster1", {"popularity": ZIPF | {"theta": 2.6}}, "popularity"),
        ("twitter-cluster32", {"popularity": ZIPF | {"theta": 0.3}}, "popularity"),
        ("ycsb-b", {"entries": [{"bytes": 999, "ttl_seconds": 3_600, "share": 1}]}, "entries"),
        ("ycsb-b", {"entries": [{"bytes": 1_000, "ttl_seconds": 3_601, "share": 1}]}, "entries"),
        ("churn", {"entries": SESSIONS}, "entries"),
        ("ycsb-b", {"rate_per_second": 101}, "rate"),
        ("ycsb-b", {"preload": 9_999}, "preload"),
        ("ycsb-b", {"key_format": "user{:013d}"}, "keys: of {17} bytes"),
        ("ycsb-d", {"popularity": ZIPF | {"theta": 0.99}}, "popularity"),
        ("ycsb-d", {"popularity": LATEST | {"theta": 0.96}}, "an exponent of 0.9"),
        ("ycsb-d", {"mix": {"get": 0.94, "insert": 0.06}}, "mix"),
        ("ycsb-e", {"max_scan_length": 90}, "scans"),
        ("ycsb-e", {"mix": {"get": 0.95, "insert": 0.05}}, "scans"),
        ("ycsb-e", {"mix": {"scan": 0.92, "insert": 0.08}}, "mix"),
        ("ycsb-f", {"mix": {"get": 0.48, "read_modify_write": 0.52}}, "mix"),
        ("ycsb-f", {"mix": {"get": 2 / 3, "set": 1 / 3}}, "updates"),
        ("twitter-cluster32", {"mix": {"get": 0.02, "set": 0.98}}, "inserts"),
        ("scan", {"pass_length": 3_999}, "passes"),
        ("scan", {"pass_every": 7_999}, "passes"),
        ("scan", {"pass_every": None}, "passes"),
    ],
)
def test_another_definition_is_told_apart(name: str, changes: dict[str, Any], told: str) -> None:
    """The same judge, given the requests of a definition that differs in one thing, names that thing."""
    assert any(told in line for line in violations(preset(name), draw(preset(name, **changes), COUNT)))


def spoilt(requests: Requests, column: str, change: Callable[[Any], None]) -> Requests:
    """The requests with one column changed."""
    values = getattr(requests, column).copy()
    change(values)
    return replace(requests, **{column: values})


def shuffle_a_pass(key: Any) -> None:
    passed = np.flatnonzero(key >= 20_000)
    key[passed[:3_000]] = key[passed[:3_000]][::-1]


def pass_again(key: Any) -> None:
    passed = np.flatnonzero(key >= 20_000)
    key[passed[4_000:8_000]] = key[passed[:4_000]]


def ask_what_passed(key: Any) -> None:
    key[2_000:2_010] = 20_000


def insert_the_first(key: Any) -> None:
    key[10_000:][np.diff(np.maximum.accumulate(key[10_000:]), append=0) > 0] = 0


def write_another(key: Any) -> None:
    key[-10_000:] = np.roll(key[-10_000:], 1)


def jitter(time_ns: Any) -> None:
    time_ns[-1] += 2


def lengthen(size: Any) -> None:
    size[np.arange(20_000, 20_010)] += 1


@pytest.mark.parametrize(
    ("name", "column", "change", "told"),
    [
        ("scan", "key", shuffle_a_pass, "passes: not in order"),
        ("scan", "key", pass_again, "passes: a key is asked for twice"),
        ("scan", "key", ask_what_passed, "keys: more than there are"),
        ("ycsb-d", "key", insert_the_first, "inserts: not of new keys"),
        ("ycsb-f", "key", write_another, "updates"),
        ("ycsb-b", "time_ns", jitter, "rate"),
        ("ycsb-b", "size", lengthen, "entries: a key has two sizes or ttls"),
    ],
)
def test_spoilt_requests_are_told_apart(name: str, column: str, change: Callable[[Any], None], told: str) -> None:
    """What a faulty generator might draw: each is found, and named."""
    drawn = draw(preset(name), 98_000)
    assert violations(preset(name), drawn) == []
    assert any(told in line for line in violations(preset(name), spoilt(drawn, column, change)))


def test_a_shape_that_is_no_zipf_is_told_apart() -> None:
    """Requests of two exponents, whose common estimate is the claimed one: the shares of the ranks give them away."""
    half = [draw(preset("ycsb-c", popularity=ZIPF | {"theta": theta}), COUNT) for theta in (0.74, 1.21)]
    key = np.where(np.arange(len(half[0].key)) % 2, half[0].key, half[1].key)
    told = violations(preset("ycsb-c"), replace(half[0], key=key))
    assert told == ["popularity: the shares of the ranks are not those of the exponent"]


def test_an_exponent_is_estimated() -> None:
    """Of requests that NumPy draws from a Zipf of 1 over three keys, and from one over keys that become more."""
    rng = np.random.default_rng(5)
    ranks = rng.choice([1, 2, 3], size=50_000, p=np.array([6, 3, 2]) / 11)
    assert estimate(ranks, np.arange(1, 4), np.full(50_000, 2)) == pytest.approx(1, abs=0.02)
    fewer = rng.choice([1, 2], size=50_000, p=np.array([2, 1]) / 3)
    there = np.repeat([2, 1], 50_000)
    assert estimate(np.concatenate([ranks, fewer]), np.arange(1, 4), there) == pytest.approx(1, abs=0.02)


def test_the_judges_of_counts_say_yes_and_no() -> None:
    """By hand: 500 heads of 1,000 are likely and 600 are not; a die that shows 1 too often is not fair."""
    assert not unlikely(500, 1_000, 0.5)
    assert unlikely(600, 1_000, 0.5)
    assert unlikely(1, 1_000, 0)
    assert uniform(np.array([100, 95, 105, 99, 101, 100]), 6)
    assert not uniform(np.array([200, 80, 80, 80, 80, 80]), 6)
    assert not uniform(np.array([100, 100]), 3)
    assert fits(np.array([60, 40]), np.array([58.0, 42.0]))
    assert not fits(np.array([90, 10]), np.array([58.0, 42.0]))


def test_a_new_key_is_popular_at_once() -> None:
    """In ycsb-d half of the reads are of what was inserted lately: the newest 60 of 10,000 or more."""
    requests = draw(preset("ycsb-d"), 50_000)
    op, key = requests.op[10_000:], requests.key[10_000:].astype(np.int64)
    age = 10_000 + np.cumsum(op == SET) - 1 - key
    assert 0.45 < float((age[op != SET] < 60).mean()) < 0.5


def test_the_ranks_are_scattered() -> None:
    """Popular keys are no neighbours, as YCSB's hash sees to."""
    assert np.abs(np.diff(ranked(preset("ycsb-b"))[:100])).min() > 1


def test_keys_that_are_hardly_read_are_asked_for_once() -> None:
    """In twitter-cluster32, as in its row, 98 % of the keys are asked for once."""
    requests = draw(preset("twitter-cluster32"), 40_000)
    times = np.bincount(requests.key)
    assert 0.97 < float((times[times > 0] == 1).mean()) < 0.99


def test_passes_are_what_an_lru_suffers_from() -> None:
    """The scan preset asks its question: an LRU hits less of the popular requests than without passes."""
    hits = []
    for every in (8_000, None):
        requests = draw(preset("scan", pass_every=every), 40_000)
        held = dict.fromkeys(requests.key[: requests.preload].tolist())
        popular, found = 0, 0
        for key in requests.key[requests.preload :].tolist():
            popular += key < 20_000
            found += key < 20_000 and key in held
            held.pop(key, None)
            held[key] = None
            if len(held) > requests.capacity:
                del held[next(iter(held))]
        hits.append(found / popular)
    assert hits[0] < hits[1] - 0.02
