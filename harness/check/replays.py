"""Violations kept as files, to be played again."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cache_impls.trust import runs_nothing_foreign
from harness import __version__, store
from harness.check.checkers import CHECKERS
from harness.documents import ReplayDocument
from harness.errors import CachegateError, UsageError
from harness.history import NO_TTL, Op
from harness.simulate.policies import POLICIES
from harness.simulate.schedule import NANOSECONDS_PER_TICK, Schedule
from harness.simulate.tape import KEYS

RUNS = Path("results", "runs")
"""Where replays are kept, below the working directory."""
MOST_CLIENTS, MOST_STEPS = 64, 10_000
MOST_TICKS = 100_000_000
"""Two days of virtual time."""
_LONGEST_SPEC, _SHOWN = 500, 100
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
        _check_bounds(document)
    except (KeyError, TypeError, ValueError) as error:
        told = " ".join(str(error).split())[:_SHOWN]
        raise UsageError(f"{path} holds no schedule of this version: {type(error).__name__}: {told}") from error
    if document.check not in {checker.ID for checker in CHECKERS}:
        raise UsageError(
            f"{path}: there is no check {document.check[:_SHOWN]!r}; cachegate check --list shows them all"
        )
    return document


def command(name: str, spec: str) -> str:
    """What a person types to play it again: a cache that does not come with Cachegate is code, and named."""
    return shlex.join(["cachegate", "replay", name, *([] if runs_nothing_foreign(spec) else [spec])])


def trusted(document: ReplayDocument, name: str) -> str:
    """The spec of a document, if it is data alone. Raises UsageError with the command that names it."""
    spec = document.spec
    if runs_nothing_foreign(spec):
        return spec
    if not spec.isprintable() or len(spec) > _LONGEST_SPEC:
        raise UsageError(f"{name} asks for a cache with a name that nobody could type; name another one after it")
    raise UsageError(
        f"{name} asks for the cache {spec!r}, which is code: if you trust it, name it: {command(name, spec)}"
    )


def _check_bounds(document: ReplayDocument) -> None:
    """Raise KeyError, TypeError or ValueError for what no schedule of ours holds, and might take for ever."""
    schedule = Schedule.from_json(document.schedule)
    rows = (schedule.first, *schedule.clients)
    steps = [step for row in rows for step in row]
    choices = (*(schedule.choices or ()), *(schedule.trouble or ()))
    _within("clients", [len(schedule.clients)], 1, MOST_CLIENTS)
    _within("steps", [len(steps)], 0, MOST_STEPS)
    _within("choices", choices, 0, MOST_STEPS)
    _within("act", [step.act for step in steps], 0, max(Op))
    _within("key", [step.key for step in steps], 0, len(KEYS) - 1)
    _within("ttl, pause and cancel", [number for step in steps for number in step[2:5]], 0, MOST_TICKS)
    _within("amount", [step.amount for step in steps], -MOST_TICKS, MOST_TICKS)
    _within("default_ttl_ns", [document.default_ttl_ns], NO_TTL, MOST_TICKS * NANOSECONDS_PER_TICK)
    _within("hash_seed", [document.hash_seed], 0, 2**32 - 1)
    if schedule.policy not in POLICIES:
        raise ValueError(f"there is no policy {schedule.policy!r}")
    if schedule.room is not None:
        if type(schedule.room) is not int:
            raise TypeError("room is no number")
        _within("room", [schedule.room], 1, MOST_STEPS)


def _within(what: str, numbers: Sequence[int], least: int, most: int) -> None:
    wrong = next((number for number in numbers if not least <= number <= most), None)
    if wrong is not None:
        raise ValueError(f"{what}: {wrong} is not from {least} to {most}")


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
