"""The grid: every combination and the default, once each; a bad one is one clear line."""

from __future__ import annotations

import json

import pytest
from conftest import ZOO

from harness.errors import UsageError
from harness.measure.blocks import MAX_SETTINGS
from harness.tune.grid import grid

SHARDS, SWEEP = "num_shards=4,16,64", "cleanup_interval=15,60"


def test_every_combination_once_and_the_default_first() -> None:
    """The combination that has the factory's own values is the default."""
    found = grid("improved", [SHARDS, SWEEP])
    assert len(found.settings) == 6
    assert found.settings[0].spec.text == "improved"
    assert found.settings[0].values == {"num_shards": 16, "cleanup_interval": 60}
    assert len({json.dumps(setting.values) for setting in found.settings}) == 6
    assert "improved?num_shards=4&cleanup_interval=15" in [setting.spec.text for setting in found.settings]


def test_a_default_outside_the_values_takes_part() -> None:
    """And belongs to no value of the grid."""
    found = grid("improved", ["num_shards=4,8"])
    assert [setting.values["num_shards"] for setting in found.settings] == [16, 4, 8]
    assert not found.settings[0].in_grid
    assert found.strata("num_shards", range(3)) == ((1,), (2,))


def test_a_spec_keeps_its_own_parameters() -> None:
    """Those not varied are in every setting; a varied one is the default's."""
    found = grid("improved?default_ttl=60&num_shards=8", ["num_shards=4,8"])
    assert [setting.spec.text for setting in found.settings] == [
        "improved?default_ttl=60&num_shards=8",
        "improved?default_ttl=60&num_shards=4",
    ]
    assert all(setting.spec.parameters["default_ttl"] == 60 for setting in found.settings)


def test_the_default_entry_bound_is_the_workloads() -> None:
    """A factory that takes a bound gets the capacity, so that is what its default is."""
    found = grid("improved", ["max_entries=1000,2000"], capacity=2000)
    assert [setting.values["max_entries"] for setting in found.settings] == [2000, 1000]
    assert len(grid("improved", ["max_entries=1000,2000"]).settings) == 3


def test_values_are_read_as_in_a_spec() -> None:
    """Numbers, true, null and text."""
    found = grid(f"{ZOO}/planted.py:two", ["idle=1,2.5,true,null,a b"])
    values = [setting.values["idle"] for setting in found.settings]
    assert values == [1, 2.5, True, None, "a b"]
    assert found.settings[-1].spec.text.endswith("?idle=a%20b")
    assert found.settings[2].name == "idle=true"


def test_strata_are_matched() -> None:
    """For each value the settings that have it, the rest the same in the same place."""
    found = grid("improved", [SHARDS, SWEEP])
    groups = found.strata("num_shards", range(6))
    for place in range(2):
        assert len({found.settings[group[place]].values["cleanup_interval"] for group in groups}) == 1
    assert [found.settings[group[0]].values["num_shards"] for group in groups] == [4, 16, 64]


def test_a_setting_that_failed_takes_its_like_with_it() -> None:
    """Else the values would be means over different company."""
    found = grid("improved", [SHARDS, SWEEP])
    failed = next(i for i, s in enumerate(found.settings) if s.values == {"num_shards": 4, "cleanup_interval": 15})
    usable = [i for i in range(6) if i != failed]
    groups = found.strata("num_shards", usable)
    assert all(found.settings[i].values["cleanup_interval"] == 60 for group in groups for i in group)
    assert found.strata("num_shards", []) == ()


@pytest.mark.parametrize(
    ("spec", "varied", "message"),
    [
        ("improved", [], "nothing to choose between; name values, as -p name=1,2,3 (improved takes default_ttl, num_"),
        ("improved", ["num_shards=4"], "nothing to choose between: -p num_shards=4 is one value"),
        ("improved", ["num_shard=4,8"], "no parameter 'num_shard'; did you mean 'num_shards'? it takes default_ttl"),
        ("improved", ["nonsense=4,8"], "no parameter 'nonsense'; it takes default_ttl, num_shards, cleanup_interval"),
        ("improved", ["num_shards=4,8,4"], "-p num_shards has the value 4 twice"),
        ("improved", ["num_shards=4,4.0"], "-p num_shards has the value 4.0 twice"),
        ("improved", ["num_shards=4,8", "num_shards=16"], "-p num_shards is given twice"),
        ("improved", ["num_shards"], "write -p name=value,value"),
        ("improved", ["num_shards=4,"], "write -p name=value,value"),
        ("improved", ["=4,8"], "write -p name=value,value"),
        ("imprved", ["num_shards=4,8"], "did you mean 'improved'"),
        ("improved?num_shards", ["cleanup_interval=1,2"], "is not a parameter; write name=value"),
        ("improved?nonsense=1", ["cleanup_interval=1,2"], "no parameter 'nonsense'"),
        ("nowhere.py:make", ["x=1,2"], "there is no file nowhere.py"),
        (
            "improved",
            [f"num_shards={','.join(str(i) for i in range(1, 80))}"],
            f"79 settings are more than can be measured side by side ({MAX_SETTINGS})",
        ),
    ],
)
def test_a_bad_grid_is_one_clear_line(spec: str, varied: list[str], message: str) -> None:
    """It names what is wrong, and what would be right."""
    with pytest.raises(UsageError) as caught:
        grid(spec, varied)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
