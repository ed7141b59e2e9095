"""The runs of `chaos`, as a table of contents: one or more experiments on one cache, on two, or on several."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from chaoslib.experiment import run_experiment

from harness.chaos import experiment_file, judging, plan
from harness.chaos.comparing import compare
from harness.chaos.document import ChaosDocument, DifferenceResult, ExperimentResult
from harness.chaos.methods import look_through
from harness.chaos.plan import NEEDS, Plan
from harness.chaos.run import Outcome, Run, prepare
from harness.chaos.topology import memory_bound_bytes, missing
from harness.chaos.toxiproxy.guard import TOKEN_VARIABLE
from harness.documents import WarningResult
from harness.errors import HarnessError
from harness.masking import mask, masked
from harness.measure.environment import environment
from harness.model import Verdict

Say = Callable[[str], None]
Keep = Callable[[str, str, str], str | None]
"""Takes Chaos Toolkit's journal of an experiment on a cache; says where it is, None if it is nowhere."""

EXIT_CODES = {Verdict.PROCEED: 0, Verdict.ROLLBACK: 1, Verdict.INCONCLUSIVE: 2}
logging.getLogger("chaostoolkit").addHandler(logging.NullHandler())  # what it would say is in its journal
_GREW_BYTES, _GREW_TIMES = 100_000_000, 1.5
"""Beyond so many times the bound that its cache names, a host's growth is told."""
SETTINGS = {"runtime": {"rollbacks": {"strategy": "always"}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosRequest:
    """What is asked."""

    experiments: tuple[str, ...]
    """Names or files."""
    caches: tuple[str, ...]
    compared: bool
    """Whether the two caches are baseline and candidate; else each is judged by itself."""
    seed: int
    keep: Keep | None = None


def chaos(request: ChaosRequest, say: Say) -> ChaosDocument:
    """Run all, one after the other. Raises UsageError before the first, NothingMeasuredError and HarnessError."""
    began = time.monotonic()
    files = {name: plan.find(name) for name in request.experiments}
    read = {name: _read(path) for name, path in files.items()}
    lacks = {text: missing(text) for text in request.caches}  # before anything is started: a bad spec is told now
    found: list[ExperimentResult] = []
    left: list[str] = []
    proxies, guarded = "", True
    total = len(read) * len(request.caches)
    for experiment, planned in read.values():
        for place, text in enumerate(request.caches):
            role = "candidate" if request.compared and place else "baseline"
            wanting = [NEEDS[need] for need in planned.needs if need in lacks[text]]
            if wanting:
                found.append(judging.skipped(planned, text, role, wanting[0]))
                continue
            head = f"{len(found) + 1} of {total}, {planned.name} on {mask(text)}"
            one, outcome = _one(experiment, planned, text, role, request, partial(_say, say, head))
            found.append(one)
            left += [outcome.left] if outcome.left else []
            proxies, guarded = outcome.proxies, outcome.proxies_guarded
    differences = compare(found) if request.compared else ()
    verdict, reason = _verdict(request, found, differences)
    return ChaosDocument(
        verdict=verdict,
        reason=reason,
        exit_code=EXIT_CODES[verdict],
        seed=request.seed,
        elapsed_seconds=time.monotonic() - began,
        environment=environment(),
        arms=tuple(map(mask, request.caches)),
        proxies=proxies,
        experiments=tuple(found),
        differences=tuple(differences),
        warnings=(
            *(WarningResult(message=each, remedy="remove them when it answers again") for each in left),
            *_warnings(found, {mask(text): memory_bound_bytes(text) for text in request.caches}),
            *(() if guarded else (unguarded(proxies),)),
        ),
    )


def _read(path: Path) -> tuple[dict[str, Any], Plan]:
    """The experiment of a file, which Chaos Toolkit takes. Raises UsageError."""
    experiment = experiment_file.read(path)
    planned = plan.plan(experiment, path.stem)
    wanted = look_through(experiment, path.name)
    return experiment, planned.model_copy(
        update={"needs": tuple(need for need in NEEDS if need in {*planned.needs, *wanted})}
    )


def _one(
    experiment: dict[str, Any], planned: Plan, text: str, role: str, request: ChaosRequest, say: Say
) -> tuple[ExperimentResult, Outcome]:
    began = time.monotonic()
    run = Run(planned, text, request.seed, say)
    prepare(run)
    try:
        journal = run_experiment(
            json.loads(json.dumps(experiment)),  # it is written into
            settings=SETTINGS,
            experiment_vars=({"spec": mask(text), "seed": request.seed}, {}),
        )
    except BrokenPipeError as error:  # else taken for a reader of ours who has left
        raise HarnessError(f"{planned.name} on {mask(text)}: a part of the run died: {error}") from error
    finally:
        run.close()
        prepare(None)
    if run.error is not None:
        raise run.error
    if journal["status"] == "interrupted":
        raise KeyboardInterrupt
    if run.outcome is None:
        raise HarnessError(f"{planned.name} on {mask(text)} ended without a result (status {journal['status']})")
    result = judging.judge(planned, text, run.outcome, role=role, seconds=time.monotonic() - began)
    if request.keep is not None:
        kept = request.keep(planned.name, text, json.dumps(masked(journal), indent=2, default=str) + "\n")
        result = result.model_copy(update={"journal": kept})
    return result, run.outcome


def _say(say: Say, head: str, line: str) -> None:
    say(f"{head}: {line}")


def _verdict(
    request: ChaosRequest, found: list[ExperimentResult], differences: tuple[DifferenceResult, ...]
) -> tuple[Verdict, str]:
    """Of all. With a baseline, what that one fails too is not the candidate's."""
    verdicts = [each.verdict for each in found if isinstance(each.verdict, Verdict)]
    if not verdicts:
        why = f"nothing could be broken: {found[0].reason}" if found else "nothing was asked"
        return Verdict.INCONCLUSIVE, why
    if request.compared:
        return _of_two(request, differences)
    verdict = Verdict.worst(verdicts)
    worst = [each for each in found if each.verdict is verdict]
    if verdict is not Verdict.PROCEED:
        more = f" (and {len(worst) - 1} more)" if len(worst) > 1 else ""
        return verdict, f"{worst[0].name} on {worst[0].arm}: {worst[0].reason}{more}"
    if len(found) == 1:
        return verdict, f"{found[0].arm}: {found[0].reason}"
    skipped = len(found) - len(verdicts)
    return verdict, f"{len(verdicts)} experiments held" + (f", {skipped} skipped" if skipped else "")


def _of_two(request: ChaosRequest, differences: tuple[DifferenceResult, ...]) -> tuple[Verdict, str]:
    baseline, candidate = map(mask, request.caches)
    verdicts = [each.verdict for each in differences if isinstance(each.verdict, Verdict)]
    if not verdicts:
        return Verdict.INCONCLUSIVE, "nothing could be compared"
    verdict = Verdict.worst(verdicts)
    if verdict is Verdict.PROCEED:
        many = "it" if len(verdicts) == 1 else f"{len(verdicts)} experiments"
        skipped = len(differences) - len(verdicts)
        more = f", {skipped} skipped" if skipped else ""
        return verdict, f"{candidate} bears {many} as well as {baseline}{more}"
    worst = next(each for each in differences if each.verdict is verdict)
    return verdict, f"{worst.name}: {worst.summary}"


def unguarded(proxies: str) -> WarningResult:
    """Of a proxy server without a secret: who re-points a proxy answers in the place of what is behind it."""
    return WarningResult(
        message=f"whoever reaches the Toxiproxy server ({proxies}) could change the proxies of this run",
        remedy=f"where others use the machine, let Cachegate start its own, or one with {TOKEN_VARIABLE} set for both",
    )


def _warnings(found: list[ExperimentResult], bounds: dict[str, int | None]) -> list[WarningResult]:
    warnings = []
    gone = [each for each in found if each.operations_lost]
    if gone:
        told = ", ".join(dict.fromkeys(each.name for each in gone))
        warnings.append(
            WarningResult(
                message=f"acknowledged writes were gone, or evicted, after {told}",
                remedy="a cache may forget; whoever must not lose them writes them elsewhere too",
            )
        )
    for each in found:
        before, after = each.fresh_bytes, each.memory_bytes
        if before and after and after - before > _GREW_TIMES * (bounds[each.arm] or 0) + _GREW_BYTES:
            warnings.append(
                WarningResult(
                    message=f"{each.name} on {each.arm}: the host grew from {before / 1e6:.0f} to {after / 1e6:.0f} MB",
                    remedy="if it is not entries, something leaks when something is broken",
                )
            )
    return warnings
