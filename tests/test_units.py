"""Text to base units."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.units import parse_duration, parse_fraction


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("45", 45), (" 1.5 s ", 1.5)]
)
def test_durations(text: str, seconds: float) -> None:
    """Seconds are the base; a bare number is seconds."""
    assert parse_duration(text, "budget") == seconds


@pytest.mark.parametrize("text", ["", "s", "-5s", "5 parsecs", "0s", "1e999s", "nan"])
def test_what_is_no_duration(text: str) -> None:
    """Each is refused by name."""
    with pytest.raises(UsageError, match="budget"):
        parse_duration(text, "budget")


@pytest.mark.parametrize(("text", "fraction"), [("5%", 0.05), ("0.05", 0.05), ("12.5 %", 0.125), (".5%", 0.005)])
def test_fractions(text: str, fraction: float) -> None:
    """With or without the sign."""
    assert parse_fraction(text, "margin") == pytest.approx(fraction)


@pytest.mark.parametrize("text", ["", "%", "five", "0%", "100%", "-1%", "7", "5s"])
def test_what_is_no_fraction(text: str) -> None:
    """Each is refused by name; 7 asks whether 7% was meant."""
    with pytest.raises(UsageError, match="margin"):
        parse_fraction(text, "margin")
