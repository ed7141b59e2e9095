"""The keys that a run writes to a server that is not its own: which they are, and how they are removed.

Every key is known beforehand, so a server that others use too need not be searched (SCAN) for them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from harness.load.connection import BrokenError, command, connect, told
from harness.load.plan import target
from harness.load.samples import REQUESTS
from harness.measure.generate import draw
from harness.measure.workload import parse

_BATCH = 500
_MOST_SECONDS = 30.0
"""For all of them; each answer may take a part of it."""
_ANSWER_SECONDS = 10.0

Removal = Callable[[], str | None]
"""Removes keys; what went wrong, if anything."""


class Keys(NamedTuple):
    """All that a run may write to one server. Plain types: another process may have to remove them."""

    url: str
    prefix: str
    form: str
    """From a number to what follows the prefix (`str.format`)."""
    numbers: list[int]


Promise = Callable[[Keys, float], Removal]
"""Take care that keys are gone after so many seconds at the latest, even if this process has died by then."""


def keys_of(workload: str, url: str, prefix: str) -> Keys:
    """Those of a workload's users."""
    requests = draw(parse(workload), REQUESTS)
    return Keys(url, prefix, requests.key_format, sorted(set(requests.key.tolist())))


def remove(url: str, prefix: str, form: str, numbers: list[int]) -> None:
    """Remove them from the server, until none comes any more: what users wrote last may still be on its way.

    Raises BrokenError with what is left there.
    """
    end = time.monotonic() + _MOST_SECONDS
    left, place = len(numbers), target(url)
    try:
        connection = connect(url, timeout_seconds=_ANSWER_SECONDS)
        try:
            found = True
            while found:
                found, left = False, len(numbers)
                for start in range(0, len(numbers), _BATCH):
                    if time.monotonic() > end:
                        raise BrokenError(f"they were not gone within {_MOST_SECONDS:g} s")
                    batch = numbers[start : start + _BATCH]
                    reply = connection.call(command(b"DEL", *((prefix + form.format(n)).encode() for n in batch)))
                    if type(reply) is not int:
                        raise BrokenError(f"DEL answered {told(reply)}")
                    found, left = found or reply > 0, left - len(batch)
        finally:
            connection.close()
    except BrokenError as error:
        raise BrokenError(f"up to {left:,} keys that begin with {prefix} are left on {place.text}: {error}") from error


@contextmanager
def removed(removals: list[Removal]) -> Iterator[list[str]]:
    """Remove all at the end of the block: the list then says what could not be.

    If the block fails nobody reads a list, and standard error says it.
    """
    problems: list[str] = []
    try:
        yield problems
    except BaseException:
        for problem in _all(removals):
            print(f"cachegate: {problem}", file=sys.stderr)
        raise
    problems += _all(removals)


def _all(removals: list[Removal]) -> list[str]:
    return [problem for each in removals if (problem := each()) is not None]
