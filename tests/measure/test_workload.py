"""Workloads: named, overridden, refused; and drawn the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import UsageError
from harness.measure.generate import draw
from harness.measure.requests import DELETE, GET, SET
from harness.measure.workload import Synthetic, parse, presets

DIGESTS = {
    "chaos": "83114a1be8d7dd03871db40a724faf3689ac6ffab700975072ec314b068a0359",
    "chaos-large": "93ded473fe1ab7506248f34acf588afc0a6e7791417b8747f51997be192993cd",
    "churn": "8cf3884be5e61203fd0f39fa05dd81ac687c4aef2d9e6bd9867d0242ac761993",
    "llm": "58c11db41e0128e1f50fb30509a855b25d5703242dc6fba0a07d5e5de9674717",
    "twitter-cluster52": "b315dacc5207d16035d1e0aebf1c14324be97a2aaf00a9b491886763ff0e6d8d",
    "ycsb-b": "cf40f3910bcddc3962573e53ca73561e9131ec6cffd8aab50ab8949663f34e6c",
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


@pytest.mark.parametrize("name", presets())
def test_what_is_drawn_is_what_is_stated(name: str) -> None:
    """Mix, sizes, ttls, rate and preload of the requests are those of the definition."""
    preset = parse(name)
    assert isinstance(preset, Synthetic)
    requests = draw(preset, 40_000)
    op = requests.op[requests.preload :]
    for code, share in ((GET, preset.mix.get), (SET, preset.mix.set), (DELETE, preset.mix.delete)):
        assert float((op == code).mean()) == pytest.approx(share, abs=0.01)
    assert {(kind.bytes, round((kind.ttl_seconds or 0) * 1000)) for kind in preset.entries} == set(
        zip(requests.size.tolist(), requests.ttl_ms.tolist(), strict=True)
    )
    assert requests.seconds == pytest.approx(len(op) / preset.rate_per_second, rel=0.01)
    assert (requests.op[: requests.preload] == SET).all()
    assert len(set(requests.key[: requests.preload].tolist())) == requests.preload == preset.preload
    assert requests.measurable == 40_000


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
        ("ycsb", "did you mean 'ycsb-b'"),
        ("zzz", "there are chaos, chaos-large"),
        ("trace:nowhere.trace.xz", "there is no file nowhere"),
        ("ycsb-b?capacity=0", "capacity: Input should be greater than 0"),
        ("ycsb-b?capcity=5", "did you mean 'capacity'"),
        ("ycsb-b?preload=99999", "preload is more"),
        ("ycsb-b?rate_per_second=fast", "rate_per_second"),
        ("ycsb-b?key_format=user{}", "pad all keys to one length"),
        ("ycsb-b?key_format={nope}", "does not format a number"),
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


def test_needs_are_what_is_asked() -> None:
    """Only a workload with deletes needs a delete; only one with ttls needs a ttl."""
    assert draw(parse("ycsb-b"), 100).needs == ("TTL",)
    assert draw(parse("churn"), 100).needs == ("DELETE", "TTL")


def test_capacity_can_be_overridden() -> None:
    """`--capacity` outranks the definition."""
    assert draw(parse("ycsb-b"), 10, capacity=77).capacity == 77
