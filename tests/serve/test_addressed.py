"""The operators' port answers whoever asked for it, and no page that had its own name mean this machine."""

from __future__ import annotations

import pytest

from harness.serve.addressed import is_meant


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1:9100", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("localhost:9100", "127.0.0.1"),
        ("LOCALHOST", "::1"),
        ("[::1]:9100", "127.0.0.1"),
        ("192.0.2.7:9100", "192.0.2.7"),
        ("127.0.0.1:9100", "192.0.2.7"),
        ("192.0.2.7:9100", "0.0.0.0"),  # noqa: S104  # nothing listens there
        ("[2001:db8::7]:9100", "::"),
        ("192.0.2.7", "::"),
        ("cache.internal:9100", "cache.internal"),
    ],
)
def test_whoever_names_it_is_answered(host: str, address: str) -> None:
    """The loopback, the address that it listens on, and any address where it listens on all."""
    assert is_meant(host, address)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("rebound.example:9100", "127.0.0.1"),
        ("rebound.example", "0.0.0.0"),  # noqa: S104  # as above
        ("rebound.example", "::"),
        ("192.0.2.7:9100", "127.0.0.1"),
        ("192.0.2.8", "192.0.2.7"),
        ("localhost.rebound.example", "127.0.0.1"),
        ("127.0.0.1.rebound.example", "0.0.0.0"),  # noqa: S104  # as above
        ("", "127.0.0.1"),
        ("[]:80", "127.0.0.1"),
        ("user@127.0.0.1", "127.0.0.1"),
    ],
)
def test_whoever_names_another_is_not(host: str, address: str) -> None:
    """However like it the name looks."""
    assert not is_meant(host, address)
