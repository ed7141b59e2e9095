"""First in, first out, with removal from the middle: what is removed is marked, and dropped when its turn comes."""

from __future__ import annotations

from collections import deque

from cache_impls.improved.entry import Entry

_SLACK = 1_000
"""Removed entries that may wait, beside as many as are live."""
_STEPS = 4
"""Entries looked at by one operation to tidy up. With more than 2 the queue gets shorter faster than it can grow."""


class Queue:
    """Entries in order of arrival. Operations take constant time, but for a `pop` that meets a run of removed ones."""

    __slots__ = ("_entries", "_removed")

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._removed = 0

    def __len__(self) -> int:
        """The live entries."""
        return len(self._entries) - self._removed

    @property
    def places(self) -> int:
        """Entries that wait here, removed ones among them."""
        return len(self._entries)

    def append(self, entry: Entry) -> None:
        """Put entry at the end."""
        self._entries.append(entry)
        if self._removed:
            self._tidy()

    def pop(self) -> Entry | None:
        """Take out the first live entry; None if there is none."""
        while self._entries:
            entry = self._entries.popleft()
            if entry.queue is not None:
                return entry
            self._removed -= 1
        return None

    def step(self) -> Entry | None:
        """Take out the place in front, whatever it holds; a live entry is answered, for its caller to put back."""
        entry = self._entries.popleft()
        if entry.queue is not None:
            return entry
        self._removed -= 1
        return None

    def removed_one(self) -> None:
        """Count an entry that was marked as removed where it stood."""
        self._removed += 1
        self._tidy()

    def _tidy(self) -> None:
        """Drop what is removed in front; behind live entries only if there is more of it than of them.

        Then live ones go to the end, as if they had come now: the order suffers a little, the bound does not.
        """
        entries = self._entries
        for _ in range(_STEPS):
            if not entries:
                return
            if entries[0].queue is None:
                entries.popleft()
                self._removed -= 1
            elif self._removed > len(entries) // 2 + _SLACK:
                entries.rotate(-1)
            else:
                return
