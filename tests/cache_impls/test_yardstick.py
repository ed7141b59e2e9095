"""The yardstick never changes without a new version."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cache_impls import yardstick

FROZEN = {1: "b2f3286e41d33b2dcf03c5201ef1b1a8d784b9f6301ade2c7baa3ff0f6736670"}


def test_the_yardstick_is_frozen() -> None:
    """Stored baselines are ratios to this very file: an edit needs a new YARDSTICK_VERSION and its digest here."""
    digest = hashlib.sha256(Path(yardstick.__file__).read_bytes()).hexdigest()
    assert FROZEN[yardstick.YARDSTICK_VERSION] == digest
