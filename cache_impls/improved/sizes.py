"""How many bytes an entry is declared to hold.

A declared size is an estimate from the interpreter's own object sizes, not a serialisation: it costs no
copy, and shared objects are counted once an entry.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Any

ENTRY_OVERHEAD_BYTES = 250
"""What storage adds to a key and a value: the entry, its deadline and its size, its places in a dictionary and a queue,
and what is remembered of one that was evicted. The gate weighs 154 on `ycsb-b` (1,268 bytes an entry, of which 1,114
are key and value), where nothing is evicted; the rest is for that, and for a dictionary that has just grown."""

ASCII_OVERHEAD_BYTES = ENTRY_OVERHEAD_BYTES + 2 * getsizeof("")
"""The same for a key and a value of ASCII text, a byte a character."""

_LEAVES = (str, bytes, bytearray, int, float, bool, complex, type(None))


def entry_bytes(key: str, value: Any) -> int:
    """Declared bytes of one entry, key and overhead included."""
    if isinstance(value, _LEAVES):
        return ENTRY_OVERHEAD_BYTES + getsizeof(key) + getsizeof(value)
    return ENTRY_OVERHEAD_BYTES + getsizeof(key) + _deep_bytes(value)


def _deep_bytes(value: Any) -> int:
    """Bytes of value and of what it holds, each object once, without recursion (a value may be deep)."""
    total = 0
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        total += getsizeof(item, 64)
        if isinstance(item, _LEAVES):
            continue
        if isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list | tuple | set | frozenset):
            waiting += item
        elif hasattr(item, "__dict__"):
            waiting.append(vars(item))
    return total
