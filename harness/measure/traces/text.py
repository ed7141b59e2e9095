"""What the formats of text share: lines out of blocks, and which line is wrong.

A bulk of lines is parsed as a whole, which is fast; if that fails each line is, to find the one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from harness.errors import UsageError
from harness.measure.traces.columns import Accesses

LONGEST_LINE_BYTES = 65_536
_SHOWN = 60

Parse = Callable[[list[bytes]], Accesses]
"""From lines to columns; raises ValueError, LookupError or OverflowError for a line that is wrong."""


def parsed(
    blocks: Iterator[bytes], path: Path, parse: Parse, expected: str, marks: tuple[bytes, ...] = ()
) -> Iterator[Accesses]:
    """A chunk for each bulk of lines, without lines that are blank or one of marks.

    Raises UsageError with the number of a line that is wrong, what it holds and what was expected.
    """
    skipped = {b"", *marks}
    for first, rows in _lines(blocks, path):
        wanted = [row for row in rows if row.strip() not in skipped]
        if not wanted:
            continue
        try:
            chunk = parse(wanted)
        except (ValueError, LookupError, OverflowError):
            chunk = _explained(first, rows, path, parse, expected, skipped)
        yield chunk


def shown(row: bytes) -> str:
    """A line for a message: readable, and not too long."""
    text = repr(row[: _SHOWN + 1].decode("utf-8", "backslashreplace"))
    return text if len(row) <= _SHOWN else f"{text[:_SHOWN]}...'"


def _explained(first: int, rows: list[bytes], path: Path, parse: Parse, expected: str, skipped: set[bytes]) -> Accesses:
    for number, row in enumerate(rows, first):
        if row.strip() in skipped:
            continue
        try:
            parse([row])
        except (ValueError, LookupError, OverflowError):
            raise UsageError(f"trace {path}: line {number:,} holds {shown(row)}; expected {expected}") from None
    raise AssertionError(f"{path}: lines from {first} are right one by one and wrong together")


def _lines(blocks: Iterator[bytes], path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Bulks of whole lines, each with the number of its first, from 1."""
    rest, first = b"", 1
    for block in blocks:
        *rows, rest = (rest + block).split(b"\n")
        if rows:
            if max(map(len, rows)) > LONGEST_LINE_BYTES:
                _refuse_long(first, rows, path)
            yield first, rows
            first += len(rows)
        if len(rest) > LONGEST_LINE_BYTES:
            _refuse_long(first, [rest], path)
    if rest:
        yield first, [rest]


def _refuse_long(first: int, rows: list[bytes], path: Path) -> NoReturn:
    number, row = next((number, row) for number, row in enumerate(rows, first) if len(row) > LONGEST_LINE_BYTES)
    raise UsageError(
        f"trace {path}: line {number:,} holds {shown(row)} and goes on for more than "
        f"{LONGEST_LINE_BYTES:,} bytes; expected a line of text"
    )
