"""C9: a migration keeps its table of stages: which sides are read and written, and in which order.

The table is written here once more, on purpose: a judge that asked the manager's own would find nothing. That a
rollback at any step loses nothing is judged by C1 to C5, on schedules that move between the stages.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from cache_impls.protocol import Capability
from harness.check.checkers.finding import Finding, History, Promises
from harness.history import NO_STAGE, Flags, Op, Outcome

ID = "C9"
NEEDS = Capability(0)
TITLE = "keeps its stages"
LAW = "In each stage the sides are read and written as the table of stages says, in its order."
EXAMPLE = """\
In `complete` only the new side is read and written. A manager that still writes the old one answers well, and the day
the old cluster is switched off every write fails."""

OLD, NEW = 0, 1
_READS: dict[int, tuple[tuple[int, ...], ...]] = {
    0: ((OLD,),),
    1: ((OLD,),),
    2: ((OLD, NEW),),
    3: ((NEW,), (NEW, OLD, NEW), (NEW, OLD)),
    4: ((NEW,),),
    5: ((NEW,),),
}
"""By the place of the stage: off, dualwrite, shadow, live, rampdown, complete. Live asks the old side if it must, and
the new one again if a write that was under way has made the old one outdated."""
_WRITES: dict[int, tuple[int, ...]] = {0: (OLD,), 1: (OLD, NEW), 2: (OLD, NEW), 3: (NEW, OLD), 4: (NEW, OLD), 5: (NEW,)}
_LIVE = 3
# Plain ints, because an enum costs ten times as much to compare.
_GET, _SET, _SIDE_GET, _SIDE_SET, _SIDE_DELETE = map(int, (Op.GET, Op.SET, Op.SIDE_GET, Op.SIDE_SET, Op.SIDE_DELETE))
_NAMES = ("old", "new")


def skip(_promises: Promises) -> str | None:
    """Judged of every migration."""
    return None


def find(history: History, _promises: Promises) -> list[Finding]:
    """Operations that ended well within one stage, and called other sides than its row says, or in another order."""
    calls = history.is_op(Op.SIDE_GET, Op.SIDE_SET, Op.SIDE_DELETE)
    judged = np.flatnonzero(
        (history.stage != NO_STAGE)
        & history.is_op(Op.GET, Op.SET, Op.DELETE)
        & (history.outcome == Outcome.OK)
        & ~_moving(history)
    )
    if not len(judged) or not calls.any():
        return []
    names = list(zip(history.schedule.tolist(), history.client.tolist(), history.key.tolist(), strict=True))
    start, end = history.start.tolist(), history.end.tolist()
    told = list(zip(history.op.tolist(), history.side.tolist(), strict=True))
    of_client: dict[tuple[int, int, int], list[int]] = {}
    for row in np.flatnonzero(calls)[np.argsort(history.start[calls])].tolist():
        of_client.setdefault(names[row], []).append(row)
    found = []
    for row, stage, op in zip(
        judged.tolist(), history.stage[judged].tolist(), history.op[judged].tolist(), strict=True
    ):
        rows = of_client.get(names[row], [])
        first = bisect_right(rows, start[row], key=start.__getitem__)
        within = rows[first : bisect_left(rows, end[row], lo=first, key=start.__getitem__)]
        wrong = _wrong(stage, op, [told[call] for call in within])
        if wrong is not None:
            found.append(Finding(ID, names[row][0], (row, *within), f"{{0}} {wrong}"))
    return found


def _moving(history: History) -> Flags:
    """Rows during which a move was under way, to whatever stage: an operation may start anew then."""
    found = np.zeros(len(history), dtype=np.bool_)
    for move in np.flatnonzero(history.is_op(Op.MOVE)):
        end = history.end[move] if history.outcome[move] == Outcome.OK else history.tick
        during = (history.schedule == history.schedule[move]) & (history.end > history.start[move])
        found |= during & (history.start < end)
    return found


def _wrong(stage: int, op: int, calls: list[tuple[int, int]]) -> str | None:
    """What is wrong with calls of (operation, side) for an operation in a stage."""
    if op == _GET:
        read = tuple([side for call, side in calls if call == _SIDE_GET])
        if read not in _READS[stage]:
            return f"reads {_told(read)}, where its stage reads {_told(_READS[stage][-1])}"
        if len(read) == len(calls):
            return None
        if stage != _LIVE:
            return "writes, where its stage only reads"
        return "copies to the old side" if any(side == OLD for call, side in calls if call != _SIDE_GET) else None
    kind = _SIDE_SET if op == _SET else _SIDE_DELETE
    written = tuple([side for call, side in calls if call == kind])
    if written != _WRITES[stage]:
        return f"writes {_told(written)}, where its stage writes {_told(_WRITES[stage])}"
    return None


def _told(sides: tuple[int, ...]) -> str:
    return " then ".join(_NAMES[side] for side in sides) or "nothing"
