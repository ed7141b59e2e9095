"""Run the check process and collect what it says; a cache that blocks, exits or kills it is a finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cache_impls.trust import runs_nothing_foreign
from harness.children import Event, child

Say = Callable[[str], None]

SILENCE_SECONDS = 60.0
"""The child says something after every bulk and every proof (ten seconds), and gives up what blocks after five."""
_MORE_SECONDS = 600.0
"""Beyond the exploration: for rules and proofs, and for each workload."""


@dataclass
class Events:
    """All that a check process said."""

    cache: Event = field(default_factory=dict)
    rules: list[Event] = field(default_factory=list)
    violations: list[Event] = field(default_factory=list)
    shape: Event = field(default_factory=dict)
    recorded: list[Event] = field(default_factory=list)
    """Workloads that were driven."""
    schedules: int = 0
    operations: int = 0
    problems: list[str] | None = None
    """What C13 found; None if exploration did not come to its end."""
    staleness: list[int] = field(default_factory=list)
    """Of a migration: writes by how long its sides were apart, by `agreement.EDGES_NS`."""
    crashed: Event = field(default_factory=dict)
    """Checkers that failed, and how."""
    internal: Event | None = None
    """A failure of ours."""
    knobs: Event | None = None
    """What C12 found."""
    native: bool = False
    slept: Event | None = None
    replayed: Event | None = None
    bad: str | None = None
    """Why the cache could not be built."""
    real: str | None = None
    """Why it cannot be simulated."""
    blocked: Event | None = None
    """The schedule in which it did not give control back; empty if even the process was silent."""
    doing: str = ""
    """What it last said that it was about to do, beside rules and schedules."""
    ended: bool = False
    """Whether the child came to the end of its work."""
    died: str | None = None
    """How the process ended, if not by itself."""
    bound: str | None = None
    """Which bound on its processes or its time it broke, in words."""


def run(job: dict[str, Any], hash_seed: int, say: Say) -> Events:
    """Run job in a process of its own, with its hash seed, until it ends or is silent for too long."""
    found = Events()
    seconds = 2 * job.get("seconds", 0.0) + _MORE_SECONDS * (1 + len(job.get("workloads", ())))
    job |= {"here": not runs_nothing_foreign(job["spec"])}
    with child("harness.check.child", job, hash_seed, seconds) as process:
        for event in process.events(SILENCE_SECONDS):
            try:
                _take(event, found, say)
            except (KeyError, TypeError, AttributeError):  # a cache wrote it, not our child
                process.end()
                found.died = "it wrote where the check process tells its events"
                return found
        code, bound = process.exit_code(), process.broken_bound()
        if bound is not None:
            found.bound, found.internal = bound, None  # what failed at the end failed because of it
        elif code is None:
            found.blocked = {}
        elif code == 0 and not found.ended:
            found.died = "exit code 0"
        elif code != 0:
            last = process.last_words()
            found.died = f"signal {-code}" if code < 0 else f"exit code {code}{': ' + last if last else ''}"
    return found


def _take(event: Event, found: Events, say: Say) -> None:
    kind = event.pop("event")
    if kind == "rule":
        found.rules.append(event)
        say(f"rule {event['id']}: {event['verdict']}")
    elif kind == "violation":
        found.violations.append(event)
    elif kind == "recorded":
        found.recorded.append(event)
        found.crashed |= event["crashed"]
        say(f"{event['name']}: {event['operations']} operations judged")
    elif kind == "progress":
        found.schedules, found.operations = event["schedules"], event["operations"]
        broken = f", broken: {' '.join(violation['check'] for violation in found.violations)}"
        say(f"{found.schedules} schedules, {found.operations} operations{broken if found.violations else ''}")
    elif kind == "clock":
        found.native = event["native"]
    elif kind == "end":
        found.ended = True
    elif kind == "explored":
        found.problems, found.crashed, found.staleness = event["problems"], event["crashed"], event["staleness"]
    elif kind == "alive":
        found.doing = event["doing"]
        say(f"{found.schedules} schedules, {found.operations} operations; {event['doing']}")
    elif kind in ("bad", "real"):
        setattr(found, kind, event["message"])
    else:
        setattr(found, kind, event)
