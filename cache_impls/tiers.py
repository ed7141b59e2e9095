"""From a spec to a tier of a hierarchy: any cache in process, or a server by its URL."""

from __future__ import annotations

from cache_impls.dialects import Adapted, adapt
from cache_impls.protocol import Capability
from cache_impls.registry import ADAPTERS, BUILTIN, URL_SCHEMES, make

_SCHEMES = (*URL_SCHEMES, "resp")


def near_tier(spec: str, max_entries: int) -> Adapted:
    """L1. Raises ValueError for a cache that cannot be one."""
    tier = make(spec, capacity=max_entries)
    _demand("l1", tier, Capability.TTL | Capability.DELETE | Capability.CLEAR)
    if tier.capacity not in (None, max_entries):
        raise ValueError(f"l1's bound is max_entries of the hierarchy ({max_entries}), not its own ({tier.capacity})")
    return tier


def far_tier(spec: str, timeout: float, connections: int) -> Adapted:
    """L2: a server by its URL, else a cache in process. Raises ValueError for one that cannot be one."""
    scheme, separator, _ = spec.partition("://")
    if not separator or scheme not in _SCHEMES:
        tier = make(spec)
        _demand("l2", tier, Capability.TTL | Capability.DELETE)
        return tier
    try:
        from cache_impls.remote import RemoteTier  # noqa: PLC0415  # only a server needs the library
    except ModuleNotFoundError as error:
        raise ValueError(f"a server as l2 needs the package {error.name}: pip install 'cachegate[valkey]'") from error
    return adapt(RemoteTier(spec, timeout=timeout, connections=connections))


def is_private(spec: str) -> bool:
    """Whether a tier is in this process alone, for certain: then names need no chance, and a check can be replayed."""
    target, _ = BUILTIN.get(spec.partition("?")[0], (ADAPTERS, ""))
    return not target.startswith(ADAPTERS)


def _demand(name: str, tier: Adapted, needed: Capability) -> None:
    missing = needed & ~tier.capabilities
    if missing:
        raise ValueError(f"{name} lacks {', '.join(str(flag.name).lower() for flag in missing)}")
