"""What a read may answer: the last write to its key, while that lives. A miss is always legal.

The trial's own check, exact for one client and lenient for several: in a slice that several clients share,
every value that was current or written during the slice is accepted. (`cachegate check` is exact for both.)
Runs in the trial child, between the timed batches, so it is compact: a row of numbers a key, which leaves the
processor's caches to the cache under test.
"""

from __future__ import annotations

from array import array
from typing import Any

from harness.measure.values import head_of

NEVER = 1 << 62
"""A deadline that is not known: the cache's own default ttl applies."""

NOTHING = -1
"""The tag of a key that holds nothing."""

Write = tuple[int, int, int]
"""Tag (the number of the request that wrote), length of the value, deadline in workload nanoseconds."""

MAX_EXAMPLES = 3


class Truth:
    """The writes that a read may see, by key number (0 to keys - 1)."""

    def __init__(self, keys: int) -> None:
        self.tags = array("q", [NOTHING]) * keys
        """Of the last write to each key. The driver reads these three: one look tells most answers to be right."""
        self.lengths = array("q", [0]) * keys
        self.deadlines_ns = array("q", [0]) * keys
        self._others: dict[int, list[Write]] = {}
        """What a key may hold beside its last write."""
        self._uncertain: set[int] = set()
        self.wrong = 0
        self.examples: list[str] = []

    def wrote(self, key: int, write: Write) -> None:
        """key now holds write and nothing else."""
        self.tags[key], self.lengths[key], self.deadlines_ns[key] = write
        if self._others or self._uncertain:
            self._forget(key)

    def may_have_written(self, key: int, write: Write) -> None:
        """key may hold write beside what it may hold already."""
        if self.tags[key] != NOTHING:
            self._others.setdefault(key, []).append((self.tags[key], self.lengths[key], self.deadlines_ns[key]))
        self.tags[key], self.lengths[key], self.deadlines_ns[key] = write

    def deleted(self, key: int) -> None:
        """key holds nothing."""
        self.tags[key] = NOTHING
        self._forget(key)

    def unknown(self, key: int) -> None:
        """An operation on key failed, so nobody knows what it holds; reads of it are not judged until a write."""
        self._uncertain.add(key)

    def check_delete(self, key: int, name: str, answer: Any) -> None:
        """Judge the answer of a delete: True where nothing can have been there is wrong."""
        if answer and self.tags[key] == NOTHING and key not in self._uncertain:
            self.found_wrong(f"delete({name!r}) answered {answer!r} where nothing was stored")

    def check(self, key: int, name: str, answer: Any, now_ns: int) -> None:
        """Judge a hit on key (called name) at now_ns; answer is not None."""
        if key in self._uncertain:
            return
        late_ns: int | None = None
        for tag, length, deadline_ns in self._candidates(key):
            if answer.__class__ is str and answer.startswith(head_of(tag, name)) and len(answer) == length:
                if now_ns < deadline_ns:
                    return
                late_ns = now_ns - deadline_ns
        self.found_wrong(self._describe(key, name, answer, late_ns))

    def _candidates(self, key: int) -> list[Write]:
        if self.tags[key] == NOTHING:
            return []
        return [(self.tags[key], self.lengths[key], self.deadlines_ns[key]), *self._others.get(key, ())]

    def _forget(self, key: int) -> None:
        self._others.pop(key, None)
        self._uncertain.discard(key)

    def found_wrong(self, description: str) -> None:
        """Count a wrong answer."""
        self.wrong += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(description)

    def _describe(self, key: int, name: str, answer: Any, late_ns: int | None) -> str:
        if answer.__class__ is not str:
            return f"get({name!r}) answered {type(answer).__name__} where a str was written"
        if late_ns is not None:
            return f"get({name!r}) answered a value that expired {late_ns / 1e9:.3g} s before"
        shown = repr(answer[:40] + ("..." if len(answer) > 40 else ""))
        if f".{name}." not in answer:
            return f"get({name!r}) answered {shown}, another key's value"
        if self.tags[key] == NOTHING:
            return f"get({name!r}) answered {shown} where nothing was stored or all was deleted"
        last = head_of(self.tags[key], name)
        return f"get({name!r}) answered {shown}, but the last write is {last!r}, {self.lengths[key]} long"
