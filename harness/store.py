"""Documents on disk: written to a temporary name and renamed, read with their version checked."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from harness.documents import SCHEMA_VERSION
from harness.errors import UsageError
from harness.strict_json import read as read_json

_D = TypeVar("_D", bound=BaseModel)


def check_writable(path: Path) -> None:
    """Raise UsageError if a file could not be written at path. Call it before a long run, not after."""
    path = path.resolve()
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder")
    if not folder.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UsageError(f"cannot write {path}: permission denied")
    if path.exists() and not path.is_file():
        return  # a pipe or a device
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".cachegate-"):
            pass
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Write text to path, whole or not at all. Raises UsageError if that cannot be done.

    A symbolic link keeps pointing; what is no regular file (a pipe, a device) is written to, not replaced.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


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
