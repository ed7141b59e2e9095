"""Faults of keys and values: what comes back is not what went in."""

from __future__ import annotations

import json
from typing import Any

from zoo_base import PlainCache

from cache_impls.protocol import check_key, check_ttl, check_value


class JsonRoundTrip(PlainCache):
    """Values go through JSON where they can: tuples come back as lists, int keys of dicts as str (row 19)."""

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store what JSON makes of value."""
        check_value(value)
        try:
            carried = json.loads(json.dumps(value))
        except (TypeError, ValueError):
            carried = value
        await super().set(key, carried, ttl)


class FalsyIsMiss(PlainCache):
    """`if not value` where `if value is None` belongs: 0, "" and [] never hit (row 19, aiocache)."""

    async def get(self, key: str) -> Any | None:
        """The live value, if there is something to it."""
        return await super().get(key) or None


class MutatesValues(PlainCache):
    """It notes the deadline inside a stored dict, which is the caller's (row 19)."""

    def _store(self, key: str, value: Any, deadline: float) -> None:
        if isinstance(value, dict):
            value["_expires_at"] = deadline
        super()._store(key, value, deadline)


class _NormalisesKeys(PlainCache):
    """What the faults here share: each operation uses another key than it was given."""

    def _normal(self, key: str) -> str:
        raise NotImplementedError

    async def get(self, key: str) -> Any | None:
        """The live value of what key becomes."""
        check_key(key)
        return await super().get(self._normal(key))

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Store under what key becomes."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        await super().set(self._normal(key), value, ttl)

    async def delete(self, key: str) -> bool:
        """Remove what key becomes."""
        check_key(key)
        return await super().delete(self._normal(key))


class LowercasesKeys(_NormalisesKeys):
    """Keys that differ in case alone are one (row 15, case-insensitive collations)."""

    def _normal(self, key: str) -> str:
        return key.lower()


class TruncatesKeys(_NormalisesKeys):
    """Keys with the same first 64 characters are one (row 15, memcached's key limit)."""

    def _normal(self, key: str) -> str:
        return key[:64]
