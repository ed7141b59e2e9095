"""Text to base units at the way in. Base units are seconds, bytes and fractions; names end in the unit."""

from __future__ import annotations

import math
import re

from harness.errors import UsageError

_NUMBER = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([a-zA-Z%]*)\s*")
_SECONDS = {"": 1.0, "ms": 1e-3, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_duration(text: str, what: str) -> float:
    """Seconds > 0 from `30s`, `500ms`, `2m`, `1h` or a bare number. Raises UsageError naming what."""
    match = _NUMBER.fullmatch(text)
    if match is None or match[2].lower() not in _SECONDS:
        raise UsageError(f"{what} {text!r} is not a duration; write 30s, 500ms, 2m or 1h")
    seconds = float(match[1]) * _SECONDS[match[2].lower()]
    if not math.isfinite(seconds) or seconds <= 0:
        raise UsageError(f"{what} {text!r} must be more than 0 seconds")
    return seconds


def parse_fraction(text: str, what: str) -> float:
    """A fraction in (0, 1) from `5%` or `0.05`. Raises UsageError naming what."""
    match = _NUMBER.fullmatch(text)
    if match is None or match[2] not in ("", "%"):
        raise UsageError(f"{what} {text!r} is not a share; write 5% or 0.05")
    fraction = float(match[1]) / (100 if match[2] else 1)
    if not 0 < fraction < 1:
        hint = f"; did you mean {match[1]}%?" if not match[2] and fraction >= 1 else ""
        raise UsageError(f"{what} {text!r} must lie between 0% and 100%{hint}")
    return fraction
