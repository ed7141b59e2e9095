"""Looking at a cache from a child: what its factory takes, whatever its import does."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import look
from harness.errors import UsageError

QUIET = "def make(max_entries=7, mode='lru', made=object): ...\n"


def test_defaults_and_refusals(tmp_path: Path) -> None:
    """The spec's own values win; what is no JSON is told by its repr; an unknown parameter is refused by its name."""
    (tmp_path / "quiet.py").write_text(QUIET)
    text = f"{tmp_path}/quiet.py:make?max_entries=3"
    assert look.defaults(text) == {"max_entries": 3, "mode": "lru", "made": "<class 'object'>"}
    assert look.refusal(text, "mode") is None
    assert "no parameter 'modd'" in str(look.refusal(text, "modd"))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("import sys; print('{}'); sys.exit(3)", r"it ends the process \(exit code 3\)"),
        ("import os; os.kill(os.getpid(), 9)", r"it ends the process \(exit code -9\)"),
        ("raise ValueError('of theirs')", "could not be imported: ValueError: of theirs"),
    ],
)
def test_what_an_import_does_is_told_in_a_line(tmp_path: Path, line: str, why: str) -> None:
    """The command goes on, and says what happened."""
    (tmp_path / "loud.py").write_text(f"{line}\n{QUIET}")
    with pytest.raises(UsageError, match=why):
        look.defaults(f"{tmp_path}/loud.py:make")


def test_what_an_import_prints_reaches_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither in Python nor in C: standard output may be a document."""
    (tmp_path / "prints.py").write_text(f"import os\nprint('here')\nos.write(1, b'and here')\n{QUIET}")
    assert look.defaults(f"{tmp_path}/prints.py:make")["max_entries"] == 7
    assert capfd.readouterr() == ("", "")
