"""JSON that somebody else may have written: bounded, plain, and each name once, or it is refused in a line."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import UsageError

MOST_BYTES = 8 << 20
"""Of a file: the longest document of ours, a schedule with all its choices, takes 3 MB."""
_MANY_DIGITS = 100
"""Of a whole number: no number of ours has as many."""
_SHOWN = 30


class _RefusedError(Exception):
    """It is JSON that no document of ours holds; the message says what is wrong with it."""


def read(path: Path) -> Any:
    """What a file holds, control characters in its texts escaped, since reports print them.

    Raises OSError, ValueError for what is not JSON, and UsageError for what is too long, nested too deep, or holds a
    name twice or a number that is none.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UsageError(f"{path} is longer than {MOST_BYTES >> 20} MiB; no document of cachegate is")
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=_whole,
        )
    except _RefusedError as error:
        raise UsageError(f"{path} is damaged: {error}") from None
    except RecursionError:
        raise UsageError(f"{path} is damaged: it is nested too deep") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {_escaped(name): _escaped(value) for name, value in pairs}
    if len(found) < len(pairs):
        twice, _ = Counter(_escaped(name) for name, _ in pairs).most_common(1)[0]
        raise _RefusedError(f"it holds {twice[:_SHOWN]!r} twice")
    return found


def _escaped(value: Any) -> Any:
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in value)


def _no_number(text: str) -> NoReturn:
    raise _RefusedError(f"{text} is no number")


def _finite(text: str) -> float:
    found = float(text)
    if not math.isfinite(found):
        raise _RefusedError(f"{text[:_SHOWN]} is beyond all numbers")
    return found


def _whole(text: str) -> int:
    if len(text) > _MANY_DIGITS:
        raise _RefusedError(f"{text[:_SHOWN]}... is no number of ours")
    return int(text)
