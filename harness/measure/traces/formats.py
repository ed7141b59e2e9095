"""The formats that there are, and which of them a file has: by its content where that tells, else by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from harness.errors import UsageError
from harness.measure.traces import cache2k, lirs, oracle_general, twitter
from harness.measure.traces.columns import Accesses
from harness.measure.traces.opening import blocks
from harness.measure.traces.text import shown

_HEAD_BYTES = 24_000
_TEXT = bytes(range(32, 127)) + b"\t\r\n"
_TEXT_BYTES = 64
"""So many bytes in a row that are all of text are no integers."""


class Format(NamedTuple):
    """How a format is read, and told from others."""

    title: str
    read: Callable[[Iterator[bytes], Path], Iterator[Accesses]]
    is_text: bool
    looks_like: Callable[[bytes, str], bool]
    """From the first bytes of the content (of text: its first line that is not blank) and the file's name."""


FORMATS: dict[str, Format] = {
    "lirs": Format(
        "LIRS text: a key a line", lirs.read, is_text=True, looks_like=lambda row, _: row == b"*" or row.isdigit()
    ),
    "twitter": Format(
        "Twitter's CSV of seven fields", twitter.read, is_text=True, looks_like=lambda row, _: row.count(b",") >= 6
    ),
    "oracleGeneral": Format(
        "libCacheSim's oracleGeneral",
        oracle_general.read,
        is_text=False,
        looks_like=lambda head, name: ".oraclegeneral" in name.lower() or oracle_general.looks_like(head),
    ),
    # Any bytes may be integers, so this one comes last.
    "cache2k": Format("cache2k's 32-bit integers", cache2k.read, is_text=False, looks_like=lambda _head, _name: True),
}
"""By name, the order in which they are tried."""


def named(name: str) -> str:
    """The format's name as `FORMATS` spells it. Raises UsageError with the nearest one."""
    spelled = {each.lower(): each for each in FORMATS}
    if name.lower() in spelled:
        return spelled[name.lower()]
    near = get_close_matches(name.lower(), spelled, n=1, cutoff=0.4)
    hint = f"did you mean {spelled[near[0]]!r}?" if near else f"there are {', '.join(FORMATS)}"
    raise UsageError(f"no trace format {name!r}; {hint}")


def read(path: Path, format_name: str | None = None) -> Iterator[Accesses]:
    """The accesses of the trace at path, a chunk at a time; format_name None: told by content and name.

    Raises UsageError, at the first chunk or later, for what cannot be read or is empty.
    """
    content = blocks(path)
    head = next(content, b"")
    found = FORMATS[named(format_name) if format_name else _told(path, head)]
    empty = True
    for chunk in found.read(chain([head] if head else [], content), path):
        empty = False
        yield chunk
    if empty:
        raise UsageError(f"trace {path}: it is empty")


def _told(path: Path, head: bytes) -> str:
    first = next((row for row in map(bytes.strip, head[:_HEAD_BYTES].split(b"\n")) if row), b"")
    # The first line alone says that this is text: damage further on is to be found, not taken for binary numbers.
    is_text = not first.translate(None, _TEXT)
    for name, each in FORMATS.items():
        if each.is_text and is_text and each.looks_like(first, path.name):
            return name
    if not head[:_TEXT_BYTES].translate(None, _TEXT):
        if not first:
            raise UsageError(f"trace {path}: it is empty")
        known = " or ".join(f"{name} ({each.title})" for name, each in FORMATS.items() if each.is_text)
        raise UsageError(
            f"trace {path}: this is text, but its first line {shown(first)} is not {known}; "
            "name it: trace:FILE?format=lirs"
        )
    what = _no_integers(head)
    if what:
        raise UsageError(
            f"trace {path}: this looks like {what}; if it is a trace, name its format ({', '.join(FORMATS)}): "
            "trace:FILE?format=lirs"
        )
    return next(
        name for name, each in FORMATS.items() if not each.is_text and each.looks_like(head[:_HEAD_BYTES], path.name)
    )


def _no_integers(head: bytes) -> str | None:
    """What bytes are that nobody means as integers: text in other letters, and what other programs pack."""
    packed = {b"BZh": "bzip2", b"PK": "a zip archive", b"7z": "a 7z archive", b"%PDF": "PDF", b"\x89PNG": "PNG"}
    for magic, name in packed.items():
        if head.startswith(magic):
            return name
    try:
        start = head[:_TEXT_BYTES].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < min(len(head), _TEXT_BYTES) - 3:  # else a letter was cut
            return None
        start = head[: error.start].decode("utf-8-sig")
    return "text in UTF-8" if start and all(letter.isprintable() or letter.isspace() for letter in start) else None
