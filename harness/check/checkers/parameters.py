"""C12: a changed parameter changes something. Judged from observations, one a value of a parameter that was tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

ID = "C12"
TITLE = "wired"
LAW = "Each numeric parameter of the factory changes something that can be observed."
EXAMPLE = """\
A cache takes num_shards and cleanup_interval and hands neither on. Whoever tunes them sees noise, and believes in the
best run. What is observed here: answers, sizes, counters, the times of timers, and the turns that the loop takes."""


class Tried(NamedTuple):
    """What was observed with one value of one parameter."""

    parameter: str
    value: float
    same: bool
    """Whether everything that could be observed was as with the default."""


def without_effect(tried: Sequence[Tried]) -> dict[str, list[float]]:
    """Parameters none of whose values changed anything, with the values."""
    values: dict[str, list[float]] = {}
    for one in tried:
        values.setdefault(one.parameter, []).append(one.value)
    wired = {one.parameter for one in tried if not one.same}
    return {parameter: found for parameter, found in values.items() if parameter not in wired}
