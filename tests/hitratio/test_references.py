"""LRU and the optimal against brute force, against libCacheSim, and against figures of real traces."""

from __future__ import annotations

import struct
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.hitratio.asking import Asked, prepare
from harness.hitratio.columns import NEVER
from harness.hitratio.future import Answerable, NextAnswers
from harness.hitratio.references import lru, optimal
from harness.measure.requests import DELETE, GET, SET
from harness.measure.workload import parse

Requests = list[tuple[int, int]]
"""Operation and key of each."""

KEYS = 5
requests_of = st.lists(st.tuples(st.sampled_from([GET, GET, GET, SET, DELETE]), st.integers(0, KEYS - 1)), max_size=14)


def looked_ahead(requests: Requests, *, look_aside: bool, chunk: int) -> tuple[list[bool], list[int]]:
    """Which are answerable, and the next answers, chunk requests at a time."""
    ops = np.array([op for op, _ in requests], dtype=np.uint8)
    keys = np.array([key for _, key in requests], dtype=np.uint32)
    forward, back = Answerable(KEYS, look_aside=look_aside), NextAnswers(KEYS)
    starts = range(0, len(requests), chunk)
    found = [forward.of(keys[i : i + chunk], ops[i : i + chunk]) for i in starts]
    following = [back.of(keys[i : i + chunk], found[i // chunk], i) for i in reversed(starts)]
    return [bool(each) for part in found for each in part], [int(n) for part in reversed(following) for n in part]


def of_optimal(requests: Requests, capacity: int, *, look_aside: bool, refuses: bool = False) -> int:
    _, following = looked_ahead(requests, look_aside=look_aside, chunk=4)
    ops = [op for op, _ in requests]
    return optimal(following, ops, capacity=capacity, requests=len(requests), look_aside=look_aside, refuses=refuses)


def of_lru(requests: Requests, capacity: int, *, look_aside: bool) -> int:
    ops, keys = [op for op, _ in requests], [key for _, key in requests]
    return lru(keys, ops, iter(keys), capacity=capacity, distinct_keys=KEYS, look_aside=look_aside)


def every_way(requests: Requests, capacity: int, *, look_aside: bool, refuses: bool, takes_back: bool) -> int:
    """The most hits that any choice of victims gives, by trying all of them.

    takes_back: a missed get of a key that has been written may bring its entry back, where it is not look-aside.
    """
    live = []
    there: set[int] = set()
    for op, key in requests:
        live.append(key in there)
        if op == DELETE:
            there.discard(key)
        elif op == SET or look_aside:
            there.add(key)

    @cache
    def most(i: int, held: frozenset[int]) -> int:
        if i == len(requests):
            return 0
        op, key = requests[i]
        if op == DELETE:
            return most(i + 1, held - {key})
        if key in held:
            return (op == GET) + most(i + 1, held)
        stores = op == SET or look_aside
        ways = []
        if stores or (takes_back and live[i]):
            if len(held) < capacity:
                ways.append(most(i + 1, held | {key}))
            else:
                ways += [most(i + 1, held - {victim} | {key}) for victim in held]
        if not stores or refuses:
            ways.append(most(i + 1, held))
        return max(ways)

    return most(0, frozenset())


@settings(max_examples=300, deadline=None)
@given(requests_of, st.integers(1, 4), st.booleans())
@example([(GET, 1), (GET, 2)] * 3, 1, False)
def test_the_optimal_is_the_best_of_all_ways(requests: Requests, capacity: int, refuses: bool) -> None:
    """Of a workload that fills what it misses: exact, whether a write may be refused or not."""
    best = every_way(requests, capacity, look_aside=True, refuses=refuses, takes_back=False)
    assert of_optimal(requests, capacity, look_aside=True, refuses=refuses) == best


@settings(max_examples=300, deadline=None)
@given(requests_of, st.integers(1, 4))
def test_without_fills_the_optimal_is_a_bound(requests: Requests, capacity: int) -> None:
    """Exact where what is missed may be taken back, and so never below what is possible without."""
    found = of_optimal(requests, capacity, look_aside=False)
    assert found == every_way(requests, capacity, look_aside=False, refuses=False, takes_back=True)
    assert found >= every_way(requests, capacity, look_aside=False, refuses=False, takes_back=False)


@settings(max_examples=300, deadline=None)
@given(requests_of, st.integers(1, 4), st.booleans())
def test_nothing_is_above_the_optimal_that_refuses(requests: Requests, capacity: int, look_aside: bool) -> None:
    """What decides whether a cache holds more than its room: every way to refuse and evict stays at or below it."""
    most = of_optimal(requests, capacity, look_aside=look_aside, refuses=True)
    assert most >= every_way(requests, capacity, look_aside=look_aside, refuses=True, takes_back=False)
    assert (
        most
        >= of_optimal(requests, capacity, look_aside=look_aside)
        >= of_lru(requests, capacity, look_aside=look_aside)
    )


@given(requests_of, st.integers(1, 4), st.booleans())
def test_lru_is_that_of_an_ordered_dict(requests: Requests, capacity: int, look_aside: bool) -> None:
    """A hit and a write are use; what was used longest ago makes room."""
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for op, key in requests:
        if op == DELETE:
            held.pop(key, None)
        elif key in held:
            hits += op == GET
            held.move_to_end(key)
        elif op == SET or look_aside:
            held[key] = None
            if len(held) > capacity:
                held.popitem(last=False)
    assert of_lru(requests, capacity, look_aside=look_aside) == hits


@given(requests_of, st.booleans(), st.integers(1, 5))
def test_looking_ahead_does_not_depend_on_chunks(requests: Requests, look_aside: bool, chunk: int) -> None:
    """As a loop over the requests has it: a get is answerable if its key is there; the next use counts only then."""
    there: set[int] = set()
    answerable = []
    for op, key in requests:
        answerable.append(op == GET and key in there)
        if op == DELETE:
            there.discard(key)
        elif op == SET or look_aside:
            there.add(key)
    following, last = [NEVER] * len(requests), dict[int, int]()
    for i in reversed(range(len(requests))):
        key = requests[i][1]
        following[i] = last.get(key, NEVER)
        last[key] = i if answerable[i] else NEVER
    assert looked_ahead(requests, look_aside=look_aside, chunk=chunk) == (answerable, following)


def test_a_heap_that_is_compacted_forgets_nothing() -> None:
    """Far more requests than room: the same as with room in the heap for all, which brute force cannot say here."""
    rng = np.random.default_rng(3)
    requests = [(GET, int(key)) for key in rng.integers(0, KEYS, 20_000)]
    few = of_optimal(requests, 2, look_aside=True)
    by_hand, held = 0, set[int]()
    _, following = looked_ahead(requests, look_aside=True, chunk=4)
    when: dict[int, int] = {}
    for i, (_, key) in enumerate(requests):
        if key in held:
            by_hand += 1
        else:
            if len(held) == 2:
                held.discard(max(held, key=lambda each: when[each] or len(requests)))
            held.add(key)
        when[key] = following[i]
    assert few == by_hand


def simulated(name: str, keys: list[int], capacity: int, folder: Path) -> int:
    """Hits as libCacheSim counts them, objects of one size."""
    library: Any = pytest.importorskip("libcachesim", reason="libcachesim is not installed")
    last: dict[int, int] = {}
    following = [-1] * len(keys)
    for i in reversed(range(len(keys))):
        following[i] = last.get(keys[i], -1)
        last[keys[i]] = i + 1  # it counts from 1
    path = folder / "t.oracleGeneral.bin"
    rows = zip(keys, following, strict=True)
    path.write_bytes(b"".join(struct.pack("<IQIq", 1, key + 1, 1, after) for key, after in rows))
    reader = library.TraceReader(
        str(path), library.TraceType.ORACLE_GENERAL_TRACE, library.ReaderInitParam(ignore_obj_size=True)
    )
    cache = library.Belady(capacity, reader=reader) if name == "Belady" else library.LRU(capacity)
    miss_ratio: float = cache.process_trace(reader)[0]
    return round((1 - miss_ratio) * len(keys))


@pytest.mark.parametrize("capacity", [1, 2, 5, 40, 200])
def test_libcachesim_agrees(tmp_path: Path, capacity: int) -> None:
    """Its LRU and its Belady, to the hit: as there, every miss is stored (with refuses there would be more hits)."""
    rng = np.random.default_rng(capacity)
    keys = (rng.zipf(1.2, 20_000) % 400).tolist()
    requests = [(GET, key) for key in keys]
    answerable = NextAnswers(400).of(
        np.array(keys, dtype=np.uint32),
        Answerable(400, look_aside=True).of(np.array(keys, dtype=np.uint32), np.zeros(len(keys), dtype=np.uint8)),
        0,
    )
    ops = [op for op, _ in requests]
    ours = optimal(answerable.tolist(), ops, capacity=capacity, requests=len(keys), look_aside=True)
    refusing = optimal(answerable.tolist(), ops, capacity=capacity, requests=len(keys), look_aside=True, refuses=True)
    assert ours == simulated("Belady", keys, capacity, tmp_path)
    assert ours < refusing
    of_ours = lru(keys, ops, iter(keys), capacity=capacity, distinct_keys=400, look_aside=True)
    assert of_ours == simulated("LRU", keys, capacity, tmp_path)


def ratios(path: Path, capacity: int, folder: Path) -> tuple[float, float]:
    asked: Asked = prepare(parse(f"trace:{path}"), None, folder, lambda _line: None)
    columns = asked.folder
    of_lru_ = lru(
        columns.stream("key"),
        columns.stream("op"),
        columns.stream("key"),
        capacity=capacity,
        distinct_keys=columns.distinct_keys,
        look_aside=True,
    )
    best = optimal(
        columns.stream("next"), columns.stream("op"), capacity=capacity, requests=columns.requests, look_aside=True
    )
    columns.close()
    return round(of_lru_ / asked.gets, 4), round(best / asked.gets, 4)


@pytest.mark.parametrize(
    ("capacity", "of_lru_", "best"), [(500, 0.4558, 0.5916), (1000, 0.5041, 0.6358), (2000, 0.5550, 0.6797)]
)
def test_web07_is_as_an_independent_simulator_has_it(
    web07: Path, tmp_path: Path, capacity: int, of_lru_: float, best: float
) -> None:
    """Measured with libCacheSim 0.3.5."""
    assert ratios(web07, capacity, tmp_path) == (of_lru_, best)


@pytest.mark.parametrize(("capacity", "of_lru_"), [(500, 0.7830), (1000, 0.9064)])
def test_sprite_is_as_an_independent_simulator_has_it(
    sprite: Path, tmp_path: Path, capacity: int, of_lru_: float
) -> None:
    """As above."""
    assert ratios(sprite, capacity, tmp_path)[0] == of_lru_
