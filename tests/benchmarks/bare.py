"""A dictionary behind `async def`, with no bound and no ttl: the least that any cache can cost here."""

from __future__ import annotations

from typing import Any


class BareDict:
    """Not a cache: it forgets nothing."""

    def __init__(self) -> None:
        self._entries: dict[str, Any] = {}

    async def get(self, key: str) -> Any | None:
        """The value of key, or None."""
        return self._entries.get(key)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store value for good."""
        del ttl
        self._entries[key] = value
