"""One stored entry: a plain list, because nothing else is made and read as fast, with names for its places."""

from __future__ import annotations

from typing import Any, Final

Entry = list[Any]

VALUE: Final = 0
DEADLINE: Final = 1
"""Seconds of the loop's clock."""
USES: Final = 2
"""Hits since it entered its queue, at most `MAX_USES`."""
KEY: Final = 3
"""None once the entry is removed: its queue drops it when it gets there."""
BYTES: Final = 4
"""Declared."""
QUEUE: Final = 5
"""The `Queue` that it stands in."""

MAX_USES: Final = 3
