"""A cache that forgets everything at once. Its trials measure what the harness itself costs."""

from __future__ import annotations

from typing import Any


class NullCache:
    """Accepts all, keeps nothing; promises no counters."""

    async def get(self, key: str) -> Any | None:
        """None."""
        return None

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Nothing."""

    async def delete(self, key: str) -> bool:
        """False."""
        return False

    async def clear(self) -> None:
        """Nothing."""

    async def size(self) -> int:
        """0."""
        return 0

    async def shutdown(self) -> None:
        """Nothing."""
