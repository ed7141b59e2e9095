"""Violations kept as files, to be played again."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import __version__, store
from harness.check.checkers import CHECKERS
from harness.documents import ReplayDocument
from harness.errors import CachegateError, UsageError
from harness.simulate.schedule import Schedule

RUNS = Path("results", "runs")
"""Where replays are kept, below the working directory."""
_PYTHON = ".".join(map(str, sys.version_info[:2]))


def save(event: dict[str, Any], spec: str, hash_seed: int) -> str | None:
    """Keep a violation for `replay`; its id, or None where nothing can be written."""
    told = json.dumps([spec, event["check"], event["schedule"]], sort_keys=True)
    identity = f"{event['check'].lower()}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    folder = RUNS / identity
    document = ReplayDocument(
        id=identity,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        spec=_absolute(spec),
        check=event["check"],
        message=event["message"],
        cachegate=__version__,
        python=_PYTHON,
        hash_seed=hash_seed,
        default_ttl_ns=event["default_ttl_ns"],
        schedule=event["schedule"],
        evidence=tuple(event["evidence"]),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store.write_text(folder / "replay.json", store.to_json(document))
    except (OSError, CachegateError):
        return None
    return identity


def read(name: str) -> ReplayDocument:
    """What was kept under an id or in a file. Raises UsageError for none, of another Python or of another version."""
    path = _path(name)
    document = store.read(path, ReplayDocument)
    if document.python != _PYTHON:
        raise UsageError(
            f"{path} was recorded with Python {document.python}, and this is {_PYTHON}: schedules differ; "
            f"run cachegate with Python {document.python}"
        )
    try:
        Schedule.from_json(document.schedule)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} holds no schedule of this version: {type(error).__name__}: {error}") from error
    if document.check not in {checker.ID for checker in CHECKERS}:
        raise UsageError(f"{path}: there is no check {document.check!r}; cachegate check --list shows them all")
    return document


def _path(name: str) -> Path:
    path = Path(name)
    if path.is_file():
        return path
    kept = RUNS / name / "replay.json"
    if kept.is_file():
        return kept
    known = sorted(folder.parent.name for folder in RUNS.glob("*/replay.json"))
    more = f" and {len(known) - 8} more in {RUNS}" if len(known) > 8 else ""
    hint = f"there are {', '.join(known[:8])}{more}" if known else f"{RUNS} has none; cachegate check makes them"
    raise UsageError(f"no replay {name!r}: {hint}")


def _absolute(text: str) -> str:
    """The spec with its file as an absolute path, so that it can be replayed from elsewhere."""
    name, mark, query = text.partition("?")
    file, colon, attribute = name.rpartition(":")
    return f"{Path(file).resolve()}{colon}{attribute}{mark}{query}" if file.endswith(".py") else text
