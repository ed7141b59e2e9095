"""Passwords of servers: drawn, compared, and kept out of what people read."""

from __future__ import annotations

import hmac
import re
import secrets

_BYTES = 16
_USERINFO = re.compile(r"(://)[^/\s]*@|(%3A%2F%2F)(?:(?!%2F)[^/&\s])*%40", re.IGNORECASE)
"""Of a URL, up to its last @; and of a URL that is a parameter of a cache, where all of it is percent-encoded."""


def drawn() -> str:
    """A password that nobody guesses, of characters that need no encoding in a URL."""
    return secrets.token_hex(_BYTES)


def same(given: bytes, wanted: str) -> bool:
    """Whether it is the one that is wanted, in a time that does not tell how much of it was right."""
    return hmac.compare_digest(given, wanted.encode("utf-8", "surrogateescape"))


def shown(text: str) -> str:
    """Text as people may read it: its URLs have no user and no password."""
    return _USERINFO.sub(lambda found: found[1] or found[2], text)
