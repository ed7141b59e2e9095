"""C12: a parameter that matters only while a part of a composite fails is told from one that does nothing."""

from __future__ import annotations

from pathlib import Path

from conftest import VirtualTime

from cache_impls.registry import parse
from harness.check.checkers.parameters import without_effect
from harness.check.explore import Builds
from harness.check.knobs import turn_knobs

DEAF = """\
from cache_impls.hierarchy import HierarchyCache


class Deaf(HierarchyCache):
    def __init__(self, max_entries=100_000, l2_timeout=0.25):
        super().__init__(max_entries=max_entries)
"""


def test_what_matters_only_in_trouble_has_an_effect(virtual_time: VirtualTime) -> None:
    """Timeout, places and breaker of a second tier that usually answers at once."""
    turned = turn_knobs(Builds(parse("hierarchy")), virtual_time.clock)
    assert turned.steady
    assert turned.numeric == 6
    assert without_effect(turned.tried) == {}


def test_what_is_not_wired_has_none(virtual_time: VirtualTime, tmp_path: Path) -> None:
    """Trouble alone changes nothing from one run to the next."""
    (tmp_path / "deaf.py").write_text(DEAF)
    turned = turn_knobs(Builds(parse(f"{tmp_path}/deaf.py:Deaf")), virtual_time.clock)
    assert turned.steady
    assert set(without_effect(turned.tried)) == {"l2_timeout"}
