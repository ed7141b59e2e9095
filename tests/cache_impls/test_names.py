"""Names in a tier that may be late: one whose fate is unknown is never used again."""

from __future__ import annotations

import pytest

from cache_impls.names import Names, Outcome

DONE, UNKNOWN, NEVER = Outcome.DONE, Outcome.UNKNOWN, Outcome.NEVER_SENT


@pytest.mark.parametrize(
    ("outcomes", "names"),
    [
        ([DONE, DONE], 1),
        ([UNKNOWN], 2),
        ([UNKNOWN, UNKNOWN], 3),
        ([DONE, UNKNOWN, DONE], 2),
        ([NEVER], 2),  # what was there before is out of date
        ([NEVER, NEVER, NEVER], 2),
        ([UNKNOWN, NEVER], 2),  # nothing was ever sent under the second
        ([UNKNOWN, DONE, NEVER], 3),
        ([NEVER, UNKNOWN], 3),
    ],
)
def test_a_write_that_is_not_known_to_be_good_changes_the_name(outcomes: list[Outcome], names: int) -> None:
    """Unless nothing was ever sent under it, and nothing was now."""
    here = Names(100, shared=False)
    used = {here.of("k")}
    for outcome in outcomes:
        name = here.of("k")
        here.settle("k", name, outcome)
        if outcome is UNKNOWN:
            assert here.of("k") != name
        used.add(here.of("k"))
    assert (len(used), here.renamed) == (names, names - 1)


def test_an_epoch_changes_all_names_for_good() -> None:
    """None of any epoch before comes back."""
    names, used = Names(100, shared=False), set()
    for _ in range(3):
        names.settle("b", names.of("b"), UNKNOWN)
        used |= {names.of(key) for key in "abc"}
        names.renew()
    assert len(used) == 9


def test_what_a_write_of_an_earlier_epoch_says_is_not_heard() -> None:
    """Its name is left already."""
    names = Names(100, shared=False)
    name = names.of("k")
    names.renew()
    now = names.of("k")
    names.settle("k", name, UNKNOWN)
    assert (names.of("k"), names.renamed) == (now, 0)


def test_a_full_map_begins_an_epoch() -> None:
    """Forgetting one generation would bring its first name back, so all are left."""
    names = Names(2, shared=False)
    used = {names.of(key) for key in "abcd"}
    for key in "ab":
        names.settle(key, names.of(key), UNKNOWN)
    assert names.epoch == 0
    names.settle("a", names.of("a"), UNKNOWN)
    assert names.epoch == 0
    names.settle("c", names.of("c"), UNKNOWN)
    assert names.epoch == 1
    assert not used & {names.of(key) for key in "abcd"}


def test_names_in_a_shared_tier_are_nobody_elses() -> None:
    """Two processes draw two prefixes, and the child of a fork another."""
    one, other = (Names(100, shared=True) for _ in range(2))
    used = {one.of("k"), other.of("k")}
    one.move()
    used.add(one.of("k"))
    assert len(used) == 3
