"""Workloads: named, overridden, refused; and drawn the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import UsageError
from harness.measure.generate import draw
from harness.measure.requests import SET
from harness.measure.workload import Synthetic, parse, presets

DIGESTS = {
    "chaos": "83114a1be8d7dd03871db40a724faf3689ac6ffab700975072ec314b068a0359",
    "chaos-large": "93ded473fe1ab7506248f34acf588afc0a6e7791417b8747f51997be192993cd",
    "churn": "8cf3884be5e61203fd0f39fa05dd81ac687c4aef2d9e6bd9867d0242ac761993",
    "llm": "58c11db41e0128e1f50fb30509a855b25d5703242dc6fba0a07d5e5de9674717",
    "scan": "599d38e85eb0eeb8ce6bcbbb10a6877a4d7c51fa5442a5aac4c6af645f2073d2",
    "twitter-cluster1": "21e9a4e7c901b7354cd420d40cd268e6d270bf65274607ca816ab375f360fe9e",
    "twitter-cluster14": "9457274807eda6f2193cc68268536e4194c61be93354f1e810c16f60c5be6e42",
    "twitter-cluster18": "ce6fc49eeef59615b247ca51bddbfed144d9aedf450eef3e7723c2de52cfa47e",
    "twitter-cluster26": "0a98e17620644788f9a674507a1f4036845fc8763fda73529fe085c2e192ea07",
    "twitter-cluster32": "59b461fa515a46f819a5f2a9dbe9f21f65300ff479bfa6bfa43e48c5c075d246",
    "twitter-cluster37": "97c2782a0a985aadcb015ab46301417bd3a38bb45b77bca2d464190fd2ae2a2d",
    "twitter-cluster50": "0098f0073e35347d8913ce00c2933c9e2a26f75876150c7820b30fac7dd3d0d9",
    "twitter-cluster52": "b315dacc5207d16035d1e0aebf1c14324be97a2aaf00a9b491886763ff0e6d8d",
    "ycsb-a": "0de445d7b690fd8a5302c82295481454d9c4d7967b7302b37f35c88a4bac8375",
    "ycsb-b": "cf40f3910bcddc3962573e53ca73561e9131ec6cffd8aab50ab8949663f34e6c",
    "ycsb-c": "70790a1c89739c7314d9faa31c10105d346badab267c57aef6853b2380b120fe",
    "ycsb-d": "1e850bbea4cf5e55727b44815bdf7423583d5bcfa5c009d63b4ddc48999eff7e",
    "ycsb-e": "b9f01c066678a9e35fc6e7936e89212d58ddbefb1671c0f5c54d3e1e389b4e93",
    "ycsb-f": "96b5175242c6bf0388a1008da651cb5ac6a7471537594901842282884dba476f",
}


@pytest.mark.parametrize("name", presets())
def test_a_preset_asks_the_same_for_ever(name: str) -> None:
    """The digest of 1,000 requests is pinned: stored results of other days and machines depend on it."""
    assert draw(parse(name), 1000).digest() == DIGESTS[name]


@pytest.mark.parametrize("name", presets())
def test_a_preset_states_its_question_and_source(name: str) -> None:
    """Nobody has to guess what a workload is for."""
    preset = parse(name)
    assert isinstance(preset, Synthetic)
    assert preset.question.endswith("?")
    assert len(preset.source) > 20


def test_popularity_is_zipf() -> None:
    """The most popular keys of ycsb-b are asked for as often as 1 / rank ** 0.99 says."""
    requests = draw(parse("ycsb-b?preload=0"), 400_000)
    counts = np.sort(np.bincount(requests.key, minlength=10_000))[::-1] / len(requests.key)
    weights = 1 / np.arange(1, 10_001) ** 0.99
    expected = weights / weights.sum()
    assert counts[:10] == pytest.approx(expected[:10], rel=0.05)
    assert counts[:1000].sum() == pytest.approx(expected[:1000].sum(), rel=0.01)


def test_the_preload_is_of_the_most_popular() -> None:
    """A cache that holds a tenth of the keys hits far more than a tenth of the requests."""
    requests = draw(parse("ycsb-b?preload=1000"), 20_000)
    preloaded = set(requests.key[:1000].tolist())
    hits = sum(key in preloaded for key in requests.key[1000:].tolist())
    assert hits / 20_000 > 0.6


def test_a_longer_run_asks_the_same_first() -> None:
    """The seed fixes the definition's keys, whatever the number of requests."""
    short, long = draw(parse("churn"), 100), draw(parse("churn"), 100)
    assert short.digest() == long.digest()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ycsb", "there are ycsb-a, ycsb-b, ycsb-c, ycsb-d, ycsb-e, ycsb-f "),
        ("ycsbb", "did you mean 'ycsb-b'"),
        ("zzz", "there are chaos, chaos-large"),
        ("trace:nowhere.trace.xz", "there is no file nowhere"),
        ("ycsb-b?capacity=0", "capacity: Input should be greater than 0"),
        ("ycsb-b?capcity=5", "did you mean 'capacity'"),
        ("ycsb-b?preload=99999", "preload is more"),
        ("ycsb-b?rate_per_second=fast", "rate_per_second"),
        ("ycsb-b?key_format=user{}", "pad all keys to one length"),
        ("ycsb-b?key_format={nope}", "does not format a number"),
        ("ycsb-d?preload=0", "inserts need a preload, of fewer than all keys"),
        ("ycsb-d?preload=20000", "inserts need a preload, of fewer than all keys"),
        ("ycsb-e?max_scan_length=0", "max_scan_length: Input should be greater than 0"),
        ("ycsb-e?max_scan_len=5", "did you mean 'max_scan_length'"),
        ("scan?pass_every=0", "pass_every: Input should be greater than 0"),
        ("scan?pass_length=many", "pass_length"),
    ],
)
def test_a_wrong_workload_is_a_usage_error(text: str, message: str) -> None:
    """It names the nearest valid thing."""
    with pytest.raises(UsageError, match=message):
        parse(text)


def test_shares_must_add_up() -> None:
    """A mix or entries that do not add up to 1 are refused when built."""
    fields = parse("ycsb-b").model_dump()
    for wrong in ({"mix": {"get": 0.5, "set": 0.4}}, {"entries": [{"bytes": 1, "share": 0.5}]}):
        with pytest.raises(ValueError, match="add up to 1"):
            Synthetic.model_validate(fields | wrong)


def test_what_cannot_be_drawn_is_refused() -> None:
    """Unknown operations, and the latest of what nothing is added to; keys of passes that outgrow their format."""
    fields = parse("ycsb-d").model_dump()
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        Synthetic.model_validate(fields | {"mix": {"read": 1}})
    with pytest.raises(ValueError, match="popularity latest needs inserts in the mix"):
        Synthetic.model_validate(fields | {"mix": {"get": 1}})
    with pytest.raises(UsageError, match="has no room for key 22999"):
        draw(parse("scan?key_format=%7B:04d%7D&keys=9000&warmup=0&pass_every=1000&pass_length=7000"), 16_000)


@pytest.mark.parametrize("text", ["ycsb-d", "ycsb-d?keys=10001", "ycsb-e", "ycsb-e?keys=10001", "scan"])
@pytest.mark.parametrize("measured", [1, 2, 12_345])
def test_as_many_are_drawn_as_are_asked_for(text: str, measured: int) -> None:
    """Scans are cut off, passes too; an insert past the last key comes round to the first."""
    requests = draw(parse(text), measured)
    assert requests.measurable == measured
    assert requests.key.max() < requests.distinct_keys


def test_scans_have_the_length_that_is_asked_for() -> None:
    """`max_scan_length` is a field like any other: 1 makes reads of them."""
    short, long = (draw(parse(f"ycsb-e?max_scan_length={length}"), 50_000) for length in (1, 1_000))
    assert float((short.op[10_000:] == SET).mean()) == pytest.approx(0.05, abs=0.005)
    assert int((long.op[10_000:] == SET).sum()) < 20


def test_needs_are_what_is_asked() -> None:
    """Only a workload with deletes needs a delete; only one with ttls needs a ttl."""
    assert draw(parse("ycsb-b"), 100).needs == ("TTL",)
    assert draw(parse("churn"), 100).needs == ("DELETE", "TTL")


def test_capacity_can_be_overridden() -> None:
    """`--capacity` outranks the definition."""
    assert draw(parse("ycsb-b"), 10, capacity=77).capacity == 77
