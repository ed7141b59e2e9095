"""The new cache: `cache` (the operations), `eviction`, `queue` and `memory` (who goes), `sizes` (declared bytes)."""

from cache_impls.improved.cache import ImprovedAsyncCache

__all__ = ["ImprovedAsyncCache"]
