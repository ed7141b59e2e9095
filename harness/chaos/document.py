"""What a chaos run leaves: `--json` of `cachegate chaos`."""

from __future__ import annotations

from typing import Literal

from harness.documents import CheckedResult, Document, Result
from harness.model import Verdict


class FaultResult(Document):
    """One thing that was broken. Times in seconds from the first operation."""

    name: str
    target: str
    fired: bool
    """Whether it was seen to act."""
    ended: bool
    """Whether all was seen to be as before."""
    evidence: str
    began: float
    seconds: float


class PartResult(Document):
    """What users saw in a part of the run. Shares are None where nothing was due; times in seconds."""

    operations: int
    answered: float | None
    timely: float | None
    """Answered within 0.1 s of when it was due."""
    hit_ratio: float | None
    p50: float | None
    p99: float | None


class WindowResult(Document):
    """A tenth of a second; time in seconds from the first operation, at the window's beginning."""

    time: float
    operations: int
    answered: int
    timely: int
    hits: int
    reads: int


class ExperimentResult(Document):
    """One experiment on one cache."""

    name: str
    title: str
    question: str
    arm: str
    """The cache's spec."""
    role: Literal["baseline", "candidate"]
    verdict: Verdict | Literal["skipped"]
    reason: str
    faults: tuple[FaultResult, ...]
    before: PartResult | None
    during: PartResult | None
    after: PartResult | None
    availability: float | None
    """The share of all operations that were answered."""
    errors: dict[str, int]
    """Operations that were not, by what happened to them."""
    detect_seconds: float | None
    degrade_seconds: float | None
    recover_seconds: float | None
    operations_lost: int | None
    """Writes acknowledged before the faults were over and missed at the first read after: evicted, or gone."""
    stale_reads: int | None
    """Findings against the laws of freshness (C1, C2, C4, C6), of the whole run: never legal."""
    loads: int
    """Fetched from behind the cache."""
    stampedes: int
    """Of those, begun while another of the same key was under way."""
    fresh_bytes: int | None
    memory_bytes: int | None
    """Resident in the host before anybody used it, and at the end."""
    checks: tuple[CheckedResult, ...]
    series: tuple[WindowResult, ...]
    journal: str | None
    """Where Chaos Toolkit's journal is."""
    elapsed_seconds: float


class DifferenceResult(Document):
    """The same experiment, with the same seed, on two caches."""

    name: str
    verdict: Verdict | Literal["skipped"]
    availability: float | None
    """The candidate's less the baseline's."""
    during: float | None
    """The same, of the operations that came during the faults."""
    recover_seconds: float | None
    """How much longer the candidate took to recover."""
    summary: str


class ChaosDocument(Result):
    """What `cachegate chaos` found."""

    kind: Literal["chaos"] = "chaos"
    verdict: Verdict
    arms: tuple[str, ...]
    proxies: str
    """Which Toxiproxy it was."""
    experiments: tuple[ExperimentResult, ...]
    differences: tuple[DifferenceResult, ...]
