"""From a finished course to what is said of it: the recommendation and its reason, the verdict, the exit code. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from harness.gate.policy import CONFIDENCE, TUNED
from harness.model import Verdict
from harness.stats.location import Estimate
from harness.stats.metric import Scale
from harness.stats.racing import DEFAULT
from harness.tune.course import Course

EXIT_CODES = {Verdict.PROCEED: 0, Verdict.ROLLBACK: 1, Verdict.INCONCLUSIVE: 2}
EXIT_NOTHING_MEASURED = 5
_MOST_NAMES = 3


class Conclusion(NamedTuple):
    """What a run says. recommended is the number of a setting, None if there is none; it only leads unless decided."""

    verdict: Verdict
    reason: str
    exit_code: int
    recommended: int | None
    decided: bool


def conclude(course: Course) -> Conclusion:
    """The recommendation, or why there is none."""
    decided, recommended, said = _recommended(course)
    if not course.troubles:
        verdict = Verdict.PROCEED if decided else Verdict.INCONCLUSIVE
        return Conclusion(verdict, said, EXIT_CODES[verdict], recommended, decided)
    failures = _failures(course)
    if recommended is None:
        lied = any(trouble.incident.kind == "wrong answer" for trouble in course.troubles)
        verdict = Verdict.ROLLBACK if lied else Verdict.INCONCLUSIVE
        return Conclusion(verdict, f"{failures}; no setting is left", 1 if lied else EXIT_NOTHING_MEASURED, None, False)
    return Conclusion(Verdict.ROLLBACK, f"{failures}; of the others: {said}", 1, recommended, decided)


def _recommended(course: Course) -> tuple[bool, int | None, str]:
    """Whether it is decided, the setting, and why."""
    race = course.race
    if not race.left and DEFAULT not in course.failed:
        why = "keep the default: the rest was dropped against one that failed later; run again without it"
        return False, DEFAULT, why
    if not race.left:
        return False, None, ""
    if race.blocks == 0 and len(race.left) > 1:
        return False, race.left[0], _too_short(course)
    if course.full_grid:
        return _of_full_grid(course)
    leader = course.best
    assert leader is not None  # some are left
    if DEFAULT in course.failed:
        return race.settled, leader, f"{name(course, leader)} is best, and the default is none to compare with"
    if not race.settled:
        return _open(course, leader)
    if leader == DEFAULT:
        return True, DEFAULT, _nothing_better(course)
    return _against_default(course, leader)


def _against_default(course: Course, winner: int) -> tuple[bool, int, str]:
    """What the confirming blocks say of the winner."""
    found = course.confirmed()
    margin = course.objective.metric.threshold(course.objective.margin)
    if found is None or not math.isfinite(found.low):
        why = f"{name(course, winner)} leads, and nothing was left of the budget to hold it against the default"
        return False, winner, f"{why}; {_more(course)}"
    gained = f"{name(course, winner)} is {gain(course, found)} than the default in {_objective(course)}"
    if found.high < -margin:
        return True, winner, gained + _price(course, winner) + _as_good(course, winner)
    if found.low > -margin or course.precise:
        best = f"the best of the others, {name(course, winner)}, is {gain(course, found)}"
        known = (
            f"{worth(course)} would be worth it" if found.low > -margin else f"not known to be {worth(course)} better"
        )
        return True, DEFAULT, f"{name(course, DEFAULT)}: {best}, and {known}"
    return False, winner, f"{_budget(course)} did not decide whether {gained} by {worth(course)}; {_more(course)}"


def _of_full_grid(course: Course) -> tuple[bool, int, str]:
    best, found = course.race.leader, course.confirmed()
    if best != DEFAULT:
        return _against_default(course, best)
    margin = course.objective.metric.threshold(course.objective.margin)
    decided = found is not None and found.low > -margin
    return (
        decided,
        DEFAULT,
        _nothing_better(course) if decided else f"{_budget(course)} did not decide it; {_more(course)}",
    )


def _open(course: Course, leader: int) -> tuple[bool, int, str]:
    """The race's part of the budget was spent before it was settled."""
    rivals = [i for i in course.race.left if i != leader and not course.race.no_worse(leader, i)]
    others = _names(course, rivals)
    found = course.confirmed()
    against = f" ({gain(course, found)} than the default)" if found is not None and math.isfinite(found.low) else ""
    why = (
        f"{_budget(course)} did not decide it: {name(course, leader)}{against} leads, and could not be told apart "
        f"from {others} by {worth(course)}; {_more(course)}"
    )
    return False, leader, why


def _nothing_better(course: Course) -> str:
    if len(course.failed) == len(course.grid.settings) - 1:
        return f"{name(course, DEFAULT)} alone is left, with nothing to hold it against"
    return f"{name(course, DEFAULT)}: nothing tried is more than {worth(course)} better in {_objective(course)}"


def _price(course: Course, winner: int) -> str:
    """In what else the winner is worse than the default for sure, by more than its margin."""
    evidence = course.evidence if course.full_grid else course.confirming
    worse = []
    for row in TUNED:
        found = evidence.estimate(row.metric, winner, DEFAULT, CONFIDENCE)
        if row.metric is not course.objective.metric and found and found.low > row.metric.threshold(row.margin):
            unit = "points" if row.metric.scale is Scale.POINTS else "%"
            worse.append(f"{row.metric.change(found.value) * 100:.1f} {unit} in {row.metric.title}")
    return f", and worse by {' and '.join(worse)}" if worse else ""


def _as_good(course: Course, winner: int) -> str:
    equals = [i for i in course.race.left if i != winner and course.race.no_worse(i, winner)]
    return f"; as good within {worth(course)}: {_names(course, equals)}" if equals and not course.full_grid else ""


def _failures(course: Course) -> str:
    first = {trouble.setting: trouble.incident for trouble in reversed(course.troubles)}
    parts = [f"{name(course, i)} {SAID[found.kind]}: {found.example}" for i, found in sorted(first.items())]
    more = f" and {len(parts) - _MOST_NAMES} more" if len(parts) > _MOST_NAMES else ""
    return "; ".join(parts[:_MOST_NAMES]) + more


SAID = {
    "wrong answer": "answered wrong",
    "error": "raised errors",
    "counter": "miscounts",
    "crash": "did not survive",
}


def name(course: Course, setting: int) -> str:
    """A setting as a reader is told of it."""
    return course.grid.settings[setting].name + (" (the default)" if setting == DEFAULT else "")


def gain(course: Course, found: Estimate) -> str:
    """`8.0 % better (7.8 to 8.2)` or worse, with the interval where there is one."""
    metric = course.objective.metric
    unit = "points" if metric.scale is Scale.POINTS else "%"
    value, low, high = (metric.change(number) * 100 for number in (found.value, found.low, found.high))
    word, sign = ("better", -1) if value < 0 else ("worse", 1)
    ends = sorted((sign * low, sign * high))
    interval = f" ({ends[0] + 0.0:.1f} to {ends[1] + 0.0:.1f})" if math.isfinite(found.low) else ""
    return f"{abs(value):.1f} {unit} {word}{interval}"


def worth(course: Course) -> str:
    """The difference that is worth it."""
    unit = "points" if course.objective.metric.scale is Scale.POINTS else "%"
    return f"{course.objective.margin * 100:g} {unit}"


def _objective(course: Course) -> str:
    return course.objective.metric.title


def _names(course: Course, settings: list[int]) -> str:
    more = f" and {len(settings) - _MOST_NAMES} more" if len(settings) > _MOST_NAMES else ""
    return ", ".join(name(course, i) for i in settings[:_MOST_NAMES]) + more


def _budget(course: Course) -> str:
    return f"{course.budget_seconds:g} s"


def _too_short(course: Course) -> str:
    return f"{_budget(course)} did not hold one block of {len(course.race.left)} settings; {_more(course)}"


def _more(course: Course) -> str:
    return f"give it more, for instance --budget {math.ceil(course.budget_seconds * 2 / 10) * 10}s"
