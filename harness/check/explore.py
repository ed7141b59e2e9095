"""Explore a cache: draw schedules, play them, judge them in bulk, and shrink the first that breaks each law.

Runs in the check child, which has put the clocks under virtual time before the cache was imported.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from cache_impls.dialects import CAPACITY_NAMES
from cache_impls.protocol import Capability
from cache_impls.registry import Adapted, Spec
from harness.check.checkers import CHECKERS, Finding, agreement, expiry, stages
from harness.check.checkers.validity import Tally
from harness.check.clocks import inside
from harness.check.watchdog import BlockedError, limited
from harness.clock import WorkloadClock
from harness.history import NO_KEY, NO_TTL, History, Op
from harness.simulate.play import Played, Player
from harness.simulate.policies import POLICIES
from harness.simulate.real import RealClock, RealPlayer
from harness.simulate.schedule import OPERATIONS, Profile, Schedule, Shape, draw
from harness.simulate.shrink import shrink
from harness.simulate.tape import Tape, said

BULK = 250
"""Schedules that are judged together."""
_TTL_SHARE = 0.7
_LONG_EVERY = 200
_LONG = 400
"""Operations of one schedule in `_LONG_EVERY`: some faults show only at the hundredth call."""


class BlockedScheduleError(Exception):
    """A schedule in which the cache does not give control back."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__("it blocks the event loop: an operation never returned")
        self.schedule = schedule


class Violation(NamedTuple):
    """A law that was broken, and the smallest schedule found that breaks it."""

    check: str
    message: str
    schedule: Schedule
    history: History
    rows: tuple[int, ...]
    """Of history, in the order in which the message tells them."""
    raised: list[str]
    oddities: list[str]
    after: int
    """Schedules played before it was seen."""
    original_operations: int
    again: bool
    """Whether it can be played again: not on a real loop, nor if the cache is not the same twice."""


class Builds:
    """Fresh caches of one spec, by room."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._makers: dict[int | None, Callable[[], Adapted]] = {}

    def __call__(self, room: int | None) -> Adapted:
        """A fresh cache with so much room, whatever bound the spec names, or with the bound that it has."""
        maker = self._makers.get(room)
        if maker is None:
            spec = self._spec
            if room is not None:
                others = {name: value for name, value in spec.parameters.items() if name not in CAPACITY_NAMES}
                spec = replace(spec, parameters=others)
            maker = self._makers[room] = spec.builder(capacity=room)
        return maker()

    def with_default_room(self, room: int) -> Adapted:
        """A fresh cache with so much room unless the spec names a bound."""
        return self._spec.build(capacity=room)

    def defaults(self) -> dict[str, Any]:
        """The factory's parameters, with the spec's values or their defaults."""
        return self._spec.defaults()

    def with_parameters(self, **parameters: Any) -> Adapted:
        """A fresh cache with other parameters. Raises SpecError if the factory does not take them."""
        return self.changed(parameters, None)

    def changed(self, parameters: dict[str, Any], room: int | None) -> Adapted:
        """As `with_parameters`, with room for so many entries unless the parameters say otherwise."""
        return replace(self._spec, parameters=self._spec.parameters | parameters).build(capacity=room)


class How(NamedTuple):
    """How to explore. Other than the defaults only to measure what each is worth (`tests/zoo/policies.py`)."""

    policies: tuple[str, ...] = POLICIES
    few_keys: bool = True
    swarm: bool = True
    shrink: bool = True


class Explorer:
    """Explores one spec. profiles are those asked for, or none for all that fit the cache.

    alive is called now and then while a real loop turns.
    """

    def __init__(
        self,
        build: Callable[[int | None], Adapted],
        clock: WorkloadClock,
        *,
        seed: int = 0,
        profiles: tuple[Profile, ...] = (),
        default_ttl_ns: int = NO_TTL,
        how: How = How(),  # noqa: B008  # a tuple, which nobody can change
        has_ttl: bool = True,
        only: Collection[str] = (),
        sample: Adapted | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._real = isinstance(clock, RealClock)
        sample = inside(clock, build) if sample is None else sample
        native: Any = sample.native
        self.stages: tuple[str, ...] = tuple(getattr(native, "stages", ()))
        self.shape = _shape(sample, profiles, len(self.stages), has_ttl=has_ttl and not self._real, real=self._real)
        self.shape = self.shape._replace(few_keys=how.few_keys, swarm=how.swarm)
        self.promises = sample.promises
        self.tally = Tally()
        self.skipped = {
            checker.ID: reason for checker in CHECKERS if (reason := _why_not(checker, sample, native)) is not None
        }
        if not self.shape.ttl_share:
            self.skipped.setdefault(expiry.ID, "no ttl was exercised")
        self._checkers = [
            checker for checker in CHECKERS if checker.ID not in self.skipped and (not only or checker.ID in only)
        ]
        self.default_ttl_ns = default_ttl_ns
        self._tape = Tape(clock, default_ttl_ns)
        self._player: Player | RealPlayer
        if self._real:
            self._player = RealPlayer(build, self._tape, self.stages, alive)
        else:
            self._player = Player(build, self._tape, self.stages)
        self._how = how
        self._seed = seed
        self.staleness = np.zeros(len(agreement.EDGES_NS) + 1, dtype=np.int64)
        """Of a migration: writes by how long its sides were apart after them."""
        self.broken: set[str] = set()
        """Laws that were seen broken."""
        self.crashed: dict[str, str] = {}
        """Laws whose checker failed, and how: nothing is known of them."""

    def bulk(self, schedules: int = BULK) -> list[Violation]:
        """Play and judge some more schedules; the laws newly broken, each with its smallest schedule.

        Raises BlockedScheduleError.
        """
        return list(self.violations(schedules))

    def violations(self, schedules: int = BULK) -> Iterator[Violation]:
        """As `bulk`, each as soon as it is shrunk, which takes seconds."""
        first = self.tally.schedules
        played = [self._play(self.schedule(first + i)) for i in range(schedules)]
        history = self._tape.take()
        self.tally.add(history, schedules)
        if self.stages:
            self.staleness += agreement.staleness(history)
        for checker, findings in self.judge(history):
            shortest = min(findings, key=lambda finding: (played[finding.schedule].schedule.operations, finding))
            after = first + min(finding.schedule for finding in findings) + 1
            proved = played[shortest.schedule]
            proves = self._how.shrink and not self._real
            found = self.prove(checker, proved.schedule, after) if proves else None
            yield found or _as_it_was(shortest, proved, history, after)

    def judge(self, history: History) -> Iterator[tuple[ModuleType, list[Finding]]]:
        """The laws that history breaks and none before it did, each with all that was found."""
        for checker in self._checkers:
            if checker.ID in self.broken or checker.ID in self.crashed:
                continue
            try:
                findings = checker.find(history, self.promises)
            except Exception as error:  # told as UNKNOWN: a crashed checker has judged nothing
                self.crashed[checker.ID] = said(error)
                continue
            if findings:
                self.broken.add(checker.ID)
                yield checker, findings

    def lacks(self, schedule: Schedule) -> list[str]:
        """The operations of a schedule, of another cache perhaps, that this one does not have."""
        asked = {Op(step.act) for steps in (schedule.first, *schedule.clients) for step in steps}
        has = {*map(Op, self.shape.acts), Op.STALL, Op.WALL}
        lacking = sorted(op.name.lower() for op in asked - has)
        moves = [step.amount for steps in (schedule.first, *schedule.clients) for step in steps if step.act == Op.MOVE]
        if not lacking and any(not 0 <= amount < self.shape.stages for amount in moves):
            lacking.append(f"stage {max(moves, key=abs)}")
        return lacking

    def schedule(self, number: int) -> Schedule:
        """The schedule of a number, the same in every run of this seed."""
        operations = _LONG if number % _LONG_EVERY == _LONG_EVERY - 1 else OPERATIONS
        return draw((self._seed << 40) + number, self.shape, self._how.policies, operations)

    def prove(self, checker: ModuleType, schedule: Schedule, after: int) -> Violation | None:
        """The smallest schedule that still breaks checker's law; None if the cache is not the same twice."""

        def fails(candidate: Schedule) -> Schedule | None:
            again, findings, _ = self.replay(checker, candidate)
            return again.schedule if findings else None

        smallest = shrink(schedule, fails)
        again, findings, history = self.replay(checker, smallest)
        if not findings:
            return None
        return Violation(
            check=checker.ID,
            message=findings[0].message,
            schedule=again.schedule,
            history=history,
            rows=findings[0].rows,
            raised=again.raised,
            oddities=again.oddities,
            after=after,
            original_operations=schedule.operations,
            again=True,
        )

    def replay(self, checker: ModuleType, schedule: Schedule) -> tuple[Played, list[Finding], History]:
        """One schedule, played and judged alone."""
        again = self._play(schedule)
        history = self._tape.take()
        return again, checker.find(history, self.promises), history

    def _play(self, schedule: Schedule) -> Played:
        try:
            with limited():
                return self._player.play(schedule)
        except BlockedError as error:
            raise BlockedScheduleError(schedule) from error


def _as_it_was(finding: Finding, played: Played, history: History, after: int) -> Violation:
    """A finding that cannot be played again: its history, cut down to the keys that it is about."""
    about = set(history.key[list(finding.rows)].tolist()) | {NO_KEY}
    chosen = (history.schedule == finding.schedule) & np.isin(history.key, list(about))
    rows = np.flatnonzero(chosen)
    return Violation(
        check=finding.check,
        message=finding.message,
        schedule=played.schedule,
        history=History(history.rows[rows], default_ttl_ns=history.default_ttl_ns),
        rows=tuple(int(np.searchsorted(rows, row)) for row in finding.rows),
        raised=played.raised,
        oddities=played.oddities,
        after=after,
        original_operations=played.schedule.operations,
        again=False,
    )


def _why_not(checker: ModuleType, sample: Adapted, native: Any) -> str | None:
    """Why checker says nothing of this cache, or None."""
    missing = checker.NEEDS & ~sample.capabilities
    if missing:
        return f"the cache has no {', '.join(str(flag.name).lower() for flag in missing)}"
    if checker in (agreement, stages) and not hasattr(native, "peek"):
        return "it has no sides"
    reason: str | None = checker.skip(sample.promises)
    return reason


def _shape(sample: Adapted, profiles: tuple[Profile, ...], stages: int, *, has_ttl: bool, real: bool) -> Shape:
    can = sample.capabilities
    acts = [Op.GET, Op.SET]
    acts += [op for op, needs in _NEEDS.items() if needs in can]
    fitting = [Profile.CALM, Profile.CANCEL, Profile.STALL, Profile.CLOCK]
    if Capability.CAPACITY in can:
        fitting.append(Profile.ROOM)
    if sample.interpose is not None:
        fitting.append(Profile.ERRORS)
    if stages:
        acts.append(Op.MOVE)
    with_ttl = Capability.TTL in can and has_ttl
    inexact = sample.promises.ttl_jitter or sample.promises.stale_seconds
    if real:
        fitting = [profile for profile in fitting if profile not in (Profile.STALL, Profile.CLOCK)]
    return Shape(
        acts=tuple(map(int, acts)),
        # Where the default ttl is not known for sure (sides have their own, jitter) each set names its ttl.
        ttl_share=(1.0 if stages or inexact else _TTL_SHARE) if with_ttl else 0.0,
        profiles=tuple(profile for profile in fitting if not profiles or profile in profiles),
        stages=stages,
    )


_NEEDS = {
    Op.DELETE: Capability.DELETE,
    Op.CLEAR: Capability.CLEAR,
    Op.SIZE: Capability.SIZE,
    Op.GET_OR_LOAD: Capability.LOAD,
}
