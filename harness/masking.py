"""Credentials never leave a run: what was given as one is `***` in documents, reports, messages and names of files.

Rules:
1. `learn` finds credentials in what a user wrote: the password of a URL, the value of a parameter that is called one
   (password, token, ...), and what `${NAME}` stands for, however often it is percent-encoded (nested specs are).
2. `mask` replaces them in a text in every spelling in which they come back: as they are, percent-encoded, and as JSON,
   Python and XML write them. Short ones, which stand in ordinary words too, are replaced only in their place.
3. Documents mask themselves when they are made (`documents.Document`), and commands mask what they print.
"""

from __future__ import annotations

import html
import json
import os
import re
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
_NAMES = re.compile(
    r"pass(word|wd|phrase)?$|pwd?$|secret|token|credential|api_?key|access_?key|private_?key|auth$", re.IGNORECASE
)
"""Of parameters whose values are credentials."""
_PARAMETER = re.compile(r"([\w.-]+)=([^&;]+)")
_USER = re.compile(r"://(.*)@")
"""What stands before a host: greedy, since a password may hold any sign, the wrong way."""
_AUTHORITY = re.compile(r"://([^\s/?#]*)@")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_DEPTH = 5
"""Times that a spec may be nested in a spec."""
_TOKEN = 8
"""A user's name of so many characters, without a password, may be a token."""
_SHORT = 4
"""A credential of fewer characters is replaced only in its place."""
_T = TypeVar("_T")

_needles: dict[str, str] = {}
"""What is replaced -> by what."""


def learn(text: str) -> None:
    """Take note of the credentials in what a user wrote."""
    for _ in range(_DEPTH):
        for found in (*_USER.findall(text), *_AUTHORITY.findall(text)):
            _, colon, password = found.partition(":")
            if colon and password:
                _hide(password, f":{password}@", f":{MASK}@")
            elif not colon and len(found) >= _TOKEN:  # in the place of a user: more likely a token
                _hide(found, f"//{found}@", f"//{MASK}@")
        for name, value in _PARAMETER.findall(text):
            if _NAMES.search(name):
                _hide(value, f"{name}={value}", f"{name}={MASK}")
        for name in _VARIABLE.findall(text):
            hide(os.environ.get(name, ""))
        decoded = unquote(text)
        if decoded == text:
            return
        text = decoded


def hide(secret: str) -> None:
    """Take note of one credential."""
    if len(secret) >= _SHORT:
        for spelling in _spellings(secret):
            _needles[spelling] = MASK


def active() -> bool:
    """Whether there is anything to be masked."""
    return bool(_needles)


def forget() -> None:
    """Know of no credentials: for tests."""
    _needles.clear()


def mask(text: str) -> str:
    """The text without the credentials that were learned."""
    for needle in sorted(_needles, key=len, reverse=True):
        text = text.replace(needle, _needles[needle])
    return text


def masked(value: _T) -> _T:
    """A copy of plain data (dictionaries, lists, tuples, texts) without them; anything else stays as it is."""
    found: Any = value
    if isinstance(value, str):
        found = mask(value)
    elif isinstance(value, dict):
        found = {
            (masked(key)): MASK if isinstance(key, str) and _NAMES.search(key) and _is_value(item) else masked(item)
            for key, item in value.items()
        }
    elif type(value) in (list, tuple):
        found = type(value)(masked(item) for item in value)  # type: ignore[call-arg,attr-defined]  # one of the two
    return found  # type: ignore[no-any-return]  # of the same type


def _is_value(item: object) -> bool:
    return isinstance(item, str | int | float) and not isinstance(item, bool) and item != ""


def _hide(secret: str, place: str, instead: str) -> None:
    if _VARIABLE.fullmatch(unquote(secret)):
        return  # the name of one is none
    for spelling in {secret, unquote(secret)}:
        hide(spelling)
    _needles[place] = instead
    _needles[quote(place, safe="")] = quote(instead, safe="*")


def _spellings(secret: str) -> set[str]:
    encoded = quote(secret, safe="")
    plain = {secret, encoded, quote(encoded, safe=""), quote_plus(secret), quote(secret)}
    return {
        spelling
        for each in plain
        for spelling in (
            each,
            json.dumps(each)[1:-1],
            json.dumps(each, ensure_ascii=False)[1:-1],
            repr(each)[1:-1],
            html.escape(each),
        )
    }


class MaskingStream:
    """A text stream that masks what is written to it; all else is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write it masked."""
        self._stream.write(mask(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        """Whatever else the stream can do."""
        return getattr(self._stream, name)
