"""The run of `tune`, as a table of contents."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.documents import ArmResult, SkippedResult, WarningResult, WorkloadResult
from harness.errors import UsageError
from harness.gate import policy, reasons
from harness.measure import workload as workloads
from harness.measure.bench import BATCH, ENTRIES
from harness.measure.blocks import BATCHES, PAIR_TURNS, TURNS, Block, Blocks
from harness.measure.environment import Watch, environment, processors
from harness.measure.generate import draw
from harness.measure.requests import Requests
from harness.measure.ring import Interpreters
from harness.measure.trial import ArmSample, LacksCapabilityError
from harness.model import Notice, Role, Verdict
from harness.stats.racing import DEFAULT
from harness.tune import tables
from harness.tune.conclusions import EXIT_NOTHING_MEASURED, Conclusion, conclude
from harness.tune.course import Course
from harness.tune.document import TuneDocument
from harness.tune.evidence import METRICS
from harness.tune.grid import Grid, grid

Say = Callable[[str], None]

_REQUESTS = BATCH * BATCHES


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """What `tune` is asked."""

    spec: str
    varied: tuple[str, ...]
    """`num_shards=4,8,16`, one a parameter."""
    workload: str
    seed: int
    objectives: tuple[policy.Gated, ...] = policy.TUNED[:1]
    budget_seconds: float = policy.TUNE_BUDGET_SECONDS
    precision: float = policy.TUNE_PRECISION
    full_grid: bool = False
    capacity: int | None = None
    concurrency: int = 1
    limit_seconds: float = 30.0


class _Seen:
    """What the blocks told besides their values."""

    def __init__(self) -> None:
        self.samples: dict[int, ArmSample] = {}
        self.watch = Watch()

    def note(self, block: Block) -> None:
        self.samples |= block.samples
        self.watch.sample()


def tune(request: TuneRequest, say: Say) -> TuneDocument:
    """Race the settings until one is known to be best, the rest to be no better, or the budget is spent.

    say is told what is going on, a line at a time. Raises UsageError for a request that is wrong.
    """
    began = time.monotonic()
    requests = draw(workloads.parse(request.workload), _REQUESTS, request.capacity)
    if requests.measurable < BATCHES:
        raise UsageError(
            f"workload {requests.name!r} leaves {requests.measurable} requests to measure; "
            f"at least {BATCHES} are needed"
        )
    settings = grid(request.spec, request.varied, capacity=requests.capacity)
    seen = _Seen()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cachegate-")))
        file = folder / "requests"
        requests.write(file)
        blocks = Blocks(
            requests,
            file,
            [setting.spec for setting in settings.settings],
            stack.enter_context(Interpreters(request.seed)),
            concurrency=request.concurrency,
            processors=processors(),
            limit_seconds=request.limit_seconds,
            # What is put off (a sweep) is not in the CPU of a trial that ends before it: then they have to be longer.
            turns=PAIR_TURNS if policy.CPU_TIME in [row.metric for row in request.objectives] else TURNS,
        )
        course = Course(
            settings,
            blocks,
            request.objectives,
            seed=request.seed,
            budget_seconds=request.budget_seconds,
            precision=request.precision,
            full_grid=request.full_grid,
            say=say,
            began=began,
            noted=seen.note,
        )
        skipped = None
        try:
            course.play()
        except LacksCapabilityError as error:
            skipped = SkippedResult(workload=requests.name, reason=str(error))
    return _document(request, requests, settings, blocks, course, seen, skipped)


def _document(
    request: TuneRequest,
    requests: Requests,
    settings: Grid,
    blocks: Blocks,
    course: Course,
    seen: _Seen,
    skipped: SkippedResult | None,
) -> TuneDocument:
    found = conclude(course)
    if skipped is not None:
        why = f"nothing was measured: {skipped.workload} skipped, {skipped.reason}"
        found = Conclusion(Verdict.INCONCLUSIVE, why, EXIT_NOTHING_MEASURED, None, decided=False)
    arms = _arms(settings, course, seen, requests.name)
    disturbance = seen.watch.result(pinned=bool(processors()))
    notices = _notices(arms, blocks.entries) + reasons.disturbed(disturbance.other_cpu, disturbance.stolen_cpu)
    contender = course.contender
    evidence = course.confirming if course.confirmed() and not course.full_grid else course.evidence
    results = [evidence.result(m, requests.name, contender, DEFAULT) for m in METRICS] if contender else []
    return TuneDocument(
        verdict=found.verdict,
        reason=found.reason,
        exit_code=found.exit_code,
        seed=request.seed,
        elapsed_seconds=course.elapsed_seconds,
        budget_seconds=request.budget_seconds,
        environment=environment(),
        disturbance=disturbance,
        recommended=_recommended(found, settings),
        objectives=tuple(row.metric.name for row in request.objectives),
        margin=course.objective.margin,
        mode="full grid" if request.full_grid else "race",
        complete_blocks=min(course.complete_blocks, course.race.blocks),
        race_blocks=course.race.blocks,
        confirming_blocks=course.confirming.blocks(course.objective.metric, DEFAULT),
        trials=course.trials,
        arms=arms,
        workloads=(_workload(requests, blocks, request.concurrency),),
        metrics=tuple(result for result in results if result is not None),
        settings=tables.settings(course, found.recommended, decided=found.decided) if skipped is None else (),
        parameters=tables.parameters(course, request.objectives) if course.race.blocks else (),
        incidents=tables.incidents(course, requests.name),
        skipped=() if skipped is None else (skipped,),
        warnings=tuple(WarningResult(message=notice.message, remedy=notice.remedy) for notice in notices),
        harness_ns=blocks.harness_ns,
    )


def _recommended(found: Conclusion, settings: Grid) -> str | None:
    known = found.decided and found.recommended is not None
    return settings.settings[found.recommended or 0].spec.text if known else None


def _arms(settings: Grid, course: Course, seen: _Seen, workload: str) -> tuple[ArmResult, ...]:
    found = []
    for role, number in ((Role.BASELINE, DEFAULT), (Role.CANDIDATE, course.contender)):
        if number is None or number not in seen.samples:
            continue
        sample, spec = seen.samples[number], settings.settings[number].spec
        found.append(
            ArmResult(
                role=role.value,
                spec=spec.text,
                target=spec.target,
                parameters=spec.parameters,
                capacities={workload: sample.capacity if isinstance(sample.capacity, int) else None},
                adapted=sample.notes,
                ttl_exercised=not sample.native_clock,
            )
        )
    return tuple(found)


def _workload(requests: Requests, blocks: Blocks, concurrency: int) -> WorkloadResult:
    return WorkloadResult(
        name=requests.name,
        title=workloads.parse(requests.name).title,
        digest=requests.digest(),
        capacity=requests.capacity,
        preload=requests.preload,
        warmup=requests.warmup,
        requests=blocks.measured_requests,
        batch=blocks.batch,
        seconds=requests.seconds,
        look_aside=requests.look_aside,
        concurrency=concurrency,
    )


def _notices(arms: tuple[ArmResult, ...], entries: int) -> list[Notice]:
    found = []
    if any(not arm.ttl_exercised for arm in arms):
        found.append(
            Notice(
                message="ttl not exercised (the cache's clock is not the event loop's)",
                remedy="what a parameter of expiry does is not seen; make it read the loop's time or time.monotonic",
            )
        )
    if entries < ENTRIES:
        found.append(
            Notice(
                message=f"caches were weighed with {entries} entries, which is the smallest bound, not {ENTRIES}",
                remedy="so few partly hide in what an interpreter holds anyway; read the bytes an entry with care",
            )
        )
    return found
