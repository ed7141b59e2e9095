"""Documents on disk: whole or not at all, and read with care."""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from documents import baseline_document, gate_document

from harness import store
from harness.documents import BaselineDocument
from harness.errors import UnwrittenError, UsageError
from harness.history import COLUMNS, History
from harness.ours import MARKDOWN


def test_a_document_survives_the_disk(tmp_path: Path) -> None:
    """What is read is what was written, and no temporary file is left."""
    path, document = tmp_path / "b.json", baseline_document()
    store.write_text(path, store.to_json(document))
    assert store.read(path, BaselineDocument) == document
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half-written: the old content stays, the temporary file goes."""
    path, old = tmp_path / "b.json", store.to_json(gate_document())
    store.write_text(path, old)

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnwrittenError, match="No space left"):
        store.write_text(path, "new")
    assert path.read_text() == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "not a document of cachegate"),
        ("{}", "not a document of cachegate"),
        ('{"schema_version": "2.0", "kind": "baseline"}', "schema version 2.0; this cachegate reads 1"),
        ('{"schema_version": "1.9", "kind": "gate"}', "is a gate document; a baseline document is needed"),
        ('{"schema_version": "1.0", "kind": "baseline"}', "is damaged: created"),
        ("\x00", "is not JSON"),
    ],
)
def test_a_bad_file_is_a_usage_error(tmp_path: Path, text: str, message: str) -> None:
    """Damaged, foreign, of another version or kind: each says so in one line."""
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        store.read(path, BaselineDocument)


def test_a_minor_version_is_read(tmp_path: Path) -> None:
    """1.7 of the same major is fine as long as it validates."""
    data = json.loads(store.to_json(baseline_document())) | {"schema_version": "1.7"}
    (tmp_path / "b.json").write_text(json.dumps(data))
    assert store.read(tmp_path / "b.json", BaselineDocument).schema_version == "1.7"


def test_a_missing_or_binary_file_is_a_usage_error(tmp_path: Path) -> None:
    """It says how to make one."""
    with pytest.raises(UsageError, match=r"cachegate baseline SPEC -o"):
        store.read(tmp_path / "none.json", BaselineDocument)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not JSON"):
        store.read(tmp_path / "binary", BaselineDocument)


def test_the_gate_document_round_trips() -> None:
    """Every field survives JSON, nulls included."""
    document = gate_document()
    assert type(document).model_validate_json(store.to_json(document)) == document


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Neither the file nor the link changes, whoever planted it; the line names the file."""
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text(store.to_json(gate_document()))
    link.symlink_to(real)
    with pytest.raises(UsageError, match=f"is a symbolic link.*{re.escape(str(real))}"):
        store.write_text(link, "new", force=True)
    assert link.is_symlink()
    assert real.read_text() == store.to_json(gate_document())


def test_a_device_is_written_to_not_replaced() -> None:
    """/dev/null stays what it is."""
    store.write_text(Path("/dev/null"), "gone")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_the_mode_is_that_of_any_new_file(tmp_path: Path, umask: int, mode: int) -> None:
    """As the umask says: a report that a web server is to show is not for its owner alone, and a secret one is."""
    before = os.umask(umask)
    try:
        store.write_text(tmp_path / "b.json", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "b.json").stat().st_mode & 0o777 == mode


def test_the_temporary_name_cannot_be_foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every link that the former name could have met is left alone, and two writes use two names."""
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    (tmp_path / f".b.json.{os.getpid()}.tmp").symlink_to(victim)
    seen: list[str] = []
    whole = Path.replace

    def noted(self: Path, target: Path) -> Path:
        seen.append(self.name)
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    for _ in range(2):
        store.write_text(tmp_path / "b.json", store.to_json(gate_document()))
    assert victim.read_text() == "theirs"
    assert len(set(seen)) == 2


def test_a_long_name_leaves_room_for_the_temporary_one(tmp_path: Path) -> None:
    """The longest name that the file system takes is written to."""
    path = tmp_path / ("n" * 255)
    store.write_text(path, "new")
    assert path.read_text() == "new"


def test_the_summary_of_a_step_is_appended_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier step wrote stays, and ours begins on a line of its own; another file is replaced as ever."""
    summary = tmp_path / "summary.md"
    summary.write_text("# An earlier step")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    store.write_text(summary, f"{MARKDOWN}### ours\n")
    store.write_text(summary, f"{MARKDOWN}### again\n")
    assert summary.read_text() == f"# An earlier step\n{MARKDOWN}### ours\n\n{MARKDOWN}### again\n"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "")
    with pytest.raises(UsageError, match="--force"):
        store.write_text(summary, "alone")


def _read_whole(descriptor: int) -> str:
    with os.fdopen(descriptor) as file:
        return file.read()


def test_a_pipe_whose_reader_comes_gets_it_all(tmp_path: Path) -> None:
    """More than a pipe holds, through a name that is one and through an open descriptor."""
    text, pipe = "x" * 300_000, tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_text)
        store.write_text(pipe, text)
        assert read.result() == text
        there, here = os.pipe()
        read = pool.submit(_read_whole, there)
        store.write_text(Path(f"/dev/fd/{here}"), text)
        os.close(here)
        assert read.result() == text


def test_a_pipe_that_nobody_reads_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody came, nobody reads on, or the reader has gone: a line each, and no hanging."""
    monkeypatch.setattr(store, "PATIENCE_SECONDS", 0.0)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UnwrittenError, match="nobody reads it"):
        store.write_text(pipe, "text")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(UnwrittenError, match="nobody reads it"):
        store.write_text(pipe, "x" * 300_000)
    os.close(reader)
    there, here = os.pipe()
    os.close(there)
    with pytest.raises(UnwrittenError, match="Broken pipe"):
        store.write_text(Path(f"/dev/fd/{here}"), "text")
    os.close(here)


def history() -> History:
    return History(np.zeros((2, len(COLUMNS)), dtype=np.int64), names=["a"])


def test_a_history_is_moved(tmp_path: Path) -> None:
    """As a new file, and over an older one of ours."""
    for _ in range(2):
        history().save(tmp_path / "left.npz")
        store.move_history(tmp_path / "left.npz", tmp_path / "h.npz")
    assert len(History.load(tmp_path / "h.npz")) == 2


def test_what_foreign_code_left_is_not_trusted(tmp_path: Path) -> None:
    """A link to somebody's secret, a pipe, something else, or nothing at all: none is copied."""
    (tmp_path / "secret").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "secret", "nothing"):
        with pytest.raises(UnwrittenError, match=r"cannot write .*h\.npz: "):
            store.move_history(tmp_path / name, tmp_path / "h.npz")
    assert not (tmp_path / "h.npz").exists()


def test_who_may_read_a_document_stays_as_it_was(tmp_path: Path) -> None:
    """A result that was private is so when it is replaced."""
    path = tmp_path / "out.json"
    path.touch(mode=0o600)
    store.write_text(path, "{}")
    assert path.read_text() == "{}"
    assert path.stat().st_mode & 0o777 == 0o600
