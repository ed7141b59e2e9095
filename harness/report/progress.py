"""One line of progress on standard error, rewritten; nothing when that is not a terminal.

No thread and no timer: it is drawn between trials, because drawing during one would be measured with it.
"""

from __future__ import annotations

import shutil
import sys
from types import TracebackType


class Progress:
    """Shows the latest line for as long as it is open."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write("")

    def say(self, line: str) -> None:
        """Show line in place of the last."""
        self._write(line[: shutil.get_terminal_size().columns - 1])

    def _write(self, line: str) -> None:
        if self._on:
            sys.stderr.write(f"\r\x1b[2K{line}")
            sys.stderr.flush()
