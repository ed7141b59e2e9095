"""Every error that ends a run, and the exit code that it ends with. Anything else uncaught is exit code 3."""

from __future__ import annotations

from typing import ClassVar


class CachegateError(Exception):
    """A run that cannot go on. The message is one line and says what to do."""

    exit_code: ClassVar[int] = 3


class UsageError(CachegateError):
    """The request is wrong: a name, a number, a file (exit code 4)."""

    exit_code = 4


class NothingMeasuredError(CachegateError):
    """The baseline could not be measured, so there is nothing to compare with (exit code 5)."""

    exit_code = 5


class UnwrittenError(CachegateError):
    """The verdict stands, but an output could not be written (exit code 6, in the place of 0 alone)."""

    exit_code = 6


class HarnessError(CachegateError):
    """Our own fault (exit code 3)."""
