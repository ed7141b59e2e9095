"""Which files Cachegate may replace: those that it wrote itself, told by their content.

Documents, JUnit and Markdown reports, histories, and the journals of our experiments. A name says nothing.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zipfile
from pathlib import Path
from typing import BinaryIO

MARKDOWN = "<!-- cachegate -->\n"
"""The first line of every Markdown report that is written; nobody sees it where Markdown is shown."""
_JUNIT = re.compile(rb'<\?xml [^>]*\?>\s*<testsuite name="cachegate ')
_ARRAYS = frozenset(f"{name}.npy" for name in ("rows", "observations", "default_ttl_ns", "columns", "names"))
"""Of a history, as `History.save` writes it."""
_SCHEMAS = Path(__file__).parent / "schemas"
_HEAD_BYTES = 256
_MOST_BYTES = 32_000_000
"""A larger file is no document of ours, and is not read."""


def open_plain(path: Path) -> BinaryIO:
    """Open a regular file to be read. Raises OSError, also for a link, a folder, a pipe and a device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(None, "it is no regular file")
    return file


def is_ours(path: Path) -> bool:
    """Whether the file at path is ours. False where it cannot be read."""
    try:
        with open_plain(path) as file:
            return wrote(file)
    except OSError:
        return False


def wrote(file: BinaryIO) -> bool:
    """Whether we wrote what this file holds. Raises OSError if it cannot be read."""
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if head.startswith(b"PK"):
        return _is_history(file)
    if head.lstrip().startswith(b"{"):
        return _is_document(file)
    return head.startswith(MARKDOWN.encode()) or _JUNIT.match(head) is not None


def _is_history(file: BinaryIO) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return frozenset(archive.namelist()) == _ARRAYS
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return False


def _is_document(file: BinaryIO) -> bool:
    """By version and kind; a journal is Chaos Toolkit's, and ours by the result that our control put into it."""
    if os.fstat(file.fileno()).st_size > _MOST_BYTES:
        return False
    try:
        data = json.loads(file.read())
    except (ValueError, RecursionError):
        return False
    if "chaoslib-version" in data:
        return isinstance(data.get("cachegate"), dict)
    kinds = {schema.stem for schema in _SCHEMAS.glob("*.json")}
    return "schema_version" in data and isinstance(data.get("kind"), str) and data["kind"] in kinds
