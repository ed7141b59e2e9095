"""The new cache: `cache` (the operations), `shard` (storage and eviction), `sizes` (declared bytes)."""

from cache_impls.improved.cache import ImprovedAsyncCache

__all__ = ["ImprovedAsyncCache"]
