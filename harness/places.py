"""Where an output may go: looked at before a run, so that a bad name costs nothing, and again before it is written."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from pathlib import Path
from typing import BinaryIO

from harness.errors import UsageError
from harness.ours import is_ours

_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self|proc/thread-self)/fd/(\d{1,9})")
"""A shell's `>(command)` is such a name too."""
_TERMINALS = ("/dev/tty", "/dev/pts/", "/dev/console")
"""Only these are opened to see whether they are terminals: opening some other devices does something."""


def check_place(path: Path, *, force: bool = False) -> None:
    """Raise UsageError if no output may be written to path.

    A file that is there may be replaced if it is empty or ours, with force whatever it holds. A link is not followed.
    """
    number = descriptor_of(path)
    if number is not None:
        _check_descriptor(path, number)
        return
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        _check_folder(path)
        return
    except OSError as error:
        raise refused(path, said(error)) from error
    if stat.S_ISLNK(mode):
        target = os.path.realpath(path)
        raise refused(path, f"it is a symbolic link, and none is followed; name the file itself: {target}")
    if stat.S_ISDIR(mode):
        raise refused(path, "it is a folder; name a file in it")
    if stat.S_ISREG(mode):
        _check_file(path, force=force)
    elif not (stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and (_is_null(path.lstat()) or _is_terminal(path)))):
        raise refused(path, "it is a device or a socket; name a file")
    elif not os.access(path, os.W_OK):
        raise refused(path, "permission denied")


def same_file(one: Path, other: Path) -> bool:
    """Whether both names are of one file, which need not be there yet. Follows links, to be sure."""
    try:
        if one.samefile(other):
            return True
    except OSError:
        pass  # one of them is not there: then their names decide
    return os.path.realpath(one) == os.path.realpath(other)


def is_summary(path: Path) -> bool:
    """Whether path is the summary of a step of GitHub Actions, to which several steps and commands append."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    return bool(summary) and same_file(path, Path(summary or ""))


def takes_all(path: Path) -> bool:
    """Whether path is a terminal or /dev/null, where several outputs do one another no harm."""
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return False


def descriptor_of(path: Path) -> int | None:
    """The open file of this process that path stands for, as /dev/stdout does; None for any other path."""
    match = _DESCRIPTOR.fullmatch(str(path))
    return int(match[1]) if match else _STANDARD.get(str(path))


def fresh_file(folder: Path) -> tuple[Path, BinaryIO]:
    """A new empty file in folder, under a name that nobody can foresee; its mode is by the umask. Raises OSError."""
    path = folder / f".cachegate-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return path, os.fdopen(os.open(path, flags, 0o666), "wb")


def refused(path: Path, why: str) -> UsageError:
    """The error that says why no output may be written to path."""
    return UsageError(f"cannot write {path}: {why}")


def said(error: OSError) -> str:
    """What went wrong, in the system's words."""
    return error.strerror or str(error)


def _check_file(path: Path, *, force: bool) -> None:
    """A regular file that is there."""
    if not os.access(path, os.W_OK):
        raise refused(path, "permission denied")
    if is_summary(path):
        return
    _check_folder(path)
    if not (force or path.stat().st_size == 0 or is_ours(path)):
        raise refused(path, "cachegate did not write what is there; name another file, or replace it with --force")


def _check_folder(path: Path) -> None:
    """The folder in which path would be made, or made anew."""
    folder = path.parent
    if not folder.is_dir():
        raise refused(path, f"there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise refused(path, "permission denied")
    try:
        temporary, file = fresh_file(folder)
        file.close()
        temporary.unlink()
    except OSError as error:
        raise refused(path, said(error)) from error


def _check_descriptor(path: Path, number: int) -> None:
    try:
        found = os.fstat(number)
        mode = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError as error:
        raise refused(path, "no such file is open") from error
    if mode == os.O_RDONLY:
        raise refused(path, "it is open for reading alone")
    if stat.S_ISBLK(found.st_mode) or (stat.S_ISCHR(found.st_mode) and not (_is_null(found) or os.isatty(number))):
        raise refused(path, "it is a device; name a file")


def _is_null(found: os.stat_result) -> bool:
    return found.st_rdev == Path(os.devnull).stat().st_rdev


def _is_terminal(path: Path) -> bool:
    if not str(path).startswith(_TERMINALS):
        return False
    try:
        number = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.isatty(number)
    finally:
        os.close(number)
