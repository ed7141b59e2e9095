"""The users' histories, judged by the checkers of `check`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cache_impls.protocol import Promises
from harness.check.checkers import early_miss, expiry, integrity, register, resurrection, sessions
from harness.documents import CheckedResult
from harness.history import COLUMNS, FOREIGN, MISS, NO_STAGE, NO_TTL, History, Op, Outcome, Watched, rank
from harness.load import samples
from harness.measure.requests import Requests
from harness.model import CheckVerdict
from harness.simulate.tape import said

LAWS = (register, expiry, early_miss, resurrection, integrity, sessions)
"""C1 to C6."""
COARSE_SECONDS = 0.005
"""Over the wire a host's clock is its event loop's, which stands while it answers what has come."""
COARSE_SHARE = 1e-3
_SHOWN = 3
_ENTRY_BYTES = 1_000
"""Beside its value, at most, as a cache may count it."""
Name = Callable[[int], str]
"""A key as its user wrote it."""


class Judged(NamedTuple):
    """The laws' results, and on what they were judged."""

    checks: list[CheckedResult]
    words: str


def crowded(requests: Requests, memory_bound: int | None) -> str | None:
    """Why a cache may have run out of room in bytes, which explains any miss; None if it cannot have."""
    if memory_bound is None:
        return None
    largest: dict[int, int] = {}
    for key, size in zip(requests.key.tolist(), requests.size.tolist(), strict=True):
        largest[key] = max(size, largest.get(key, 0))
    if sum(largest.values()) + _ENTRY_BYTES * len(largest) <= memory_bound:
        return None
    return f"room may have run out: more is written than the {memory_bound / 1e6:.0f} MB that it keeps"


def judge(
    result: dict[str, Any], place: int, promises: dict[str, Any], capacity: int | None, one_in: int, name: Name = str,
    full: str | None = None,
) -> Judged:  # fmt: skip
    """C1 to C6 of the target at place, from the files that the processes left. full: see `crowded`."""
    files = [worker["history"] for worker in result["workers"] if worker["history"]]
    machines = {worker["boot"] for worker in result["workers"]}
    if not one_in:
        return Judged(_all(CheckVerdict.SKIPPED, "no history was kept"), "nothing: no history was kept")
    if len(files) < result["processes"]:
        return Judged(_all(CheckVerdict.UNKNOWN, "not every process left its history"), "nothing: a history is missing")
    if len(machines) > 1:
        why = f"the users ran on {len(machines)} machines, whose clocks cannot be compared"
        return Judged(_all(CheckVerdict.UNKNOWN, why), f"nothing: {why}")
    try:
        rows = np.concatenate([samples.load(Path(file)) for file in files])
    except ValueError as error:
        return Judged(_all(CheckVerdict.UNKNOWN, str(error)), "nothing: a history is broken")
    return judge_rows(rows, place, promises, capacity, one_in, name, full)


def judge_rows(
    rows: samples.Column, place: int, promises: dict[str, Any], capacity: int | None, one_in: int, name: Name = str,
    full: str | None = None,
) -> Judged:  # fmt: skip
    """The same, of rows as users leave them."""
    history = to_history(rows, place, capacity)
    if not len(history):
        return Judged(_all(CheckVerdict.UNKNOWN, "no operation was recorded"), "nothing: no operation was recorded")
    promised = Promises(**promises)
    promised = promised._replace(
        stale_seconds=max(promised.stale_seconds, COARSE_SECONDS), ttl_jitter=max(promised.ttl_jitter, COARSE_SHARE)
    )
    skipped = {}
    if one_in > 1 and capacity is not None and not promised.forgets:
        skipped["C3"] = "room may have run out for keys whose history was not kept"
    if full is not None and not promised.forgets:
        skipped["C3"] = full
    skipped |= _without_a_case(history)
    checks = [_one(checker, history, promised, skipped, name) for checker in LAWS]
    which = "every key" if one_in == 1 else f"one key in {one_in}"
    return Judged(checks, f"all {len(history):,} operations on {which}")


def _without_a_case(history: History) -> dict[str, str]:
    """The laws that nothing that was asked could break, and why."""
    found = {}
    sets = history.is_op(Op.SET) & (history.ttl_ns != NO_TTL)
    ends_ns = (history.end_ns + history.ttl_ns)[sets]
    if not len(ends_ns) or ends_ns.min() > history.start_ns.max():
        found["C2"] = "no ttl ran out while it was asked"
    if not history.is_op(Op.DELETE, Op.CLEAR).any():
        found["C4"] = "nothing was deleted"
    return found


def to_history(rows: samples.Column, place: int, capacity: int | None) -> History:
    """Users' rows of the target at place, as what checkers read. A host's bound explains what it forgets."""
    rows = rows[rows[:, 0] % samples.TARGETS == place]
    named = {name: rows[:, i] for i, name in enumerate(samples.COLUMNS)}
    start, end = rank(named["start_ns"], named["end_ns"])
    # Checkers count on tags that are not much more than there are writes; those of users say who wrote.
    written = np.unique(named["tag"][named["op"] == Op.SET])
    read = (named["op"] == Op.GET) & (named["tag"] > 0)
    place_of = np.searchsorted(written, named["tag"])
    known = np.isin(named["tag"], written)
    is_write = named["op"] == Op.SET
    tag = np.where(is_write | (read & known), place_of + 1, np.where(read, FOREIGN, named["tag"]))
    # Errors leave an effect that nobody knows; what was never sent has none.
    sure = (named["outcome"] == Outcome.OK) | (named["outcome"] == Outcome.FAIL)
    outcome = np.where(sure, named["outcome"], Outcome.UNKNOWN)
    columns = {
        "schedule": np.zeros(len(rows), dtype=np.int64),
        "op": named["op"],
        "key": named["key"],
        "tag": tag,
        "ttl_ns": named["ttl_ns"],
        "client": np.unique(named["client"], return_inverse=True)[1],
        "start_ns": named["start_ns"],
        "end_ns": named["end_ns"],
        "start": start,
        "end": end,
        "outcome": outcome,
        "side": np.full(len(rows), -1, dtype=np.int64),
        "stage": np.full(len(rows), NO_STAGE, dtype=np.int64),
    }
    watched = [] if capacity is None else [(0, int(Watched.ENTRIES), 0, capacity)]
    return History(
        np.ascontiguousarray(np.column_stack([columns[name] for name in COLUMNS])),
        np.array(watched, dtype=np.int64).reshape(-1, 4),
        NO_TTL,
    )


def _one(checker: Any, history: History, promises: Promises, skipped: dict[str, str], name: Name) -> CheckedResult:
    fields: dict[str, Any] = {"id": checker.ID, "kind": "law", "title": checker.LAW}
    why = skipped.get(checker.ID) or checker.skip(promises)
    if why is not None:
        return CheckedResult(**fields, verdict=CheckVerdict.SKIPPED, summary=why)
    try:
        findings = checker.find(history, promises)
    except Exception as error:  # told as UNKNOWN: a crashed checker has judged nothing
        return CheckedResult(**fields, verdict=CheckVerdict.UNKNOWN, summary=f"its checker failed: {said(error)}")
    if not findings:
        return CheckedResult(**fields, verdict=CheckVerdict.PASS, summary=f"{len(history):,} operations")
    lines = tuple(line for finding in findings[:_SHOWN] for line in _told(history, finding, name))
    summary = f"{len(findings)} times; {_sentence(history, findings[0], name)}"
    return CheckedResult(**fields, verdict=CheckVerdict.FAIL, summary=summary, evidence=lines)


def _sentence(history: History, finding: Any, name: Name) -> str:
    words = [_operation(history, row, name) for row in finding.rows]
    return str(finding.message).format(*words)


def _told(history: History, finding: Any, name: Name) -> list[str]:
    zero = int(history.start_ns.min())
    return [
        f"{(int(history.start_ns[row]) - zero) / 1e9:.6f} to {(int(history.end_ns[row]) - zero) / 1e9:.6f} s  "
        f"client {history.client[row]}  {_operation(history, row, name)}"
        for row in finding.rows
    ]


def _operation(history: History, row: int, name: Name) -> str:
    op, tag, ttl_ns = Op(int(history.op[row])), int(history.tag[row]), int(history.ttl_ns[row])
    key = name(int(history.key[row]))
    if op is Op.GET:
        answers = {MISS: "a miss", FOREIGN: "what nobody wrote"}
        return f"get({key}) -> {answers.get(tag, f'write {tag}')}"
    if op is Op.SET:
        return f"set({key}, write {tag}{f', {ttl_ns / 1e9:g} s' if ttl_ns != NO_TTL else ''})"
    if op is Op.CLEAR:
        return "clear()"
    return f"delete({key}) -> {bool(tag)}"


def _all(verdict: CheckVerdict, why: str) -> list[CheckedResult]:
    return [
        CheckedResult(id=checker.ID, kind="law", title=checker.LAW, verdict=verdict, summary=why) for checker in LAWS
    ]
