"""Documents on disk: written to a temporary name and renamed, read with their version checked."""

from __future__ import annotations

import errno
import io
import os
import select
import shutil
import stat
import time
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError

from harness.documents import SCHEMA_VERSION
from harness.errors import UnwrittenError, UsageError
from harness.ours import open_plain, wrote
from harness.places import check_place, descriptor_of, fresh_file, is_summary, said
from harness.strict_json import read as read_json

_D = TypeVar("_D", bound=BaseModel)

PATIENCE_SECONDS = 20.0
"""In which whoever reads a pipe must come, and read on."""
_RETRY_SECONDS = 0.05
_UNREAD = "nobody reads it"


def write_text(path: Path, text: str, *, force: bool = False) -> None:
    """Write text to path, as `write` does."""
    write(path, io.BytesIO(text.encode("utf-8", "backslashreplace")), force=force)


def write(path: Path, content: BinaryIO, *, force: bool = False) -> None:
    """Write content to path: a file whole or not at all, a pipe or a device as it takes it.

    Raises UsageError for a place that `check_place` refuses, UnwrittenError for what goes wrong on the way.
    """
    check_place(path, force=force)
    try:
        if descriptor_of(path) is not None or (path.exists() and not path.is_file()):
            _pour(path, content)
        elif is_summary(path):
            _append(path, content)
        else:
            _replace(path, content)
    except OSError as error:
        raise UnwrittenError(f"cannot write {path}: {said(error)}") from error


def move_history(source: Path, path: Path, *, force: bool = False) -> None:
    """Write the history that a process with foreign code left at source to path. Raises as `write`."""
    try:
        with open_plain(source) as file:
            found = wrote(file)
            file.seek(0)
            if found:
                write(path, file, force=force)
    except FileNotFoundError:
        raise UnwrittenError(f"cannot write {path}: the run ended before there was a history") from None
    except OSError as error:
        raise UnwrittenError(f"cannot write {path}: {said(error)}") from error
    if not found:
        raise UnwrittenError(f"cannot write {path}: what the cache's process left is no history")


def _replace(path: Path, content: BinaryIO) -> None:
    temporary, file = fresh_file(path.parent)
    try:
        with file:
            if path.is_file():  # who may read it stays as it was
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _append(path: Path, content: BinaryIO) -> None:
    """In one write, on a line of its own, so that what other steps append stays whole."""
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with os.fdopen(number, "wb") as file:
        file.write((b"\n" if os.fstat(number).st_size else b"") + content.read())


def _pour(path: Path, content: BinaryIO) -> None:
    """Write to what is no regular file. Raises OSError when nobody reads it for `PATIENCE_SECONDS`."""
    number = descriptor_of(path)
    number = _opened(path) if number is None else os.dup(number)
    try:
        room = select.poll()
        room.register(number, select.POLLOUT)
        while piece := content.read(select.PIPE_BUF):  # where a pipe has room at all, it has room for so many bytes
            while piece:
                if not room.poll(1e3 * PATIENCE_SECONDS):
                    raise OSError(None, _UNREAD)
                piece = piece[os.write(number, piece) :]
    finally:
        os.close(number)


def _opened(path: Path) -> int:
    """The pipe or device, open. A pipe opens when somebody reads it."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > end:
                raise OSError(error.errno, _UNREAD) from error
        time.sleep(_RETRY_SECONDS)


def to_json(document: BaseModel) -> str:
    """The document as text."""
    return document.model_dump_json(indent=2) + "\n"


def read(path: Path, kind: type[_D]) -> _D:
    """The document of kind at path. Raises UsageError if it is missing, damaged, foreign or of another kind."""
    wanted = kind.model_fields["kind"].default
    try:
        data = read_json(path)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}; make it with: cachegate {wanted} SPEC -o {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    except ValueError:
        raise UsageError(f"{path} is not JSON; is it damaged?") from None
    if not isinstance(data, dict) or "schema_version" not in data:
        raise UsageError(f"{path} is not a document of cachegate")
    version = str(data["schema_version"])
    if version.split(".", maxsplit=1)[0] != SCHEMA_VERSION.split(".")[0]:
        raise UsageError(f"{path} has schema version {version}; this cachegate reads {SCHEMA_VERSION}")
    if data.get("kind") != wanted:
        raise UsageError(f"{path} is a {data.get('kind')} document; a {wanted} document is needed")
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path} is damaged: {place}: {first['msg']}") from None
