"""Values that say which write they are, so that every read can be judged.

A value is `tag.key.` and padding up to its size in bytes; the tag is the number of the request that wrote
it. Runs in the trial child.
"""

from __future__ import annotations

_PADDING = "x" * 65_536


def head_of(tag: int, key: str) -> str:
    """What the value of write tag to key begins with."""
    return f"{tag}.{key}."


def fill_up(head: str, size: int) -> str:
    """The value that begins with head, size bytes long (head itself where that is longer)."""
    missing = size - len(head)
    if missing <= len(_PADDING):
        return head + _PADDING[:missing] if missing > 0 else head
    return head.ljust(size, "x")
