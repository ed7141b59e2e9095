"""What locust's processes tell each other and leave, as types: whatever reads it need not trust who wrote it."""

from __future__ import annotations

import os
import stat
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from harness.errors import HarnessError
from harness.load.samples import MOST_WORKERS, TARGETS

_MOST_BYTES = 256 * 1024 * 1024
"""Of a result: a day is 12 MB, most of it a row a second."""
_MOST_PLACES = 65_536
"""Of a histogram of 64-bit times: their size is told by whoever sends one."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
Place = Annotated[int, Field(ge=0, lt=_MOST_PLACES)]
Where = Annotated[str, Field(pattern=r"^\d{1,9}$")]
WhereOperation = Annotated[str, Field(pattern=r"^\d{1,9}/(get|set|delete)$")]
Second = Annotated[str, Field(pattern=r"^\d{1,12}$")]
Seconds = Annotated[FiniteFloat, Field(ge=0)]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Histogram(_Told):
    """What `Times.to_plain` gives."""

    places: list[Place]
    counts: list[Count]

    @model_validator(mode="after")
    def _whole(self) -> Histogram:
        if len(self.places) != len(self.counts) or any(first >= second for first, second in pairwise(self.places)):
            raise ValueError("a histogram has a count for each of its places, which are in order")
        return self


class ServiceAndResponse(_Told):
    """Both times of an operation."""

    service: Histogram
    response: Histogram


class _Counted(_Told):
    counts: dict[Where, dict[str, Count]]
    times: dict[WhereOperation, ServiceAndResponse]
    failures: dict[str, Count]
    examples: dict[str, list[str]]
    loads: Count
    stampedes: Count


class SecondDigest(_Told):
    """A second of a process."""

    operations: Count
    errors: Count
    hits: Count
    misses: Count
    response: Histogram


class Digest(_Counted):
    """What `Samples.digest` gives."""

    seconds: dict[Second, SecondDigest]


class PhaseLog(_Told):
    """A phase of a process, as its conductor noted it."""

    name: str
    number: Count
    rate: Seconds
    began: Seconds
    ended: Seconds
    active_seconds: list[Seconds]
    late: Histogram
    cut_short: bool


class LastWords(_Told):
    """What a process says of itself at its end."""

    pid: Count
    boot: str
    users: Count
    lost_connections: Count
    phases: list[PhaseLog]
    history: str | None


class Ended(_Told):
    """The last words of a worker."""

    ended: Annotated[int, Field(ge=0, lt=MOST_WORKERS)]
    said: LastWords


class WorkerResult(LastWords):
    """The same, with the worker's number."""

    worker: Annotated[int, Field(ge=0, lt=MOST_WORKERS)]


class SecondRow(_Told):
    """A second of all processes."""

    time: Count
    operations: Count
    errors: Count
    hit_ratio: Annotated[FiniteFloat, Field(ge=0, le=1)] | None
    p50: Seconds
    p99: Seconds


class Progress(_Told):
    """What is told once a second while it goes on."""

    time: Count
    operations: Count
    errors: Count
    p50: Seconds
    p99: Seconds
    total: Count
    users: Count
    elapsed: Seconds


class OrdersResult(BaseModel):
    """Of `drive.Orders`, what readers need."""

    model_config = ConfigDict(frozen=True, extra="allow")

    targets: list[str] = Field(min_length=1, max_length=TARGETS)


class RunResult(_Counted):
    """All that is left."""

    orders: OrdersResult
    workers: list[WorkerResult]
    series: list[SecondRow]

    @model_validator(mode="after")
    def _whole(self) -> RunResult:
        targets = len(self.orders.targets)
        if any(len(phase.active_seconds) != targets for worker in self.workers for phase in worker.phases):
            raise ValueError("a phase has a time for each target")
        return self


def is_told(report: object) -> bool:
    """Whether a worker's report is a digest or its last words."""
    kind: type[_Told] = Ended if isinstance(report, dict) and "ended" in report else Digest
    try:
        kind.model_validate(report)
    except ValidationError:
        return False
    return True


def read(path: Path, folder: Path) -> dict[str, Any] | None:
    """The result in path, with histories in folder; None if there is none. Raises HarnessError for a broken one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HarnessError(f"locust's result cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise HarnessError("locust's result is no file")
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise HarnessError(f"locust's result is larger than {_MOST_BYTES // 1024**2} MB")
    try:
        result = RunResult.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise HarnessError(f"locust's result is broken: {where}: {first['msg']}") from error
    for worker in result.workers:
        if worker.history is not None and Path(worker.history) != folder / f"users-{worker.worker}.npz":
            raise HarnessError(f"locust's result is broken: the history of worker {worker.worker} is not in its folder")
    return result.model_dump(mode="json")
