"""The run of `hitratio`, as a table of contents."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cache_impls.registry import Spec, SpecError, parse
from harness.documents import ArmResult
from harness.errors import UsageError
from harness.hitratio.asking import Asked, prepare
from harness.hitratio.document import AskedResult, HitRatioDocument
from harness.hitratio.references import lru, optimal
from harness.hitratio.rows import Cell, incidents, rows, verdict, warnings
from harness.hitratio.run import Answers, answers, try_out
from harness.measure import workload as workloads
from harness.measure.environment import environment
from harness.measure.workload import Workload

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class HitRatioRequest:
    """What `hitratio` is asked."""

    caches: tuple[str, ...]
    workloads: tuple[str, ...]
    capacities: tuple[int, ...] = ()
    """None at all: each workload's own."""
    requests: int | None = None
    """None: a trace whole, `asking.DEFAULT_REQUESTS` of a preset."""
    seed: int
    limit_seconds: float = 30.0
    """For a bulk of requests; a cache that takes longer hangs."""


def hitratio(request: HitRatioRequest, say: Say) -> HitRatioDocument:
    """Ask each cache each workload at each capacity, beside LRU and the optimal. Raises UsageError."""
    began = time.monotonic()
    specs = _specs(request.caches)
    asked_for = [workloads.parse(name) for name in dict.fromkeys(request.workloads)]
    hash_seed = request.seed % 2**32
    for spec in specs:
        say(f"{spec.text}: trying it out")
        try_out(spec.text, _some_capacity(request, asked_for), hash_seed=hash_seed, limit_seconds=request.limit_seconds)
    cells = [cell for workload in asked_for for cell in _cells(workload, specs, request, hash_seed, say)]
    found = [row for cell in cells for row in rows(cell)]
    broken = [each for cell in cells for spec, did in cell.caches.items() for each in incidents(spec, did, cell)]
    decided, reason, exit_code = verdict(found, broken)
    return HitRatioDocument(
        verdict=decided,
        reason=reason,
        exit_code=exit_code,
        seed=request.seed,
        elapsed_seconds=time.monotonic() - began,
        environment=environment(),
        arms=tuple(_arm(spec, cells) for spec in specs),
        workloads=tuple(_asked(cells)),
        rows=tuple(found),
        incidents=tuple(broken),
        warnings=tuple(warnings(cells, found)),
    )


def _cells(workload: Workload, specs: list[Spec], request: HitRatioRequest, hash_seed: int, say: Say) -> Iterator[Cell]:
    """A cell for each capacity of workload."""
    dead: set[str] = set()
    with TemporaryDirectory(prefix="cachegate-") as folder:
        asked = prepare(workload, request.requests, Path(folder), say)
        try:
            for capacity in request.capacities or (asked.default_capacity,):
                hits = _references(asked, capacity, say)
                did: dict[str, Answers | None] = {}
                for spec in specs:
                    did[spec.text] = None
                    if spec.text in dead:
                        continue
                    found = answers(
                        spec.text, asked, capacity, hash_seed=hash_seed, limit_seconds=request.limit_seconds, say=say
                    )
                    did[spec.text] = found
                    if found.died is not None:
                        dead.add(spec.text)  # it would cost its limit again, to say the same
                most = hits[1]
                if any(found is not None and found.hits > most for found in did.values()):
                    most = _optimal(asked, capacity, refuses=True)
                yield Cell(asked=asked, capacity=capacity, lru=hits[0], optimal=hits[1], most=most, caches=did)
        finally:
            asked.folder.close()


def _references(asked: Asked, capacity: int, say: Say) -> tuple[int, int]:
    """Hits of LRU and of the optimal."""
    folder = asked.folder
    say(f"{asked.name} at {capacity:,}: LRU")
    of_lru = lru(
        folder.stream("key"),
        folder.stream("op"),
        folder.stream("key"),
        capacity=capacity,
        distinct_keys=folder.distinct_keys,
        look_aside=folder.look_aside,
    )
    say(f"{asked.name} at {capacity:,}: optimal")
    return of_lru, _optimal(asked, capacity)


def _optimal(asked: Asked, capacity: int, *, refuses: bool = False) -> int:
    folder = asked.folder
    return optimal(
        folder.stream("next"),
        folder.stream("op"),
        capacity=capacity,
        requests=folder.requests,
        look_aside=folder.look_aside,
        refuses=refuses,
    )


def _specs(texts: tuple[str, ...]) -> list[Spec]:
    try:
        return [parse(text) for text in dict.fromkeys(texts)]
    except SpecError as error:
        raise UsageError(str(error)) from error


def _some_capacity(request: HitRatioRequest, asked_for: list[Workload]) -> int:
    """One at which the caches will be built, or near it where only reading a trace would tell."""
    return min([*request.capacities, *(each.capacity for each in asked_for if each.capacity is not None)], default=1000)


def _arm(spec: Spec, cells: list[Cell]) -> ArmResult:
    found = {f"{cell.asked.name} at {cell.capacity}": cell.caches[spec.text] for cell in cells}
    told = {place: did for place, did in found.items() if did is not None}
    return ArmResult(
        role="candidate",
        spec=spec.text,
        target=spec.target,
        parameters=spec.parameters,
        capacities={place: did.bound for place, did in told.items()},
        adapted=tuple(dict.fromkeys(note for did in told.values() for note in did.notes)),
        ttl_exercised=any(cell.asked.expires for cell in cells) and not any(did.native_clock for did in told.values()),
    )


def _asked(cells: list[Cell]) -> Iterator[AskedResult]:
    for asked in {cell.asked.name: cell.asked for cell in cells}.values():
        yield _asked_result(asked, tuple(cell.capacity for cell in cells if cell.asked is asked))


def _asked_result(asked: Asked, capacities: tuple[int, ...]) -> AskedResult:
    return AskedResult(
        name=asked.name,
        title=asked.title,
        digest=asked.digest,
        requests=asked.folder.requests,
        preload=asked.preload,
        gets=asked.gets,
        sets=asked.sets,
        deletes=asked.deletes,
        distinct_keys=asked.folder.distinct_keys,
        compulsory_limit=asked.answerable / asked.gets,
        seconds=asked.seconds,
        look_aside=asked.folder.look_aside,
        ttls_run_out=asked.expires,
        cut=asked.cut,
        capacities=capacities,
    )
