"""What the binary formats share: whole records out of blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.errors import UsageError


def records(blocks: Iterator[bytes], width: int, path: Path) -> Iterator[bytes]:
    """The blocks, cut at multiples of width bytes. Raises UsageError if the last record is not whole."""
    rest, offset = b"", 0
    for block in blocks:
        data = rest + block
        whole = len(data) - len(data) % width
        rest = data[whole:]
        if whole:
            yield data[:whole]
            offset += whole
    if rest:
        raise UsageError(
            f"trace {path}: record {offset // width + 1:,}, at byte {offset:,}, has {len(rest)} of the "
            f"{width} bytes that were expected; is it truncated?"
        )
