"""One shard: a dict in order of use, oldest first. Every operation but a scan takes constant time."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

Entry = tuple[Any, float, int]
"""Value, deadline in seconds of the loop's clock, declared bytes."""


class Shard(OrderedDict[str, Entry]):
    """Entries by key, least recently used first."""

    __slots__ = ()

    def oldest_but(self, spare: str) -> str | None:
        """The least recently used key other than spare, or None."""
        for key in self:
            if key != spare:
                return key
        return None
