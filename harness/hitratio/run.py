"""One cache's answers to one workload at one capacity: a child process, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cache_impls.trust import runs_nothing_foreign
from harness.children import START_SECONDS, Event, child
from harness.errors import HarnessError, UsageError
from harness.hitratio.asking import Asked
from harness.hitratio.work import STEP

Say = Callable[[str], None]

_GRACE_SECONDS = 10.0
"""What the parent waits beyond the child's own limit before it ends it."""
_ALARM = -14


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a cache did."""

    notes: tuple[str, ...] = ()
    """What the registry adapted."""
    bound: int | None = None
    """The entry bound that it was built with; None if it takes none."""
    missing: tuple[str, ...] = ()
    """What it lacks for the workload; then it was not asked."""
    died: str | None = None
    """How its process ended, if not by itself."""
    hits: int = 0
    wrong: int = 0
    errors: int = 0
    examples: tuple[str, ...] = ()
    """Of wrong answers, then of errors."""
    held: int | None = None
    """The most entries that were seen in it; None if it has no size."""
    native_clock: bool = False
    incidents: dict[str, int] = field(default_factory=dict)
    """What the cache itself counted that went wrong."""


def answers(spec: str, asked: Asked, capacity: int, *, hash_seed: int, limit_seconds: float, say: Say) -> Answers:
    """Ask a new cache of spec everything. Raises UsageError if it cannot be built."""
    needs = {"DELETE": asked.deletes > 0, "TTL": asked.expires}
    job = {
        "needs": [name for name, wanted in needs.items() if wanted],
        "requests": asked.folder.requests,
        "keys": asked.folder.distinct_keys,
        "folder": str(asked.folder.path),
        "key_format": asked.folder.key_format,
        "look_aside": asked.folder.look_aside,
        "expires": asked.expires,
    }

    def tell(done: int) -> None:
        say(f"{asked.name} at {capacity:,}: {spec}, {done / asked.folder.requests:.0%}")

    tell(0)
    return _run(spec, capacity, job, hash_seed, limit_seconds, tell)


def try_out(spec: str, capacity: int, *, hash_seed: int, limit_seconds: float) -> None:
    """Build a cache of spec and nothing else. Raises UsageError if that cannot be done."""
    job: dict[str, Any] = {"needs": [], "requests": 0}
    died = _run(spec, capacity, job, hash_seed, limit_seconds, lambda _done: None).died
    if died is not None:
        raise UsageError(f"{spec!r} could not be built: {died}")


def _run(
    spec: str, capacity: int, job: dict[str, Any], hash_seed: int, limit_seconds: float, tell: Callable[[int], None]
) -> Answers:
    job |= {"here": not runs_nothing_foreign(spec)}
    job |= {"spec": spec, "capacity": capacity, "limit_seconds": limit_seconds}
    found: dict[str, Event] = {}
    seconds = START_SECONDS + (limit_seconds + _GRACE_SECONDS) * (job["requests"] // STEP + 3)
    with child("harness.hitratio.child", job, hash_seed, seconds) as process:
        for event in process.events(limit_seconds + _GRACE_SECONDS):
            kind = event.pop("event")
            if kind == "progress":
                tell(event["done"])
            found[kind] = event
        code = process.exit_code()
        words, bound = process.last_words(), process.broken_bound()
    if "bad" in found:
        raise UsageError(found["bad"]["message"])
    if bound is None and ("internal" in found or "started" not in found):
        raise HarnessError(found["internal"]["where"] if "internal" in found else f"no child process: {words}")
    built = found.get("built", {"notes": [], "bound": None, "missing": []})
    died = None
    if bound is not None:
        died = bound
    elif "failed" in found:
        died = found["failed"]["message"]
    elif code is None or code == _ALARM:
        died = f"it hung: more than {limit_seconds:g} s for {STEP:,} requests"
    elif code:
        died = (
            f"it was ended by signal {-code}"
            if code < 0
            else f"it ended with exit code {code}{': ' + words if words else ''}"
        )
    elif job["requests"] and not built["missing"] and "answered" not in found:
        died = "it ended its process with exit code 0"
    told = found.get("answered", {})
    return Answers(
        notes=tuple(built["notes"]),
        bound=built["bound"],
        missing=tuple(built["missing"]),
        died=died,
        hits=told.get("hits", 0),
        wrong=told.get("wrong", 0),
        errors=told.get("errors", 0),
        examples=(*told.get("wrong_examples", ()), *told.get("error_examples", ())),
        held=told.get("held"),
        native_clock=told.get("native_clock", False),
        incidents=told.get("incidents", {}),
    )
