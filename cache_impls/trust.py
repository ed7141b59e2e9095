"""Which specs may stand in a file of somebody else's: those that run nothing but what comes with Cachegate.

A spec is code: `module:attribute?parameters` is any call of any module. One that a person types is meant; one that a
file holds may not be.
"""

from __future__ import annotations

import re
from typing import Any

from cache_impls.registry import BUILTIN, SpecError, known, parse

_PLAIN = re.compile(r"[A-Za-z0-9_.+-]*")
_SERVER = "valkey"
"""Unpickles what a server answers, wherever that is."""
_DEPTH = 5
"""Of specs within specs."""


_MOST = 10**6
"""A number in a spec from a file: of shards, say, which are made at once."""


def runs_nothing_foreign(text: str, depth: int = _DEPTH) -> bool:
    """Whether a spec names a cache of ours, whose parameters are numbers, plain words, or such specs themselves.

    Imports and builds nothing. A spec that `parse` refuses runs nothing either.
    """
    name = text.partition("?")[0]
    if name not in BUILTIN or name == _SERVER or not depth:
        return False
    try:
        parameters = parse(text).parameters
    except SpecError:
        return True
    return all(_harmless(value, depth - 1) for value in parameters.values())


def _harmless(value: Any, depth: int) -> bool:
    if not isinstance(value, str):  # a number, true, false or null
        return not isinstance(value, int | float) or abs(value) <= _MOST
    if "?" in value or value in BUILTIN:
        return runs_nothing_foreign(value, depth)
    return _PLAIN.fullmatch(value) is not None and value not in known()  # which has the names of others' caches too
