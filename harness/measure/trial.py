"""One trial, from the parent's side: what a child is asked, and what comes back, as columns.

`ring` starts the children; `child` is what they run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cache_impls.registry import Spec
from harness.errors import HarnessError, UsageError

Mode = Literal["pairs", "precise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a child is asked to do; see `child` for the kinds."""

    kind: Literal["time", "memory"]
    specs: tuple[Spec, ...]
    measured: tuple[bool, ...] = (True,)
    """For each spec, whether it is measured or only filled (a decoy)."""
    requests: Path
    capacity: int
    turns: tuple[int, ...] = ()
    """Whose turn it is among the trials of the pair, in order."""
    batch: int = 0
    """Requests a batch."""
    warm_batches: int = 0
    tail_every: int = 1
    """Turns, each a timed batch, between two that also have a batch whose operations are timed singly."""
    concurrency: int = 1
    look_aside: bool | None = None
    """None: as the workload says."""
    entries: int = 0
    """Entries that a memory trial fills in."""
    key_format: str = ""
    needs: tuple[str, ...] = ()
    """Capabilities without which the trial ends at once (`LacksCapabilityError`)."""
    native_clock: tuple[bool | None, ...] = (None,)
    """For each spec, whether it expires entries by a clock of its own; None: find out."""
    cpu: int | None = None
    """The processor to run on, None for any."""
    limit_seconds: float = 60.0
    """How long the cache may take to get ready, and then for each turn."""

    def taking(self, turns: tuple[int, ...]) -> Job:
        """The same job among trials that take turns."""
        return replace(self, turns=turns)

    def request(self) -> dict[str, Any]:
        """The job as the child reads it, but for its descriptors."""
        fields = {name: getattr(self, name) for name in _PASSED_ON}
        arms = [
            {"text": spec.text, "target": spec.target, "parameters": spec.parameters, "measured": measured}
            for spec, measured in zip(self.specs, self.measured, strict=True)
        ]
        return fields | {"arms": arms, "requests": str(self.requests)}


_PASSED_ON = (
    "kind",
    "capacity",
    "turns",
    "batch",
    "warm_batches",
    "tail_every",
    "concurrency",
    "look_aside",
    "entries",
    "key_format",
    "needs",
    "native_clock",
    "cpu",
    "limit_seconds",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSample:
    """What one trial measured of one arm.

    `batch_ns` and `fill_ns` (of the timed batch) and `turn_cpu_ns` (of all its batches) have a row a turn;
    `operation_ns` a row an operation of the tail batches.
    """

    batch: int
    batch_ns: NDArray[np.int64]
    turn_cpu_ns: NDArray[np.int64]
    fill_ns: NDArray[np.int64]
    operation_ns: NDArray[np.int64]
    counts: dict[str, int]
    measured_gets: int
    measured_hits: int
    measured_fills: int
    errors: tuple[str, ...]
    wrong: int
    wrong_examples: tuple[str, ...]
    disagreements: tuple[str, ...]
    native_clock: bool
    """It expires by a clock that is not the loop's: its ttls were not exercised."""
    capacity: Any
    notes: tuple[str, ...]
    incidents: dict[str, int] = field(default_factory=dict)
    """What the cache itself counted that went wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A child that finished."""

    arms: tuple[ArmSample, ...] = ()
    gave_up: str | None = None
    """The error of the cache that ended the trial early."""
    bytes_an_entry: float = 0.0
    """What a memory trial found."""
    start_seconds: float = 0.0
    """From the start of its interpreter to its first operation, less what it waited for work."""


_SPOKEN = {"DELETE": "delete()", "TTL": "ttl in its set()"}


class LacksCapabilityError(Exception):
    """A cache does not promise what the requests ask for; the message says what."""


def parse_trial(data: bytes, job: Job) -> Trial:
    """The trial that a child reported.

    Raises UsageError if its spec did not build, LacksCapabilityError, and HarnessError for a fault of ours.
    """
    line, _, rest = data.partition(b"\n")
    report = json.loads(line)
    if report["status"] == "spec":
        raise UsageError(report["message"])
    if report["status"] == "bug":
        raise HarnessError(f"a trial failed: {report['message']}")
    if report["status"] == "lacks":
        raise LacksCapabilityError(f"{report['spec']} has no {' and no '.join(_SPOKEN[n] for n in report['missing'])}")
    if job.kind == "memory":
        return Trial(bytes_an_entry=(report["filled_bytes"] - report["empty_bytes"]) / max(1, report["held"]))
    columns: dict[str, NDArray[np.int64]] = {}
    offset = 0
    for name, _code, length in report["columns"]:
        columns[name] = np.frombuffer(rest, dtype=np.int64, count=length, offset=offset)
        offset += 8 * length
    arms = []
    for i, arm in enumerate(report["arms"]):
        of_arm = {name: columns[f"{i}.{name}"] for name in ("batch_ns", "turn_cpu_ns", "fill_ns", "operation_ns")}
        arms.append(
            ArmSample(
                batch=job.batch,
                **of_arm,
                counts=arm["counts"],
                measured_gets=arm["measured_gets"],
                measured_hits=arm["measured_hits"],
                measured_fills=arm["measured_fills"],
                errors=tuple(arm["errors"]),
                wrong=arm["wrong"],
                wrong_examples=tuple(arm["wrong_examples"]),
                disagreements=tuple(arm["disagreements"]),
                native_clock=arm["native_clock"],
                capacity=arm["capacity"],
                notes=tuple(arm["notes"]),
                incidents=arm["incidents"],
            )
        )
    return Trial(
        arms=tuple(arms),
        gave_up=report["gave_up"],
        start_seconds=report["start_ns"] / 1e9,
    )
