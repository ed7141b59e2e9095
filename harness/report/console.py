"""The console that reports are printed on."""

from __future__ import annotations

from typing import IO, NoReturn

from rich.console import Console

_LEAST_WIDTH = 110
"""Columns that the table of a gate needs; a narrower terminal wraps it, which beats cut-off words."""


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Tell the caller, who knows the exit code; rich would exit with 1, which is ROLLBACK."""
        raise BrokenPipeError


def console(stream: IO[str]) -> Console:
    """A console on stream, wide enough for a table."""
    made = _Console(file=stream, highlight=False, emoji=False)
    if not made.is_terminal or made.width < _LEAST_WIDTH:
        made.width = max(made.width, _LEAST_WIDTH if made.is_terminal else 120)
    return made
