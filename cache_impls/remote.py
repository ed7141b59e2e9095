"""A server as a tier: Valkey, Redis, or a host of ours (`resp://host:port`).

Values are sealed (`sealing`): one that this process did not write under that name is no value. Without a server a tier
can be made all the same, and each request fails; what `link` says of requests holds here.
"""

from __future__ import annotations

from typing import Any

from cache_impls.far import TierError
from cache_impls.link import LONGEST_MS, Link
from cache_impls.replies import MOST_BYTES
from cache_impls.sealing import ForgedError, seal, unseal


class RemoteTier(Link):
    """get, set and delete on a server, with at most so many connections. timeout is seconds."""

    async def get(self, key: str) -> Any | None:
        """The value of key, or None."""
        name = _bytes(key)
        found = await self.ask("GET", name)
        if found is None:
            return None
        try:
            return unseal(name, found)
        except ForgedError as error:
            raise TierError(f"{key}: {error}", sent=True, outage=False, forged=True) from error
        except Exception as error:  # what unpickling raises is the values' affair
            raise TierError(f"{key}: what the server holds cannot be read", sent=True, outage=False) from error

    async def set(self, key: str, value: Any, ttl: float) -> None:
        """Store value for ttl seconds, in whole milliseconds, at least one."""
        name = _bytes(key)
        try:
            sealed = seal(name, value)
        except Exception as error:  # as above
            raise TierError(f"{key}: a value that cannot be pickled", sent=False, outage=False) from error
        if len(sealed) > MOST_BYTES:
            raise TierError(f"{key}: a value of more than {MOST_BYTES} bytes", sent=False, outage=False)
        await self.ask("SET", name, sealed, "PX", max(1, int(min(ttl * 1000, LONGEST_MS))))

    async def delete(self, key: str) -> bool:
        """Remove key; the server answers how many it removed."""
        return bool(await self.ask("DEL", _bytes(key)))

    async def shutdown(self) -> None:
        """Close all connections; entries end by their ttl, or with their run (`sweep`)."""
        await self.close()


def _bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")  # keys of clients may be any bytes
