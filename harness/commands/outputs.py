"""Where what a command leaves goes, beside the terminal: looked at before the run, written after it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar
from urllib.parse import unquote

import typer

from harness.commands.common import complain, console, reader_may_leave
from harness.errors import CachegateError, UnwrittenError, UsageError
from harness.places import check_place, descriptor_of, is_summary, same_file, takes_all

if TYPE_CHECKING:  # slow to import: a command imports what it needs
    from rich.console import Console

    from harness.documents import BaselineDocument, Result

    _Left = TypeVar("_Left", bound=Result | BaselineDocument)

_MODULE_ENDS = (".py", "/__init__.py")
_STDOUT, _STDERR = Path("/dev/stdout"), Path("/dev/stderr")


class Outputs:
    """The files that a command is asked to write.

    What goes wrong with one of them after the run is told, and costs no other.
    """

    def __init__(
        self,
        *,
        force: bool = False,
        reads: Iterable[str] = (),
        json: str | None = None,
        junit: str | None = None,
        markdown: str | None = None,
        history: str | None = None,
        journals: Iterable[Path] = (),
    ) -> None:
        """Raise UsageError if one could not be written where it is asked for: before a long run, not after.

        reads: the words of the command that may name files which it reads; none of them is written to, even by force.
        """
        named = {"--json": json, "--junit": junit, "--markdown": markdown, "--history": history}
        self._force = force
        self._failed: list[str] = []
        self._paths = {option: _path(option, name) for option, name in named.items() if name is not None}
        self.json_to_stdout = json == "-"
        asked = [*self._paths.items(), *(("--journals", path) for path in journals)]
        _check_each_is_one(asked)
        _check_none_is_read(asked, reads)
        for _, path in asked:
            check_place(path, force=force)

    def deliver(
        self,
        document: _Left,
        show: Callable[[_Left, Console], None],
        as_junit: Callable[[_Left], str] | None = None,
        as_markdown: Callable[[_Left], str] | None = None,
        history: Path | None = None,
    ) -> NoReturn:
        """Print the document for people, write it wherever else it is asked for, and leave with its exit code.

        history: where a process with foreign code left one.
        """
        from harness import ours, store
        from harness.documents import Result

        self.show(lambda screen: show(document, screen))
        self._write("--json", lambda: store.to_json(document))
        if as_junit is not None:
            self._write("--junit", lambda: as_junit(document))
        if as_markdown is not None:
            self._write("--markdown", lambda: ours.MARKDOWN + as_markdown(document))
        if history is not None:
            with self._going_on():
                store.move_history(history, self._paths["--history"], force=self._force)
        self.leave(document.exit_code if isinstance(document, Result) else 0)

    def show(self, show: Callable[[Console], None]) -> None:
        """Print for people: on standard output, unless a document goes there."""
        stream = sys.stderr if self.json_to_stdout else sys.stdout
        with self._going_on(), reader_may_leave(stream):
            show(console(stream))

    def keep(self, path: Path, text: str) -> bool:
        """Write one of the journals now; whether that could be done."""
        from harness import store

        failed = len(self._failed)
        with self._going_on():
            store.write_text(path, text, force=self._force)
        return len(self._failed) == failed

    def leave(self, code: int) -> NoReturn:
        """Tell what could not be written, and exit with code; where that is 0, with the one that says so."""
        for message in self._failed:
            complain(message)
        raise typer.Exit(code or (UnwrittenError.exit_code if self._failed else 0))

    def _write(self, option: str, text: Callable[[], str]) -> None:
        from harness import store

        if option not in self._paths:
            return
        with self._going_on():
            if option == "--json" and self.json_to_stdout:
                with reader_may_leave():
                    print(text(), end="", flush=True)
            else:
                store.write_text(self._paths[option], text(), force=self._force)

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        try:
            yield
        except CachegateError as error:
            self._failed.append(str(error))


def _path(option: str, name: str) -> Path:
    """The place that name is; raises UsageError where it is none."""
    if not name:
        raise UsageError(f"{option} names no file: its name is empty (is a variable not set?)")
    if "\0" in name:
        raise UsageError(f"{option}: the name of a file holds no NUL character")
    if name.endswith("/"):
        raise UsageError(f"cannot write {name}: {option} needs a file, and this is the name of a folder")
    if name == "-":
        if option != "--json":
            raise UsageError("only --json can be written to standard output (-)")
        return _STDOUT
    return Path(name)


def _check_each_is_one(outputs: list[tuple[str, Path]]) -> None:
    """Raise UsageError if two outputs would go to the same file, or one where the shell sends what is printed."""
    for (option, path), (other, second) in combinations(outputs, 2):
        if same_file(path, second) and not takes_all(path):
            both = f"{option} and {other}" if option != other else option
            raise UsageError(f"{both} would write to one file twice, {second}: name another")
    for option, path in outputs:
        if descriptor_of(path) is not None or takes_all(path) or is_summary(path):
            continue
        if any(same_file(path, printed) for printed in (_STDOUT, _STDERR)):
            raise UsageError(f"{option} would replace {path}, to which the shell sends what is printed: name another")


def _check_none_is_read(outputs: list[tuple[str, Path]], reads: Iterable[str]) -> None:
    """Raise UsageError if an output is a file that the command reads."""
    for word in reads:
        for file in _files_in(word):
            for option, path in outputs:
                if same_file(path, file):
                    raise UsageError(f"{option} would write to {path}, which this command reads: name another file")


def _files_in(word: str) -> Iterator[Path]:
    """Files that a word of the command may name: FILE, trace:FILE?x=1, file.py:factory?x=FILE, mypkg.mod:factory."""
    for text in {word, unquote(word)}:
        for part in {text, text.partition("?")[0], *re.split(r"[?&=,]", text)}:
            module = part.rpartition(":")[0]
            names = [part, part.removeprefix("trace:"), module]
            if re.fullmatch(r"[\w.]+", module):
                relative = module.replace(".", "/")
                names += [str(Path(folder, f"{relative}{end}")) for folder in ("", *sys.path) for end in _MODULE_ENDS]
            yield from (Path(name) for name in names if os.path.isfile(name))  # noqa: PTH113  # takes any text
