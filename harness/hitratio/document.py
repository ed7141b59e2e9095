"""What `cachegate hitratio` leaves."""

from __future__ import annotations

from typing import Literal

from harness.documents import ArmResult, Document, Result, Share
from harness.model import Verdict


class AskedResult(Document):
    """A workload, as every row of it was asked."""

    name: str
    title: str
    digest: str
    requests: int
    """Those of the preload included."""
    preload: int
    gets: int
    sets: int
    deletes: int
    distinct_keys: int
    compulsory_limit: Share
    """The hit ratio of a cache with room for everything: no capacity can reach more."""
    seconds: float
    """Of workload time, from the first request to the last."""
    look_aside: bool
    ttls_run_out: bool
    """Within that time; the references know no ttl."""
    cut: bool
    """Whether only the first requests of a trace were asked."""
    capacities: tuple[int, ...]


class HitRatioRow(Document):
    """One cache, or reference, on one workload at one capacity."""

    workload: str
    capacity: int
    name: str
    """The spec of a cache, `LRU` or `optimal`."""
    kind: Literal["lru", "cache", "optimal"]
    hit_ratio: Share | None
    """Hits a get; None: not measured, or not worth anything because the cache lied or failed."""
    hits: int | None
    against_lru: Share | None
    """Hit ratio less LRU's: more than 0 is better."""
    held: int | None
    """The most entries that were seen in it."""
    comparable: bool
    """Whether it kept to the capacity, as far as it can be seen."""
    best: bool
    """Whether no comparable cache has a higher hit ratio."""
    note: str | None
    """Why it is not measured or not comparable."""


class CacheIncident(Document):
    """A wrong answer, an error or a crash."""

    cache: str
    kind: Literal["wrong answer", "error", "crash"]
    workload: str
    capacity: int
    count: int
    example: str


class HitRatioDocument(Result):
    """What share of its gets each cache answered."""

    kind: Literal["hitratio"] = "hitratio"
    verdict: Verdict
    arms: tuple[ArmResult, ...]
    workloads: tuple[AskedResult, ...]
    rows: tuple[HitRatioRow, ...]
    incidents: tuple[CacheIncident, ...]
