"""Which entry goes when there is no room: S3-FIFO with a probation queue whose share adapts.

A new entry waits in `probation`. What was hit there twice or more is moved to `main` when its turn comes, the rest is
evicted, so that what is asked for once (a scan) costs what is popular nothing. In `main` an entry goes round once
for each hit that it had. What was evicted is remembered, by its hash, for as long as the cache has entries:
if it comes back it goes to `main` at once, and tells which queue was too short. A hit marks an entry and moves
nothing, and one eviction looks at `_MAX_STEPS` entries at most.

S3-FIFO: Yang, Zhang, Qiu, Yue, Vigfusson, SOSP 2023. The share adapts as ARC's does (Megiddo, Modha, FAST 2003), by
hits among the remembered, weighed by how many are remembered of each kind. With a fixed tenth, sprite at 1,000 entries
has half a point fewer hits and web07 as many; `cachegate hitratio` measures both.
"""

from __future__ import annotations

from cache_impls.improved.entry import Entry
from cache_impls.improved.memory import Memory
from cache_impls.improved.queue import Queue

_FIRST_SHARE, _LEAST_SHARE, _MOST_SHARE = 0.1, 0.05, 0.5
"""Of the entries, in probation."""
_SHARE_STEP = 0.005
_MAX_STEPS = 100
"""Entries given another round by one eviction, at most; then the next goes whatever its hits. 20 us."""


class Eviction:
    """The queues of a cache and its memory of what was evicted.

    max_entries is the bound that a cache fills up to at first; divisions is in how many parts the memory of the
    evicted is made, so that none takes long.
    """

    __slots__ = (
        "_full",
        "_max_entries",
        "_memory",
        "_share",
        "main",
        "probation",
    )

    def __init__(self, max_entries: int, divisions: int) -> None:
        self._max_entries = max_entries
        self.probation = Queue()
        self.main = Queue()
        self._share = _FIRST_SHARE
        self._full = False
        """Whether anything was evicted yet."""
        self._memory = Memory(divisions)

    def admit(self, entry: Entry, key_hash: int) -> None:
        """Put a new entry into the queue where it belongs."""
        from_main = self._memory.take(key_hash) if self._full else None
        queue = self.probation
        if from_main is not None:
            self._adapt(from_main)
            queue = self.main
        elif not self._full and len(queue) >= self._share * self._max_entries:
            queue = self.main  # nobody has to go yet: a small probation queue, as later
        entry.queue = queue
        queue.append(entry)

    def victim(self) -> Entry | None:
        """Take the entry that has to go out of its queue, and remember it; None if there is none."""
        self._full = True
        probation, main = self.probation, self.main
        for step in range(_MAX_STEPS + 1):
            count = len(probation)
            if count and (count >= self._share * (count + len(main)) or not main):
                entry = probation.pop()
                if entry is None:
                    return None
                if entry.uses <= 1 or step == _MAX_STEPS:
                    self._remember(entry, from_main=False)
                    return entry
                entry.uses = 0
            else:
                entry = main.pop()
                if entry is None:
                    return None
                if not entry.uses or step == _MAX_STEPS:
                    self._remember(entry, from_main=True)
                    return entry
                entry.uses -= 1
            entry.queue = main
            main.append(entry)
        return None

    def _adapt(self, from_main: bool) -> None:
        """Lengthen the queue that key was evicted from too early, the more the fewer it had evicted."""
        change = _SHARE_STEP * self._memory.balance(from_main=from_main)
        share = self._share - change if from_main else self._share + change
        self._share = min(_MOST_SHARE, max(_LEAST_SHARE, share))

    def _remember(self, entry: Entry, *, from_main: bool) -> None:
        entries = len(self.probation) + len(self.main) + 1
        self._memory.add(hash(entry.key), entries, from_main=from_main)
