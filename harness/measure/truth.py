"""What a read may answer: the last write to its key, while that lives. A miss is always legal.

The trial's own check, exact for one client and lenient for several: in a slice that several clients share,
every value that was current or written during the slice is accepted. (`cachegate check` is exact for both.)
Runs in the trial child, between the timed batches.
"""

from __future__ import annotations

from typing import Any

NEVER = 1 << 62
"""A deadline that is not known: the cache's own default ttl applies."""

Write = tuple[str, int, int]
"""Head of the value, size in bytes, deadline in workload nanoseconds."""

MAX_EXAMPLES = 3


class Truth:
    """The writes that a read may see, by key number."""

    def __init__(self) -> None:
        self._current: dict[int, tuple[Write, ...]] = {}
        self._uncertain: set[int] = set()
        self.wrong = 0
        self.examples: list[str] = []

    def wrote(self, key: int, write: Write) -> None:
        """key now holds write and nothing else."""
        self._current[key] = (write,)
        if self._uncertain:
            self._uncertain.discard(key)

    def may_have_written(self, key: int, write: Write) -> None:
        """key may hold write beside what it may hold already."""
        self._current[key] = (*self._current.get(key, ()), write)

    def deleted(self, key: int) -> None:
        """key holds nothing."""
        self._current.pop(key, None)
        if self._uncertain:
            self._uncertain.discard(key)

    def unknown(self, key: int) -> None:
        """An operation on key failed, so nobody knows what it holds; reads of it are not judged until a write."""
        self._uncertain.add(key)

    def check_delete(self, key: int, name: str, answer: Any) -> None:
        """Judge the answer of a delete: True where nothing can have been there is wrong."""
        if answer and key not in self._current and key not in self._uncertain:
            self._found_wrong(f"delete({name!r}) answered {answer!r} where nothing was stored")

    def check(self, key: int, name: str, answer: Any, now_ns: int) -> None:
        """Judge a hit on key (called name) at now_ns; answer is not None."""
        late: Write | None = None
        for write in self._current.get(key, ()):
            head, size, deadline_ns = write
            if answer.__class__ is str and answer.startswith(head) and len(answer) == max(size, len(head)):
                if now_ns < deadline_ns:
                    return
                late = write
        if key in self._uncertain:
            return
        self._found_wrong(self._describe(key, name, answer, now_ns, late))

    def _found_wrong(self, description: str) -> None:
        self.wrong += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(description)

    def _describe(self, key: int, name: str, answer: Any, now_ns: int, late: Write | None) -> str:
        if answer.__class__ is not str:
            return f"get({name!r}) answered {type(answer).__name__} where a str was written"
        if late is not None:
            past_seconds = (now_ns - late[2]) / 1e9
            return f"get({name!r}) answered a value that expired {past_seconds:.3g} s before"
        shown = repr(answer[:40] + ("..." if len(answer) > 40 else ""))
        current = self._current.get(key)
        if not current:
            return f"get({name!r}) answered {shown} where nothing was stored or all was deleted"
        if f".{name}." not in answer:
            return f"get({name!r}) answered {shown}, another key's value"
        return f"get({name!r}) answered {shown}, but the last write is {current[-1][0]!r} and {current[-1][1]} bytes"
