"""The nemesis: undo before do, seen to act and to end, and nothing left broken."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from harness.chaos.lease import Leases
from harness.chaos.nemesis import Evidence, Nemesis
from harness.chaos.undo import Undo
from harness.errors import HarnessError, UsageError


class FakeFault:
    """Says what is asked of it, in order."""

    name = "fake"
    target = "nothing"
    overlaps = False

    def __init__(self, *, fires: bool = True, ends: bool = True, fails: str = "") -> None:
        self.fires, self.ends, self.fails = fires, ends, fails
        self.asked: list[str] = []

    def undos(self) -> list[Undo]:
        """One that needs nothing: its process is gone."""
        self.asked.append("undos")
        return [Undo("kill", {"pid": 2**22 + 1, "start_ticks": 0})]

    def begin(self) -> None:
        """Break."""
        self.asked.append("begin")
        if self.fails == "begin":
            raise OSError("it cannot be done here")

    def fired(self) -> Evidence:
        """As told."""
        self.asked.append("fired")
        return Evidence(self.fires, "broken" if self.fires else "as before")

    def end(self) -> None:
        """Mend."""
        self.asked.append("end")
        if self.fails == "end":
            raise OSError("it cannot be undone")

    def ended(self) -> Evidence:
        """As told."""
        self.asked.append("ended")
        return Evidence(self.ends, "whole" if self.ends else "still broken")


@pytest.fixture
def nemesis(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nemesis]:
    """One that does not wait long for what does not come."""
    monkeypatch.setattr("harness.chaos.nemesis._FIRE_SECONDS", 0.0)
    monkeypatch.setattr("harness.chaos.nemesis._HEAL_SECONDS", 0.0)
    with Leases() as leases:
        yield Nemesis(leases)


def test_undo_comes_before_do(nemesis: Nemesis) -> None:
    """And its end is looked at."""
    fault = FakeFault()
    told = nemesis.inflict(fault, 0.0)
    assert fault.asked == ["undos", "begin", "fired", "end", "ended"]
    assert (told.fired, told.ended, told.evidence) == (True, True, "broken; whole")
    assert nemesis.told == [told]
    assert told.span.began_ns <= told.span.ended_ns


@pytest.mark.parametrize(
    ("fault", "fired", "ended"),
    [
        (FakeFault(fires=False), False, True),
        (FakeFault(ends=False), True, False),
        (FakeFault(fails="begin"), False, True),
        (FakeFault(fails="end"), True, False),
    ],
)
def test_what_did_not_happen_is_told(nemesis: Nemesis, fault: FakeFault, fired: bool, ended: bool) -> None:
    """Inert, not over, impossible, not to be undone: none counts as done, and each is undone as far as it goes."""
    told = nemesis.inflict(fault, 0.0)
    assert (told.fired, told.ended) == (fired, ended)
    assert "end" in fault.asked


def test_who_waits_in_a_fault_is_let_go(nemesis: Nemesis) -> None:
    """When the run is over nothing is held broken for its time."""
    nemesis.stop()
    told = nemesis.inflict(FakeFault(), 3_600.0)
    assert (told.ended, told.whole) == (True, False)


def test_an_interrupt_ends_the_fault(nemesis: Nemesis, monkeypatch: pytest.MonkeyPatch) -> None:
    """^C while it lasts: undone on the way out."""

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(nemesis.over, "wait", interrupt)
    fault = FakeFault()
    with pytest.raises(KeyboardInterrupt):
        nemesis.inflict(fault, 60.0)
    assert fault.asked[-2:] == ["end", "ended"]


def test_healing_ends_what_lasts_and_others_may_come(nemesis: Nemesis) -> None:
    """What lasts in another thread is ended, as it was asked to be; what comes after it lasts its time."""
    with ThreadPoolExecutor(1) as pool:
        lasting = pool.submit(nemesis.inflict, FakeFault(), 3_600.0)
        while not nemesis._lasting:
            pass
        assert nemesis.heal() == []
        assert lasting.result().whole
    assert nemesis.inflict(FakeFault(), 0.01).whole


def test_a_keeper_that_died_ends_the_run() -> None:
    """Nothing is broken that nobody would make whole; what was is undone all the same."""
    with Leases() as leases:
        leases._keeper.kill()
        leases._keeper.wait()
        fault = FakeFault()
        with pytest.raises(HarnessError, match="keeper died"):
            Nemesis(leases).inflict(fault, 0.0)
        assert fault.asked == ["undos"]


def test_two_of_a_kind_at_one_place_are_refused(nemesis: Nemesis) -> None:
    """Who ends the one would end the other; what overlaps by its nature may."""
    with ThreadPoolExecutor(1) as pool:
        lasting = pool.submit(nemesis.inflict, FakeFault(), 3_600.0)
        while not nemesis._lasting:
            pass
        with pytest.raises(UsageError, match="lasts at nothing already"):
            nemesis.inflict(FakeFault(), 0.0)
        other = FakeFault()
        other.overlaps = True
        assert nemesis.inflict(other, 0.0).fired
        nemesis.stop()
        assert lasting.result().ended


@pytest.mark.parametrize("where", ["begin", "fired", "end", "ended"])
def test_whatever_a_fault_raises_it_is_told_and_ended(
    nemesis: Nemesis, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A process that is gone, a server that does not start: nothing is left lasting."""

    def gone(_fault: FakeFault) -> None:
        raise psutil.NoSuchProcess(1)

    monkeypatch.setattr(FakeFault, where, gone)
    told = nemesis.inflict(FakeFault(), 0.0)
    assert not (told.fired and told.ended)
    assert nemesis._lasting == 0
    assert nemesis.heal() == []
