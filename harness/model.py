"""The vocabulary: the words that every part uses, each defined once.

An *arm* is one cache in one configuration, as BASELINE or CANDIDATE. A *trial* is one run of an arm in a
process of its own; a *pair* is a trial of each arm, back to back. A *metric* is one number of a trial.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from cache_impls.registry import Spec


class Role(enum.StrEnum):
    """Which of the two arms."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"


class Verdict(enum.StrEnum):
    """What a run says. `worst` orders them: a definite failure outranks not knowing."""

    PROCEED = "proceed"
    INCONCLUSIVE = "inconclusive"
    ROLLBACK = "rollback"

    @staticmethod
    def worst(verdicts: list[Verdict]) -> Verdict:
        """The highest of verdicts. None at all is INCONCLUSIVE: nothing seen is not a pass."""
        order = list(Verdict)
        return max(verdicts, key=order.index, default=Verdict.INCONCLUSIVE)


class CheckVerdict(enum.StrEnum):
    """What a check says, the worst last. SKIPPED says why; it is neither a pass nor a failure."""

    SKIPPED = "skipped"
    PASS = "pass"  # noqa: S105  # no password: a verdict
    UNKNOWN = "unknown"
    FAIL = "fail"


class Severity(enum.StrEnum):
    """How urgent a ROLLBACK is."""

    P2 = "P2"
    P1 = "P1"
    P0 = "P0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One cache in one configuration."""

    role: Role
    spec: Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A warning that travels with a result: what, and what to do about it."""

    message: str
    remedy: str


_INCIDENTS = {
    "forged": (
        "{count} of its entries on the server were not what it had written there, and counted as misses",
        "find out who else writes to that server, or use one that nobody else reaches",
    )
}


def incident_notice(spec: str, name: str, count: int) -> Notice:
    """A cache's own count of what went wrong (its attribute `incidents`), in words."""
    message, remedy = _INCIDENTS.get(name, (f"it counted {{count}} of {name!r}", "ask who wrote it what that means"))
    return Notice(message=f"{spec}: {message.format(count=count)}", remedy=remedy)
