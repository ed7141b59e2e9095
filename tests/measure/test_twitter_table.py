"""The Twitter presets against the published table, where it is there: what they say of their rows is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from harness.measure.workload import Synthetic, Uniform, parse, presets

TABLE = Path(__file__).parent.parent.parent.parent / "shared" / "traces" / "twitter-2020Mar.md"
PRESETS = [name for name in presets() if name.startswith("twitter-")]
_OPERATIONS = {"get": "get", "gets": "get", "set": "set", "add": "set", "cas": "set", "delete": "delete"}
"""Of Twemcache, and what stands for them here."""
K = TypeVar("K", str, float)
_SECONDS = {"s": 1, "h": 3_600, "d": 86_400}


class Row(NamedTuple):
    """What the table says of a cluster."""

    key_bytes: int
    value_bytes: int
    rate_per_second: float
    once_ratio: float
    ttls: dict[float, float]
    mix: dict[str, float]
    alpha: float


def read(table: str) -> dict[str, Row]:
    """The rows that are whole, by cluster."""
    found = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not re.fullmatch(r"cluster\d+", cells[0]) or {"N/A", "NA"} & set(cells):
            continue
        mix: dict[str, float] = {}
        for name, share in re.findall(r"(\w+):([\d.]+)", cells[12]):
            mix[_OPERATIONS.get(name, name)] = mix.get(_OPERATIONS.get(name, name), 0) + float(share)
        ttls = re.findall(r"([\d.]+)([shd]):([\d.]+)", cells[9])
        found[cells[0]] = Row(
            key_bytes=int(cells[3]),
            value_bytes=int(cells[4]),
            rate_per_second=float(cells[5]) * 1_000,
            once_ratio=float(cells[7]) / 100,
            ttls={float(number) * _SECONDS[unit]: float(share) for number, unit, share in ttls},
            mix=mix,
            alpha=float(cells[13]),
        )
    return found


def differences(preset: Synthetic, row: Row) -> list[str]:
    """The facts in which a preset is not as its row. Shares may be more by what the row leaves unsaid."""
    mix = {"get": preset.mix.get, "set": preset.mix.set + preset.mix.insert, "delete": preset.mix.delete}
    ttls: dict[float, float] = {}
    for kind in preset.entries:
        ttls[kind.ttl_seconds or 0] = ttls.get(kind.ttl_seconds or 0, 0) + kind.share
    facts = {
        "key size": (len(preset.key_format.format(0)), row.key_bytes),
        "value size": ({kind.bytes for kind in preset.entries}, {row.value_bytes}),
        "rate": (round(preset.rate_per_second), round(row.rate_per_second)),
        "alpha": (0 if isinstance(preset.popularity, Uniform) else preset.popularity.theta, row.alpha),
    }
    found = [name for name, (ours, theirs) in facts.items() if ours != theirs]
    return found + ["mix"] * (not _said(mix, row.mix)) + ["ttls"] * (not _said(ttls, row.ttls))


def _said(ours: dict[K, float], theirs: dict[K, float]) -> bool:
    unsaid = max(0.0, 1 - sum(theirs.values()))
    more = [ours.get(each, 0) - theirs.get(each, 0) for each in ours | theirs]
    return min(more) > -1e-9 and max(more) < unsaid + 1e-9


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    """The table, or a skip that says so."""
    if not TABLE.is_file():
        pytest.skip(f"no table at {TABLE}")
    return read(TABLE.read_text(encoding="utf-8"))


def preset_of(name: str) -> Synthetic:
    preset = parse(name)
    assert isinstance(preset, Synthetic)
    return preset


def test_there_are_eight() -> None:
    """Chosen for contrast: from the slowest to the busiest, the smallest to the largest, no skew to the most."""
    assert len(PRESETS) == 8


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_as_its_row(rows: dict[str, Row], name: str) -> None:
    """Key and value size, rate, exponent, mix and ttls."""
    assert differences(preset_of(name), rows[name.removeprefix("twitter-")]) == []


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_is_as_another_row(rows: dict[str, Row], name: str) -> None:
    """The comparison can say no: of no other row is any preset."""
    assert all(differences(preset_of(name), row) for key, row in rows.items() if f"twitter-{key}" != name)


@pytest.mark.parametrize(
    ("changed", "fact"),
    [
        ({"key_bytes": 67}, "key size"),
        ({"value_bytes": 1_746}, "value size"),
        ({"rate_per_second": 260.0}, "rate"),
        ({"alpha": 0.63}, "alpha"),
        ({"mix": {"get": 0.7, "set": 0.3}}, "mix"),
        ({"mix": {"get": 0.71, "incr": 0.29}}, "mix"),
        ({"ttls": {60.0: 0.67, 120.0: 0.1, 360.0: 0.13, 600.0: 0.06}}, "ttls"),
    ],
)
def test_a_fact_that_differs_is_told(rows: dict[str, Row], changed: dict[str, object], fact: str) -> None:
    """One fact of a row changed: that one is named."""
    row = rows["cluster26"]._replace(**changed)  # type: ignore[arg-type]  # each is of its field's type
    assert differences(preset_of("twitter-cluster26"), row) == [fact]


def test_what_a_preset_calls_extreme_is(rows: dict[str, Row]) -> None:
    """The most, the longest, the largest of all: by the table."""
    everything = rows.values()
    assert rows["cluster1"].alpha == max(row.alpha for row in everything)
    assert rows["cluster14"].mix["delete"] == max(row.mix.get("delete", 0) for row in everything)
    assert rows["cluster18"].rate_per_second == max(row.rate_per_second for row in everything)
    assert rows["cluster26"].key_bytes == max(row.key_bytes for row in everything)
    assert rows["cluster50"].value_bytes == max(row.value_bytes for row in everything)
    assert rows["cluster32"].alpha == 0
    assert rows["cluster32"].mix["set"] > 0.97 < rows["cluster32"].once_ratio
