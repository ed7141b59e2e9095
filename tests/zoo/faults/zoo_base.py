"""What the faults differ from; a spec by path puts only this folder on the import path, so the other is added here."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from decoys import WriteBehindCache  # found by the line above
from plain import Entry, Flight, Loader, LoadingCache, PlainCache  # as above
from suspending import (  # as above
    FifoLockCache,
    KeyLock,
    RemoteCache,
    SetThenExpireCache,
    ShortNearCache,
    TwoTierCache,
)

__all__ = [
    "Entry",
    "FifoLockCache",
    "Flight",
    "KeyLock",
    "Loader",
    "LoadingCache",
    "PlainCache",
    "RemoteCache",
    "SetThenExpireCache",
    "ShortNearCache",
    "TwoTierCache",
    "WriteBehindCache",
]
