"""Documents on disk: whole or not at all, and read with care."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from documents import baseline_document, gate_document

from harness import store
from harness.documents import BaselineDocument
from harness.errors import UsageError


def test_a_document_survives_the_disk(tmp_path: Path) -> None:
    """What is read is what was written, and no temporary file is left."""
    path, document = tmp_path / "b.json", baseline_document()
    store.write_text(path, store.to_json(document))
    assert store.read(path, BaselineDocument) == document
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half-written: the old content stays, the temporary file goes."""
    path = tmp_path / "b.json"
    store.write_text(path, "old")

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        store.write_text(path, "new")
    assert path.read_text() == "old"
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


def test_an_output_is_checked_before_the_run(tmp_path: Path) -> None:
    """A missing folder, a folder in the place of the file, a file in the place of the folder."""
    store.check_writable(tmp_path / "out.json")
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "no" / "out.json", tmp_path, tmp_path / "file" / "out.json"):
        with pytest.raises(UsageError, match="cannot write"):
            store.check_writable(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file"]


def test_the_gate_document_round_trips() -> None:
    """Every field survives JSON, nulls included."""
    document = gate_document()
    assert type(document).model_validate_json(store.to_json(document)) == document


def test_links_and_devices_are_not_replaced(tmp_path: Path) -> None:
    """A link keeps pointing; what is no regular file is written to."""
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    store.check_writable(tmp_path / "link.json")
    store.write_text(tmp_path / "link.json", "new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"
    store.check_writable(Path("/dev/null"))
    store.write_text(Path("/dev/null"), "gone")
    assert Path("/dev/null").is_char_device()
