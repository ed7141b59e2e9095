"""A history as a diagram that a person can read: time runs down, each client has a column.

An operation during which nothing else happens is one line; one that overlaps others begins and ends on lines of
its own, with a bar between.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from harness.history import FOREIGN, MISS, NO_TTL, UNSAID, History, Op, Outcome
from harness.simulate.tape import KEYS

_AUDIT = "audit"
_STARTED, _ENDED, _BAR = "┌ ", "└ ", "│"
_WIDEST = 34


class Event(NamedTuple):
    """A start or an end."""

    at: int
    row: int
    is_end: bool


def diagram(history: History, clients: int, oddities: list[str], raised: list[str]) -> list[str]:
    """The lines. oddities and raised are what foreign answers and errors were, in the order of their ends."""
    rows = np.flatnonzero(~history.is_op(Op.SIDE_GET, Op.SIDE_SET, Op.SIDE_DELETE)).tolist()
    told = _Words(history, oddities, raised)
    columns = list(dict.fromkeys(sorted(int(history.client[row]) for row in rows)))
    events = sorted(
        [Event(int(history.start[row]), row, is_end=False) for row in rows]
        + [Event(int(history.end[row]), row, is_end=True) for row in rows]
    )
    lines: list[tuple[str, dict[int, str]]] = []
    open_rows: dict[int, int] = {}
    skip = False
    for i, event in enumerate(events):
        if skip:
            skip = False
            continue
        client = int(history.client[event.row])
        alone = not event.is_end and i + 1 < len(events) and events[i + 1].row == event.row
        cells = dict.fromkeys(open_rows, _BAR)
        if alone:
            cells[client] = told.whole(event.row)
            skip = True
        elif event.is_end:
            open_rows.pop(client, None)
            cells[client] = _ENDED + told.answer(event.row)
        else:
            open_rows[client] = event.row
            cells[client] = _STARTED + told.asked(event.row)
        when_ns = int(history.end_ns[event.row] if event.is_end or alone else history.start_ns[event.row])
        lines.append((f"{when_ns / 1e9:.9g} s", cells))
    return _table(lines, columns, clients)


def operation(history: History, row: int, oddities: list[str], raised: list[str]) -> str:
    """One operation in words: `set(a, a#1, ttl=1 s)` with its answer."""
    return _Words(history, oddities, raised).whole(row)


class _Words:
    def __init__(self, history: History, oddities: list[str], raised: list[str]) -> None:
        self._history = history
        self._names = history.names or KEYS
        order = sorted(range(len(history)), key=lambda row: int(history.end[row]))
        odd, errors = iter(oddities), iter(raised)
        self._odd = {row: next(odd, "?") for row in order if history.tag[row] == FOREIGN}
        self._errors = {row: next(errors, "?") for row in order if history.outcome[row] == Outcome.RAISED}

    def whole(self, row: int) -> str:
        answer = self.answer(row)
        return f"{self.asked(row)} {'' if answer == 'ok' else '-> ' + answer}".rstrip()

    def asked(self, row: int) -> str:
        history = self._history
        op = Op(int(history.op[row]))
        if op is Op.STALL:
            return f"the loop is blocked for {history.ttl_ns[row] / 1e9:.9g} s"
        if op is Op.WALL:
            return f"the wall clock is set by {history.ttl_ns[row] / 1e9:+.9g} s"
        key = self._names[int(history.key[row])] if history.key[row] >= 0 else ""
        arguments = [key] if key else []
        if op in (Op.SET, Op.LOAD):
            arguments.append(f"{key}#{history.tag[row]}")
        if history.ttl_ns[row] != NO_TTL:
            arguments.append(f"ttl={history.ttl_ns[row] / 1e9:.9g} s")
        side = ("old ", "new ")[int(history.side[row])] if history.side[row] >= 0 else ""
        return f"{side}{op.name.lower().removeprefix('side_')}({', '.join(arguments)})"

    def answer(self, row: int) -> str:
        history = self._history
        outcome, tag, op = Outcome(int(history.outcome[row])), int(history.tag[row]), Op(int(history.op[row]))
        if outcome is Outcome.UNKNOWN:
            return "cancelled or failed: nobody knows"
        if outcome is Outcome.RAISED:
            return f"raised {self._errors[row].partition(' raised ')[2]}"
        if outcome in (Outcome.HUNG, Outcome.FAIL):
            return "never returned" if outcome is Outcome.HUNG else "failed"
        if op in (Op.GET, Op.GET_OR_LOAD, Op.PEEK):
            return "None" if tag == MISS else (self._odd[row] if tag == FOREIGN else self._value(row))
        if op is Op.DELETE:
            return "None" if tag == UNSAID else str(bool(tag))
        return self._odd.get(row, str(tag)) if op is Op.SIZE else "ok"

    def _value(self, row: int) -> str:
        history = self._history
        same = (history.tag == history.tag[row]) & history.is_op(Op.SET, Op.LOAD)
        writers = same.nonzero()[0]
        key = self._names[int(history.key[writers[0]])] if len(writers) else "?"
        return f"{key}#{history.tag[row]}"


def _table(lines: list[tuple[str, dict[int, str]]], columns: list[int], clients: int) -> list[str]:
    names = {client: f"client {client + 1}" if 0 <= client < clients else _AUDIT for client in columns}
    cells: dict[int, list[Any]] = {
        client: [names[client], *(row.get(client, "") for _, row in lines)] for client in columns
    }
    widths = {client: min(_WIDEST, max(map(len, cells[client]))) for client in columns}
    times = ["time", *(when for when, _ in lines)]
    found = []
    for i, when in enumerate(times):
        parts = [cells[client][i].ljust(widths[client]) for client in columns]
        shown = "" if i > 1 and when == times[i - 1] else when
        found.append(f"{shown:>10}  {'  '.join(parts)}".rstrip())
    return found
