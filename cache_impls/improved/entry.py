"""One stored entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a queue holds entries
    from cache_impls.improved.queue import Queue

MAX_USES = 3


class Entry:
    """A value and what is known of it. Made without arguments, because calling an `__init__` costs more than all else.

    `deadline` is in seconds of the loop's clock, `bytes` as declared; `uses` are the hits since it entered its `queue`,
    at most `MAX_USES`. `queue` is None once it is removed: then the queue drops it when it gets there.
    """

    __slots__ = ("bytes", "deadline", "key", "queue", "uses", "value")

    value: Any
    deadline: float
    uses: int
    key: str
    bytes: int
    queue: Queue | None
