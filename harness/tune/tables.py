"""From a finished course to its tables: each setting's fate, the Pareto front, what each parameter does. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.gate.policy import CONFIDENCE, TUNED, Gated, incident_severity
from harness.stats.effects import Answer, Effect, effect
from harness.stats.location import Estimate
from harness.stats.metric import Better, Metric, Scale
from harness.stats.racing import DEFAULT, Drop, Fate
from harness.tune.conclusions import SAID, worth
from harness.tune.course import Course
from harness.tune.document import LEADS, EffectResult, ParameterResult, SettingResult, SettingValue, TuneIncident
from harness.tune.grid import shown


def settings(course: Course, leader: int | None, *, decided: bool) -> tuple[SettingResult, ...]:
    """A row a setting, the leader first, which is recommended if decided, then by the objective."""
    drops = {drop.setting: drop for drop in course.race.drops}
    changes = {i: _changes(course, i) for i in range(len(course.grid.settings))}
    front = pareto({i: found for i, found in changes.items() if i not in course.failed and found}, TUNED)
    rows = [
        SettingResult(
            name=setting.name,
            spec=setting.spec.text,
            parameters=setting.spec.parameters | setting.values,
            default=i == DEFAULT,
            recommended=decided and i == leader,
            fate=drops[i].fate.value if i in drops else Fate.IN.value,
            dropped_after=drops[i].blocks if i in drops else None,
            why=_why(course, i, drops.get(i), leader, decided=decided),
            front=i in front,
            blocks=max((course.evidence.blocks(row.metric, i) for row in TUNED), default=0),
            values=tuple(_value(course, row.metric, i) for row in TUNED),
        )
        for i, setting in enumerate(course.grid.settings)
    ]
    objective = course.objective.metric.name

    def rank(row: SettingResult) -> tuple[bool, float]:
        """The leader first, whose reason says so."""
        change = next(value.change for value in row.values if value.name == objective)
        return row.why not in LEADS.values(), math.inf if change is None else change

    return tuple(sorted(rows, key=rank))


def pareto(changes: Mapping[int, Mapping[str, Estimate]], rows: Sequence[Gated]) -> set[int]:
    """The settings that no other beats in one metric, by more than its margin, while it is as good in all the rest.

    changes holds for each setting and metric how much worse it is than one and the same setting, on the metric's
    scale; a metric that not all have is left out. Where an interval is wider than the margin, that is what counts as
    as good: noise puts nobody on the front, and takes nobody off it.
    """
    shared = [row for row in rows if all(row.metric.name in of_setting for of_setting in changes.values())]

    def beats(one: Mapping[str, Estimate], other: Mapping[str, Estimate]) -> bool:
        gaps = []
        for row in shared:
            ours, theirs = one[row.metric.name], other[row.metric.name]
            widths = [estimate.half_width for estimate in (ours, theirs) if math.isfinite(estimate.low)]
            gaps.append((theirs.value - ours.value, max(row.metric.threshold(row.margin), *widths, 0.0)))
        return all(gap >= -margin for gap, margin in gaps) and any(gap > margin for gap, margin in gaps)

    return {i for i, own in changes.items() if not any(beats(other, own) for j, other in changes.items() if j != i)}


def parameters(course: Course, objectives: Sequence[Gated]) -> tuple[ParameterResult, ...]:
    """What each parameter with several values does to each objective, and to the rest where it does anything."""
    found = []
    for parameter, values in course.grid.parameters.items():
        if len(values) < 2:
            continue
        effects = []
        for row in (*objectives, *(row for row in TUNED if row not in objectives)):
            result = _effect(course, parameter, row)
            if row in objectives or result.answer == Answer.EFFECT.value:
                effects.append(result)
        found.append(ParameterResult(name=parameter, values=values, effects=tuple(effects)))
    return tuple(found)


def incidents(course: Course, workload: str) -> tuple[TuneIncident, ...]:
    """What settings did wrong."""
    return tuple(
        TuneIncident(
            setting=course.grid.settings[trouble.setting].name,
            kind=trouble.incident.kind,
            workload=workload,
            count=trouble.incident.count,
            example=trouble.incident.example,
            severity=incident_severity(
                trouble.incident.kind, trouble.incident.count / max(1, trouble.incident.operations)
            ),
        )
        for trouble in course.troubles
    )


# Settings


def _changes(course: Course, setting: int) -> dict[str, Estimate]:
    """How much worse than the default it is, on each metric's scale."""
    found = {}
    for row in TUNED:
        estimate = course.evidence.estimate(row.metric, setting, DEFAULT, CONFIDENCE)
        if estimate is not None:
            found[row.metric.name] = estimate
    return found


def _value(course: Course, metric: Metric, setting: int) -> SettingValue:
    estimate = course.evidence.estimate(metric, setting, DEFAULT, CONFIDENCE)
    value = course.evidence.middle(metric, setting)
    base = course.evidence.middle(metric, DEFAULT)
    if estimate is not None and base is not None:
        # Those that ran longer ran at other times: all are shown at the default's, so that they can be compared.
        worse = estimate.value if metric.better is Better.LOWER else -estimate.value
        value = base + worse if metric.scale is Scale.POINTS else base * math.exp(worse)
    bounded = estimate is not None and math.isfinite(estimate.low)
    return SettingValue(
        name=metric.name,
        unit=metric.unit,
        better=metric.better.value,
        value=value,
        change=metric.change(estimate.value) if estimate else None,
        low=metric.change(estimate.low) if estimate and bounded else None,
        high=metric.change(estimate.high) if estimate and bounded else None,
        blocks=course.evidence.blocks(metric, setting),
    )


def _why(course: Course, setting: int, drop: Drop | None, leader: int | None, *, decided: bool) -> str:
    if setting in course.failed:
        first = next(trouble.incident for trouble in course.troubles if trouble.setting == setting)
        return f"{SAID[first.kind]}: {first.example}"
    if setting == leader:
        return LEADS[decided]
    if drop is None:
        return "in to the end"
    if drop.fate is Fate.NO_GAIN:
        return f"no more than {worth(course)} better than the default"
    return f"beaten by {course.grid.settings[drop.by].name}" if drop.by is not None else "beaten"


# Parameters


def _effect(course: Course, parameter: str, row: Gated) -> EffectResult:
    metric, values = row.metric, course.grid.parameters[parameter]
    usable = [i for i in range(len(course.grid.settings)) if i not in course.failed]
    groups = course.grid.strata(parameter, usable)
    rows = course.evidence.complete(metric, usable, course.complete_blocks)
    result = EffectResult(
        metric=metric.name,
        answer="open",
        best=values[0],
        worst=values[-1],
        change=None,
        low=None,
        high=None,
        bound=None,
        confidence=CONFIDENCE,
        margin=row.margin,
        blocks=len(rows),
        summary="not told apart: too many settings failed" if not groups else "not told apart: too few blocks",
    )
    if not groups or not len(rows):
        return result
    columns = [[usable.index(i) for i in group] for group in groups]
    told = effect(rows, columns, margin=metric.threshold(row.margin), confidence=CONFIDENCE)
    if not math.isfinite(told.bound):
        return result
    estimate = told.difference
    where = ""
    if told.stratum is not None:
        like = course.grid.settings[groups[0][told.stratum]].values
        where = f" at {', '.join(f'{n}={shown(v)}' for n, v in like.items() if n != parameter)}, and on average not"
    found = {
        "answer": told.answer.value,
        "best": values[told.best],
        "worst": values[told.worst],
        "change": metric.change(estimate.value),
        "low": metric.change(estimate.low),
        "high": metric.change(estimate.high),
        "bound": metric.change(told.bound),
    }
    return result.model_copy(update=found | {"summary": f"{_said(row, values, told)}{where}"})


def _said(row: Gated, values: Sequence[object], told: Effect) -> str:
    metric = row.metric
    unit = "points" if metric.scale is Scale.POINTS else "%"
    bound = f"{metric.change(told.bound) * 100:.1f} {unit}"
    if told.answer is Answer.NONE:
        spread = _range(values)
        return f"no measurable effect {spread} (at most {bound})"
    if told.answer is Answer.OPEN:
        return f"not told apart (up to {bound})"
    change, low, high = _percents(metric, told.difference)
    word = "slower" if metric.unit == "ns" else "more" if metric.unit == "B" else "less"
    best, worst = shown(values[told.best]), shown(values[told.worst])
    return f"effect: {worst} is {change} {unit} {word} than {best} ({low} to {high})"


def _range(values: Sequence[object]) -> str:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(values):
        return f"between {shown(min(numbers))} and {shown(max(numbers))}"
    return f"among {', '.join(shown(value) for value in values)}"


def _percents(metric: Metric, estimate: Estimate) -> tuple[str, str, str]:
    numbers = [f"{metric.change(value) * 100:.1f}" for value in (estimate.value, estimate.low, estimate.high)]
    return numbers[0], numbers[1], numbers[2]
