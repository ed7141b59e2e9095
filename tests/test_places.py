"""Where an output may go, and which files are ours to replace."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import numpy as np
import pytest
from documents import baseline_document, gate_document, tune_document

from harness import ours, places, store
from harness.errors import UsageError
from harness.history import COLUMNS, History
from harness.report import junit, markdown, tune


def refusal(path: Path, *, force: bool = False) -> str:
    with pytest.raises(UsageError) as raised:
        places.check_place(path, force=force)
    assert "\n" not in str(raised.value)
    return str(raised.value).removeprefix(f"cannot write {path}: ")


def test_a_new_name_in_a_folder_is_fine(tmp_path: Path) -> None:
    """And nothing is left of the look."""
    places.check_place(tmp_path / "out.json")
    assert list(tmp_path.iterdir()) == []


def test_each_bad_place_says_what_it_is(tmp_path: Path) -> None:
    """Whether force is given or not, for it replaces files alone."""
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/socket")
        for name, why in {
            ".": "it is a folder",
            "no/out.json": f"there is no folder {tmp_path}/no",
            "file/out.json": f"there is no folder {tmp_path}/file",
            "n" * 300: "File name too long",
            "link": f"it is a symbolic link, and none is followed; name the file itself: {tmp_path}/file",
            "dangling": f"name the file itself: {tmp_path}/nowhere",
            "loop": "it is a symbolic link",
            "socket": "it is a device or a socket",
        }.items():
            for force in (False, True):
                assert why in refusal(tmp_path / name, force=force), name


def test_a_folder_or_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the system's answer is made here."""
    (tmp_path / "file").write_text("")
    for locked in (tmp_path, tmp_path / "file"):
        monkeypatch.setattr(os, "access", lambda path, _mode, locked=locked: Path(path) != locked)
        assert refusal(tmp_path / "file") == "permission denied"


def test_devices(tmp_path: Path) -> None:
    """/dev/null and terminals take anything; what is full or no place to write to is refused before the run."""
    places.check_place(Path("/dev/null"))
    master, terminal = os.openpty()
    places.check_place(Path(os.ttyname(terminal)))
    places.check_place(Path(f"/dev/fd/{terminal}"))
    for path in ("/dev/full", "/dev/zero"):
        assert refusal(Path(path)).startswith("it is a device")
    with Path("/dev/full").open("wb") as full:
        assert refusal(Path(f"/dev/fd/{full.fileno()}")).startswith("it is a device")
    for number in (master, terminal):
        os.close(number)


def test_open_descriptors(tmp_path: Path) -> None:
    """As a shell's `>(command)` names them: a pipe is fine, one that is not open or only read is not."""
    there, here = os.pipe()
    places.check_place(Path(f"/dev/fd/{here}"))
    places.check_place(Path(f"/proc/self/fd/{here}"))
    assert refusal(Path(f"/dev/fd/{there}")) == "it is open for reading alone"
    os.close(here)
    assert refusal(Path(f"/dev/fd/{here}")) == "no such file is open"
    os.close(there)


OURS = {
    "gate.json": store.to_json(gate_document()),
    "baseline.json": store.to_json(baseline_document()),
    "older.json": '{"schema_version": "0.3", "kind": "check"}',
    "journal.json": '{"chaoslib-version": "1.44", "cachegate": {"verdict": "proceed"}}',
    "gate.xml": junit.render(gate_document()),
    "tune.xml": tune.as_junit(tune_document()),
    "gate.md": ours.MARKDOWN + markdown.render(gate_document()),
    "empty": "",
}
THEIRS = {
    "fac2.py": "def make(): ...\n",
    "package.json": '{"name": "theirs", "version": "1.0.0"}',
    "kind.json": '{"schema_version": "1.0", "kind": "Deployment"}',
    "list.json": "[1, 2, 3]",
    "broken.json": '{"schema_version": "1.0", "kind": "gate"',
    "deep.json": '{"a":' * 100_000,
    "journal.json": '{"chaoslib-version": "1.44", "status": "completed"}',
    "pytest.xml": '<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest"/></testsuites>',
    "notes.md": f"# Notes\n{ours.MARKDOWN}",
    "zip": "PK\x03\x04 and no archive",
    "space": " ",
}


@pytest.mark.parametrize(("name", "text"), OURS.items(), ids=list(OURS))
def test_what_is_ours_may_be_replaced(tmp_path: Path, name: str, text: str) -> None:
    """By whatever output; and an empty file, in which nothing is lost."""
    (tmp_path / name).write_text(text)
    places.check_place(tmp_path / name)


@pytest.mark.parametrize(("name", "text"), THEIRS.items(), ids=list(THEIRS))
def test_what_is_not_is_refused_unless_forced(tmp_path: Path, name: str, text: str) -> None:
    """Also what looks a little like ours."""
    (tmp_path / name).write_text(text)
    assert "replace it with --force" in refusal(tmp_path / name)
    places.check_place(tmp_path / name, force=True)
    assert (tmp_path / name).read_text() == text


def test_histories_are_told_by_their_arrays(tmp_path: Path) -> None:
    """Somebody's own archive of arrays is not ours."""
    History(np.zeros((1, len(COLUMNS)), dtype=np.int64)).save(tmp_path / "h.npz")
    places.check_place(tmp_path / "h.npz")
    np.savez(tmp_path / "theirs.npz", rows=np.zeros(3))
    assert "--force" in refusal(tmp_path / "theirs.npz")


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no document of ours, whatever it begins with."""
    monkeypatch.setattr(ours, "_MOST_BYTES", 10)
    (tmp_path / "gate.json").write_text(OURS["gate.json"])
    assert "--force" in refusal(tmp_path / "gate.json")


def test_two_names_of_one_file(tmp_path: Path) -> None:
    """Whether it is there or not: by a path, a folder's link, a hard link."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").symlink_to(tmp_path / "folder")
    one, other = tmp_path / "folder" / "a", tmp_path / "other" / ".." / "folder" / "a"
    assert places.same_file(one, other)
    one.write_text("there now")
    assert places.same_file(one, tmp_path / "other" / "a")
    os.link(one, tmp_path / "hard")
    assert places.same_file(one, tmp_path / "hard")
    assert not places.same_file(one, tmp_path / "folder" / "b")
