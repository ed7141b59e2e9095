"""Under which names a tier that may answer late, or not at all, is written: a name whose fate is unknown is left.

Rules:
1. A name is `prefix epoch:generation:key`. In a tier that others may use the prefix is drawn, so nobody else reads or
   writes these names.
2. A write whose outcome is not known to be good gives its key another generation. Whatever lands late, lands under a
   name that nobody will ever read.
3. One that was surely never sent needs no other name if nothing was ever sent under this one.
4. `renew` begins an epoch, in which every key has another name. So does a map of generations that is full: forgetting a
   generation alone would bring an old name back.
"""

from __future__ import annotations

import enum
import os
import re
from secrets import token_hex

RUN = "CACHEGATE_RUN"
"""The variable in which a command tells its processes which run they belong to."""
_own_run = token_hex(8)
"""Of a process that no command started."""


class Outcome(enum.Enum):
    """What became of a request."""

    DONE = enum.auto()
    UNKNOWN = enum.auto()
    """It may have taken effect, or do so later."""
    NEVER_SENT = enum.auto()


class Names:
    """The names of one process; at most limit keys have a generation of their own. shared: others use the tier too."""

    def __init__(self, limit: int, *, shared: bool) -> None:
        self._limit = limit
        self._shared = shared
        self._prefix = fresh_prefix() if shared else ""
        self._generations: dict[str, int] = {}
        self._untouched: set[str] = set()
        """Keys under whose present name nothing was ever sent."""
        self.epoch = 0
        self.renamed = 0
        """Names that were left."""

    def of(self, key: str) -> str:
        """The name of key now."""
        return f"{self._prefix}{self.epoch}:{self._generations.get(key, 0)}:{key}"

    def settle(self, key: str, name: str, outcome: Outcome) -> None:
        """Say what became of a write that was sent, or not, under name."""
        if name != self.of(key):
            return  # an epoch has begun since: nobody reads that name
        if outcome is Outcome.DONE:
            self._untouched.discard(key)
        elif outcome is Outcome.UNKNOWN or key not in self._untouched:
            self._leave(key)

    def renew(self) -> None:
        """Begin an epoch."""
        self.epoch += 1
        self._generations.clear()
        self._untouched.clear()

    def move(self) -> None:
        """Begin an epoch under another prefix: in the child of a fork the present one is somebody else's too."""
        self._prefix = fresh_prefix() if self._shared else ""
        self.renew()

    def _leave(self, key: str) -> None:
        self.renamed += 1
        generation = self._generations.get(key, 0) + 1
        if generation == 1 and len(self._generations) >= self._limit:
            self.renew()
            return
        self._generations[key] = generation
        self._untouched.add(key)


def fresh_prefix() -> str:
    """What the keys of one cache begin with, on a server that it shares with others."""
    named = os.environ.get(RUN, "")
    run = named if re.fullmatch("[0-9a-f]{16}", named) else _own_run
    return f"{run_prefix(run)}{token_hex(6)}:"


def run_prefix(run: str) -> str:
    """What the keys of all caches of a run begin with."""
    return f"cachegate:{run}:"
