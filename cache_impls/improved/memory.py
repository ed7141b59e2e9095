"""What was evicted lately, and from which queue: a table of 16 bytes an entry, in parts that are made when needed.

A row is a key's fingerprint and when it was evicted, counted in evictions; it holds for as many evictions as the window
has. Where a bucket is full the oldest row goes, which loses about one in twenty before its time. A fingerprint is
24 bits, so one new key in two million is taken for one that was evicted: it only gets a better place than it earned.
"""

from __future__ import annotations

from array import array

_WAYS = 4
"""Rows a bucket."""
_ROWS = 2
"""For each entry of the cache."""
_WINDOW = 1.25
"""Evictions remembered, for each entry of the cache."""
_FINGERPRINT = (1 << 24) - 1


class Memory:
    """Evicted keys, by hash, for a cache that holds so many entries; divisions is how many parts it has."""

    __slots__ = ("_buckets", "_divisions", "_entries", "_parts", "_recent", "_window", "now")

    def __init__(self, divisions: int) -> None:
        self._divisions = divisions
        self.now = 0
        """Evictions so far."""
        self._fit(1)
        self._recent = [0.0, 0.0]
        """About how many of the window's evictions were from probation and from main."""

    def add(self, key_hash: int, entries: int, *, from_main: bool) -> None:
        """Remember a key that a cache of so many entries has evicted."""
        if entries > 2 * self._entries or 4 * entries < self._entries:
            self._fit(entries)
        self.now += 1
        self._recent = [value - value / self._window for value in self._recent]
        self._recent[from_main] += 1
        part, start, fingerprint = self._place(key_hash)
        rows = self._parts[part]
        if rows is None:
            self._parts[part] = rows = array("Q", bytes(8 * _WAYS * self._buckets))
        bucket = rows[start : start + _WAYS]
        rows[start + bucket.index(min(bucket))] = ((self.now << 1 | from_main) << 24) | fingerprint

    def take(self, key_hash: int) -> bool | None:
        """Whether it was evicted from main, and forget it; None if it is not remembered."""
        part, start, fingerprint = self._place(key_hash)
        rows = self._parts[part]
        if rows is None:
            return None
        for place in range(start, start + _WAYS):
            row = rows[place]
            if row & _FINGERPRINT == fingerprint and row:
                rows[place] = 0
                return bool(row >> 24 & 1) if self.now - (row >> 25) < self._window else None
        return None

    def balance(self, *, from_main: bool) -> float:
        """How many times as many are remembered from the other queue; at least 1."""
        return max(1.0, (self._recent[not from_main] + 1) / (self._recent[from_main] + 1))

    def _place(self, key_hash: int) -> tuple[int, int, int]:
        rest, part = divmod(key_hash, self._divisions)
        rest, bucket = divmod(rest, self._buckets)
        return part, bucket * _WAYS, rest & _FINGERPRINT

    def _fit(self, entries: int) -> None:
        """Forget all, and make the parts anew for a cache of so many entries."""
        self._entries = entries
        self._window = max(1.0, _WINDOW * entries)
        self._buckets = -(-_ROWS * entries // (_WAYS * self._divisions))
        self._parts: list[array[int] | None] = [None] * self._divisions
