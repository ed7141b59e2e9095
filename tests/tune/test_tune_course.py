"""The course of a race on blocks made up: found, equal, failed, undecided; what is said of each."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness.gate.policy import HIT_RATIO, MEMORY, TUNED, Gated
from harness.measure.blocks import Block, Trouble
from harness.measure.pairs import Incident, IncidentKind
from harness.model import Role, Verdict
from harness.stats.location import Estimate
from harness.stats.racing import DEFAULT
from harness.tune import tables
from harness.tune.conclusions import conclude
from harness.tune.course import Course
from harness.tune.grid import grid

ROWS = {row.metric.name: row for row in TUNED}


class Fake:
    """Blocks out of thin air. slower: of each setting; a block moves the clock a tenth of a second a member."""

    def __init__(self, slower: Sequence[float], *, spread: float = 0.006, seed: int = 1) -> None:
        self.clock = 0.0
        self.asked: list[tuple[int, ...]] = []
        self.troubles: dict[int, IncidentKind] = {}
        self.fails_after = 0
        self.memory = [500.0] * len(slower)
        self.hits = [0.9] * len(slower)
        self._slower = slower
        self._spread = spread
        self._rng = random.Random(seed)

    def pilot(self, rng: random.Random, members: Sequence[int]) -> Block:
        return self.block(rng, members)

    def block(self, rng: random.Random, members: Sequence[int]) -> Block:
        self.clock += 0.1 * len(members)
        self.asked.append(tuple(members))
        found = [i for i in members if i in self.troubles and len(self.asked) > self.fails_after]
        if found:
            bad = Incident(role=Role.CANDIDATE, kind=self.troubles[found[0]], count=2, operations=9, example="it did")
            return Block(members=tuple(members), troubles=(Trouble(setting=found[0], incident=bad),))
        logs = [self._slower[i] + self._rng.gauss(0, self._spread) for i in members]
        values = {
            "operation_time": tuple(1000 * math.exp(log) for log in logs),
            "cpu_time": tuple(1500 * math.exp(self._rng.gauss(0, 0.01)) for _ in members),
            "tail": tuple(3000 * math.exp(self._rng.gauss(0, 0.05)) for _ in members),
            "hit_ratio": tuple(self.hits[i] for i in members),
        }
        return Block(members=tuple(members), values=values, logs=tuple(logs))

    def weigh(self, members: Sequence[int]) -> Block:
        self.clock += 0.1 * len(members)
        return Block(members=tuple(members), values={"memory": tuple(self.memory[i] for i in members)})


Play = Callable[..., Course]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Play a course of `num_shards=4,8,16` on fake blocks; the default, 16, is setting 0."""

    def call(fake: Fake, *objectives: str, varied: Sequence[str] = ("num_shards=4,8,16",), **options: Any) -> Course:
        monkeypatch.setattr(time, "monotonic", lambda: fake.clock)
        rows: list[Gated] = [ROWS[name] for name in objectives or ["operation_time"]]
        fields: dict[str, Any] = {
            "seed": 1,
            "budget_seconds": 120.0,
            "precision": 0.005,
            "full_grid": False,
            "say": lambda _line: None,
            "began": 0.0,
        }
        course = Course(grid("improved", varied), fake, rows, **(fields | options))
        course.play()
        return course

    return call


def test_a_better_setting_is_recommended(play: Play) -> None:
    """With its gain, from blocks that did not choose it."""
    fake = Fake([0.0, -0.08, 0.03])
    course = play(fake)
    found = conclude(course)
    assert (found.verdict, found.exit_code, found.recommended) == (Verdict.PROCEED, 0, 1)
    assert found.reason.startswith("num_shards=4 is 7.")
    assert "better (7." in found.reason
    assert "than the default in operation time" in found.reason
    assert fake.asked[-1] == (DEFAULT, 1)
    assert course.confirming.blocks(course.objective.metric, 1) >= 8
    confirmed = course.confirmed()
    assert confirmed is not None
    assert confirmed.low <= -0.08 <= confirmed.high


def test_nothing_better_recommends_the_default(play: Play) -> None:
    """And says so; a gain that is not worth it is none."""
    for slower in ([0.0, 0.0, 0.0], [0.0, 0.04, 0.02], [0.0, -0.004, 0.0]):
        course = play(Fake(slower))
        found = conclude(course)
        assert (found.verdict, found.recommended) == (Verdict.PROCEED, DEFAULT)
        assert found.reason.startswith("num_shards=16 (the default): ")


def test_all_settings_run_until_their_effects_are_told(play: Play) -> None:
    """Clear losers too; then they are gone."""
    fake = Fake([0.0, -0.08, 0.5])
    course = play(fake, budget_seconds=30.0)
    whole = [members for members in fake.asked if len(members) == 3]
    assert len(whole) == 1 + course.complete_blocks
    assert all(2 not in members for members in fake.asked[len(whole) :])
    told = tables.parameters(course, [course.objective])[0]
    assert told.name == "num_shards"
    assert told.effects[0].answer == "effect"
    assert (told.effects[0].best, told.effects[0].worst) == (4, 8)
    assert "8 is " in told.effects[0].summary
    assert " % slower than 4 (" in told.effects[0].summary


def test_a_parameter_that_does_nothing_is_said_to(play: Play) -> None:
    """Plainly, with how far its values may be apart at most; beside one that does something."""
    varied = ("num_shards=4,16,64", "cleanup_interval=15,60")
    slower = [0.08 * (setting.values["num_shards"] != 16) for setting in grid("improved", varied).settings]
    course = play(Fake(slower, spread=0.004), varied=varied)
    told = {parameter.name: parameter.effects[0] for parameter in tables.parameters(course, [course.objective])}
    assert told["cleanup_interval"].answer == "none"
    assert told["cleanup_interval"].summary.startswith("no measurable effect between 15 and 60 (at most 0.")
    assert (told["num_shards"].answer, told["num_shards"].best) == ("effect", 16)


def test_values_that_cancel_out_are_no_no_effect(play: Play) -> None:
    """Better with few shards and worse with many: its means are equal, and it is told where it matters."""
    varied = ("num_shards=4,64", "cleanup_interval=15,60")
    slower = [
        0.06 * ((setting.values["num_shards"] == 4) == (setting.values["cleanup_interval"] == 60))
        for setting in grid("improved", varied).settings
    ]
    course = play(Fake(slower, spread=0.004), varied=varied)
    told = {parameter.name: parameter.effects[0] for parameter in tables.parameters(course, [course.objective])}
    assert told["cleanup_interval"].answer == "effect"
    assert " at num_shards=" in told["cleanup_interval"].summary


@pytest.mark.parametrize("kind", ["wrong answer", "error", "counter", "crash"])
def test_a_setting_that_fails_is_dropped_and_told(play: Play, kind: IncidentKind) -> None:
    """At once, with its reason; the others race on, and one is recommended."""
    fake = Fake([0.0, -0.08, 0.0])
    fake.troubles = {2: kind}
    course = play(fake)
    found = conclude(course)
    assert (found.verdict, found.exit_code, found.recommended) == (Verdict.ROLLBACK, 1, 1)
    assert found.reason.startswith("num_shards=8 ")
    assert "it did; of the others: num_shards=4 is " in found.reason
    row = next(row for row in tables.settings(course, found.recommended, decided=True) if row.name == "num_shards=8")
    assert (row.fate, row.blocks, row.front) == ("out", 0, False)


def test_one_that_fails_late_is_out_as_well(play: Play) -> None:
    """In the middle of the blocks of all settings, which go on without it and stay comparable."""
    fake = Fake([0.0, -0.08, 0.0])
    fake.troubles, fake.fails_after = {2: "wrong answer"}, 6
    course = play(fake)
    assert course.race.drops[0].setting == 2
    assert conclude(course).recommended == 1
    assert tables.parameters(course, [course.objective])[0].effects[0].answer == "open"


@pytest.mark.parametrize(("second", "recommended"), [(-0.08, 2), (0.05, DEFAULT)])
def test_a_winner_that_fails_at_last_is_not_recommended(play: Play, second: float, recommended: int) -> None:
    """While it is confirmed: the next best takes its place, and where none is left the default stays."""
    slower = [0.0, -0.0801, second]
    whole = play(Fake(slower, spread=0.002))
    winner = whole.best
    assert winner is not None
    fake = Fake(slower, spread=0.002)
    fake.troubles, fake.fails_after = {winner: "crash"}, 2 + whole.race.blocks
    found = conclude(play(fake))
    assert found.exit_code == 1
    assert found.recommended == (recommended if winner == 1 else 1)
    assert "did not survive: it did; of the others: " in found.reason


def test_hanging_settings_do_not_outlast_the_budget(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that hangs costs a trial's limit; trying them all ends with the budget."""
    fake = Fake([0.0] * 10)
    fake.troubles = dict.fromkeys(range(10), "crash")
    plain = fake.block

    def slow(rng: random.Random, members: Sequence[int]) -> Block:
        fake.clock += 30.0
        return plain(rng, members)

    monkeypatch.setattr(fake, "block", slow)
    found = conclude(play(fake, varied=("num_shards=2,3,4,5,6,7,8,9,10",)))
    assert len(fake.asked) <= 4
    assert found.exit_code == 1
    assert found.recommended not in (None, DEFAULT)


def test_a_default_that_fails_is_no_measure(play: Play) -> None:
    """The best of the others is recommended; there is nothing to hold it against."""
    fake = Fake([0.0, -0.08, 0.0])
    fake.troubles = {DEFAULT: "wrong answer"}
    found = conclude(play(fake))
    assert (found.exit_code, found.recommended) == (1, 1)
    assert "the default is none to compare with" in found.reason


@pytest.mark.parametrize(("kind", "code"), [("wrong answer", 1), ("crash", 5)])
def test_when_all_fail_there_is_nothing(play: Play, kind: IncidentKind, code: int) -> None:
    """Lies are a failure; crashes leave nothing measured."""
    fake = Fake([0.0, 0.0, 0.0])
    fake.troubles = dict.fromkeys(range(3), kind)
    found = conclude(play(fake))
    assert (found.exit_code, found.recommended) == (code, None)
    assert "no setting is left" in found.reason


def test_a_spent_budget_says_what_could_not_be_told_apart(play: Play) -> None:
    """INCONCLUSIVE, with the best so far."""
    course = play(Fake([0.0, -0.02, -0.02], spread=0.03), budget_seconds=12.0)
    found = conclude(course)
    assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, 2)
    assert found.reason.startswith("12 s did not decide it: num_shards=")
    assert "could not be told apart from num_shards=" in found.reason
    assert "--budget 30s" in found.reason


def test_no_block_at_all_is_undecided(play: Play) -> None:
    """A budget spent on trying the settings recommends nothing new."""
    found = conclude(play(Fake([0.0, -0.5, 0.0]), budget_seconds=0.1))
    assert (found.verdict, found.recommended) == (Verdict.INCONCLUSIVE, DEFAULT)
    assert "did not hold one block of 3 settings" in found.reason


def test_the_full_grid_drops_nothing_and_takes_longer(play: Play) -> None:
    """To the same half-width, with an interval that holds for all settings at once."""
    slower, varied = [0.0] * 14 + [-0.08], (f"num_shards={','.join(str(i) for i in range(2, 17))}",)
    grid_fake, race_fake = Fake(slower), Fake(slower)
    whole = play(grid_fake, varied=varied, full_grid=True, precision=0.002, budget_seconds=2000.0)
    race = play(race_fake, varied=varied, precision=0.002, budget_seconds=2000.0)
    assert conclude(whole).recommended == conclude(race).recommended == 14
    assert whole.race.drops == []
    assert whole.precise
    assert race.precise
    assert grid_fake.clock > 2 * race_fake.clock


@pytest.mark.parametrize(("name", "metric"), [("memory", MEMORY), ("hit_ratio", HIT_RATIO)])
def test_other_objectives_decide_as_well(play: Play, name: str, metric: Any) -> None:
    """What is weighed or counted, in the same race."""
    fake = Fake([0.0, 0.0, 0.0])
    fake.memory, fake.hits = [500.0, 500.0, 400.0], [0.9, 0.9, 0.95]
    course = play(fake, name)
    found = conclude(course)
    assert (found.verdict, found.recommended) == (Verdict.PROCEED, 2)
    assert metric.title in found.reason
    assert ("5.0 points better" if metric is HIT_RATIO else "20.0 % better") in found.reason


def test_the_price_of_a_gain_is_told(play: Play) -> None:
    """Faster and a fifth bigger: recommended by time, and the line says what it costs."""
    fake = Fake([0.0, -0.08, 0.0])
    fake.memory = [500.0, 600.0, 500.0]
    found = conclude(play(fake, "operation_time", "memory"))
    assert found.recommended == 1
    assert "in operation time, and worse by 20.0 % in memory an entry" in found.reason


def test_the_table_has_every_setting_and_the_best_first(play: Play) -> None:
    """With each metric against the default, and what became of it."""
    fake = Fake([0.0, -0.08, 0.03])
    fake.memory = [500.0, 550.0, 400.0]
    course = play(fake)
    rows = tables.settings(course, 1, decided=True)
    assert [row.name for row in rows] == ["num_shards=4", "num_shards=16", "num_shards=8"]
    assert rows[0].recommended
    assert rows[1].default
    assert {row.fate for row in rows} <= {"in", "beaten", "no gain"}
    assert {value.name for value in rows[2].values} == set(ROWS)
    # Slower but smaller than any: on the front, as the fastest is.
    assert rows[0].front
    assert rows[2].front


def at(value: float, half_width: float = 0.001) -> Estimate:
    return Estimate(value=value, low=value - half_width, high=value + half_width, confidence=0.99)


def test_the_front_is_beyond_the_margin() -> None:
    """A setting is off it when another is better by what counts and as good elsewhere, not by a hair or by noise."""
    rows = [ROWS["operation_time"], ROWS["memory"]]

    def front(*settings: tuple[float, float]) -> set[int]:
        changes = {i: {"operation_time": at(t), "memory": at(m)} for i, (t, m) in enumerate(settings)}
        return tables.pareto(changes, rows)

    assert front((0.0, 0.0), (-0.05, 0.0)) == {1}
    assert front((0.0, 0.0), (-0.005, 0.0)) == {0, 1}
    assert front((0.0, 0.0), (-0.05, 0.1)) == {0, 1}
    assert front((0.0, 0.0), (-0.05, 0.005)) == {1}
    noisy = {0: {"operation_time": at(0.0, 0.1)}, 1: {"operation_time": at(-0.05, 0.1)}}
    assert tables.pareto(noisy, rows[:1]) == {0, 1}


def test_progress_says_where_it_is(play: Play) -> None:
    """Block, who is left, who leads, the time left."""
    lines: list[str] = []
    play(Fake([0.0, -0.08, 0.0]), say=lines.append)
    assert lines[0] == "trying 3 settings"
    assert "block 1 of " in lines[1]
    assert "3 of 3 left" in lines[1]
    assert "num_shards=4 leads" in lines[-1]
    assert lines[-1].startswith("confirming block ")
    assert lines[-1].endswith(" s left")
