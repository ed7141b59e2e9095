"""What users saw of a fault: how much was answered, and how long it took to show, to be borne and to be over. Pure.

An operation belongs to the moment at which it was due, not to that at which a user was free to send it: those that
were due during a stall and came after it were late, and count as that. It is *good* if it was answered, right or
wrong (the laws tell), within `TIMELY_SECONDS` of when it was due. Time is cut in windows of `WINDOW_SECONDS`; a
window is good if `GOOD_SHARE` of its operations are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.gate.policy import CHAOS_GOOD_SHARE, CHAOS_TIMELY_SECONDS, CHAOS_WINDOW_SECONDS
from harness.history import MISS, NO_TTL, Op, Outcome
from harness.load.samples import FILL, FILLER, TARGETS, Batch

Column = NDArray[np.int64]
Flags = NDArray[np.bool_]

_STEADY_WINDOWS = 5
"""Good ones after each other, before users count as served again: one is chance."""
STEADY_SECONDS = _STEADY_WINDOWS * CHAOS_WINDOW_SECONDS
_STAYS_SHARE = 0.9
"""Of the windows from then on: other work on the machine spoils one now and then."""
WINDOW_NS = round(CHAOS_WINDOW_SECONDS * 1e9)


class Span(NamedTuple):
    """When a fault lasted, in nanoseconds of the monotonic clock."""

    began_ns: int
    ended_ns: int


class Part(NamedTuple):
    """A part of a run. Shares are None where nothing was due, times in seconds."""

    operations: int
    answered: float | None
    timely: float | None
    hit_ratio: float | None
    p50: float | None
    p99: float | None


class Window(NamedTuple):
    """A tenth of a second, from so many seconds after the first."""

    time: float
    operations: int
    answered: int
    timely: int
    hits: int
    reads: int


class Course(NamedTuple):
    """Of a whole run."""

    before: Part
    during: Part
    after: Part
    """From when users had recovered, or else from the end of the last fault."""
    whole: Part
    detect_seconds: float | None
    """From the beginning of a fault until the first operation that was not good, the longest; None: nobody noticed."""
    degrade_seconds: float | None
    """From its beginning until users were served again though it lasted, the longest; None: one was not borne."""
    recover_seconds: float | None
    """From its end until users were served again and stayed so, the longest; None: of one, never."""
    operations_lost: int
    """Writes acknowledged before the faults were over, and missed at the first read after, though nobody had removed
    them: gone, or evicted."""
    windows: tuple[Window, ...]


def course(rows: Column, spans: Sequence[Span], apart_seconds: float = 1.0) -> Course:
    """What users saw, from their rows (the first target's) and the spans of the faults.

    apart_seconds: between two faults, for the recovery from the first to be seen before the second begins.
    """
    batch = _requests(rows)
    due = np.where(batch.due_ns > 0, batch.due_ns, batch.start_ns)
    answered = batch.outcome == Outcome.OK
    good = answered & (batch.end_ns - due <= CHAOS_TIMELY_SECONDS * 1e9)
    began, ended = min(span.began_ns for span in spans), max(span.ended_ns for span in spans)
    broken = np.zeros(len(due), dtype=np.bool_)
    for span in spans:
        broken |= (due >= span.began_ns) & (due < span.ended_ns)
    windows = _windows(batch, due, answered, good)
    zero = int(due.min()) if len(due) else 0
    recovered = [
        _served_again(windows, zero, span.ended_ns, next_ns) for span, next_ns in episodes(spans, apart_seconds)
    ]
    noticed = {span: first for span in spans if (first := _noticed(batch, due, good, span)) is not None}
    borne = [_served_again(windows, zero, span.began_ns, span.ended_ns) if span in noticed else 0.0 for span in spans]
    last = recovered[-1]
    settled = ended if last is None else ended + round(last * 1e9)
    return Course(
        before=_part(batch, due, answered, good, due < began),
        during=_part(batch, due, answered, good, broken),
        after=_part(batch, due, answered, good, due >= settled),
        whole=_part(batch, due, answered, good, np.ones(len(due), dtype=np.bool_)),
        detect_seconds=max(noticed.values(), default=None),
        degrade_seconds=_longest(borne),
        recover_seconds=_longest(recovered),
        operations_lost=_lost(rows, ended),
        windows=windows,
    )


def episodes(spans: Sequence[Span], apart_seconds: float) -> list[tuple[Span, int | None]]:
    """Faults that overlap, or come so soon after each other that nothing can be said of the time between, as one.

    Each with the beginning of the next.
    """
    apart_ns = apart_seconds * 1e9
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.began_ns - found[-1].ended_ns < apart_ns:
            found[-1] = Span(found[-1].began_ns, max(found[-1].ended_ns, span.ended_ns))
        else:
            found.append(span)
    return list(zip(found, [*(span.began_ns for span in found[1:]), None], strict=True))


def _noticed(batch: Batch, due: Column, good: Flags, span: Span) -> float | None:
    """Seconds from the beginning of a fault until the first operation ended that was not good."""
    bad = ~good & (batch.end_ns > span.began_ns) & (due < span.ended_ns)
    return float(batch.end_ns[bad].min() - span.began_ns) / 1e9 if bad.any() else None


def _longest(times: list[float | None]) -> float | None:
    """The longest, or None if one never came."""
    known = [each for each in times if each is not None]
    return max(known) if len(known) == len(times) else None


def _requests(rows: Column) -> Batch:
    """Without what was filled before, and fills, which belong to the request that missed."""
    batch = Batch(rows)
    return Batch(rows[(batch.client != FILLER) & (batch.due_ns != FILL) & (batch.where % TARGETS == 0)])


def _part(batch: Batch, due: Column, answered: Flags, good: Flags, chosen: Flags) -> Part:
    count = int(chosen.sum())
    if not count:
        return Part(0, None, None, None, None, None)
    reads = chosen & answered & (batch.op == Op.GET)
    took = (batch.end_ns - due)[chosen & answered] / 1e9
    return Part(
        operations=count,
        answered=float(answered[chosen].mean()),
        timely=float(good[chosen].mean()),
        hit_ratio=float((batch.tag[reads] != MISS).mean()) if reads.any() else None,
        p50=float(np.quantile(took, 0.5)) if len(took) else None,
        p99=float(np.quantile(took, 0.99)) if len(took) else None,
    )


def _windows(batch: Batch, due: Column, answered: Flags, good: Flags) -> tuple[Window, ...]:
    if not len(due):
        return ()
    place = (due - due.min()) // WINDOW_NS
    count = int(place.max()) + 1
    reads = answered & (batch.op == Op.GET)
    columns = [
        np.bincount(place[flags], minlength=count).tolist()
        for flags in (np.ones(len(due), dtype=np.bool_), answered, good, reads & (batch.tag != MISS), reads)
    ]
    return tuple(
        Window(i * CHAOS_WINDOW_SECONDS, *(column[i] for column in columns))
        for i in range(count - 1)  # the last is cut short
    )


def _served_again(windows: Sequence[Window], zero_ns: int, since_ns: int, until_ns: int | None) -> float | None:
    """Seconds from since to the first good window from which most stay good, until then; None if there is none."""
    first = -((zero_ns - since_ns) // WINDOW_NS)
    last = len(windows) if until_ns is None else (until_ns - zero_ns) // WINDOW_NS
    is_good = [each.operations == 0 or each.timely >= CHAOS_GOOD_SHARE * each.operations for each in windows]
    for i in range(max(0, first), last):
        rest = is_good[i:last]
        if all(rest[:_STEADY_WINDOWS]) and len(rest) >= _STEADY_WINDOWS and sum(rest) >= _STAYS_SHARE * len(rest):
            return max(0.0, (zero_ns + i * WINDOW_NS - since_ns) / 1e9)
    return None


def _lost(rows: Column, ended_ns: int) -> int:
    """By key, in the order of starts: the first read after the faults misses what was acknowledged before their end."""
    batch = Batch(rows)
    sure: dict[int, tuple[int, int]] = {}
    """Key -> when the acknowledged write ended, and when its time is over."""
    busy: dict[int, int] = {}
    """Key -> until when something was written or removed: what overlaps that may have come before it."""
    lost = 0
    order = np.argsort(batch.start_ns, kind="stable")
    columns = ("op", "key", "tag", "ttl_ns", "start_ns", "end_ns", "outcome")
    for op, key, tag, ttl_ns, start, end, outcome in zip(
        *(getattr(batch, name)[order].tolist() for name in columns), strict=True
    ):
        if op in (Op.SET, Op.DELETE) and outcome != Outcome.FAIL:
            alone, busy[key] = start > busy.get(key, 0), max(end, busy.get(key, 0))
            sure.pop(key, None)
            if op == Op.SET and outcome == Outcome.OK and alone and end < ended_ns:
                sure[key] = (end, start + ttl_ns if ttl_ns != NO_TTL else 2**62)
        elif op == Op.GET and outcome == Outcome.OK and (held := sure.get(key)) is not None and start > held[0]:
            lost += start >= ended_ns and tag == MISS and end < held[1]
            if tag == MISS or start >= ended_ns:
                del sure[key]
    return lost
