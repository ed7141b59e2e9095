"""What a cache counts that no answer shows reaches the reports as a warning with a remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from cache_impls.dialects import adapt
from cache_impls.registry import make
from harness.model import incident_notice

CACHE = """
from cache_impls.improved import ImprovedAsyncCache

class Counting(ImprovedAsyncCache):
    incidents = {"forged": 3, "odd": 0, "strange": 2}
"""


class Cache:
    incidents: Any = None

    async def get(self, key: str) -> None: ...

    async def set(self, key: str, value: Any) -> None: ...


@pytest.mark.parametrize("found", [None, 5, [1], {}, {"forged": 0}, {"forged": "many"}])
def test_most_caches_count_nothing(found: Any) -> None:
    """None declared, none so far, or nothing that is a count."""
    cache = Cache()
    cache.incidents = found
    assert adapt(cache).incidents() == {}
    assert make("improved").incidents() == {}


def test_composites_count_what_their_parts_do() -> None:
    """Both sides of a migration, both tiers of a hierarchy."""
    for spec, parts in (("migration", "_sides"), ("hierarchy", "_l1")):
        cache = make(spec)
        held = getattr(cache.native, parts)
        for part in held.values() if isinstance(held, dict) else (held, cache.native._far.tier):  # type: ignore[attr-defined]  # native is of any type
            part.incidents = lambda: Counter(forged=2)
        assert dict(cache.incidents()) == {"forged": 4}


def test_an_incident_has_a_remedy() -> None:
    """Ours in its own words, a stranger's by its name."""
    assert incident_notice("spec", "forged", 3).message.startswith("spec: 3 of its entries on the server were not")
    assert incident_notice("spec", "strange", 2).message == "spec: it counted 2 of 'strange'"
    assert all(incident_notice("spec", name, 1).remedy for name in ("forged", "strange"))


@pytest.mark.slow
@pytest.mark.parametrize("command", [("gate", "--budget", "4s"), ("hitratio", "--capacity", "100")])
def test_the_reports_warn(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Of a cache in a file of its own, by its spec."""
    (tmp_path / "counting.py").write_text(CACHE, encoding="utf-8")
    spec, document = f"{tmp_path}/counting.py:Counting", tmp_path / "document.json"
    specs = (spec, "improved") if command[0] == "gate" else (spec,)
    words = [sys.executable, "-m", "harness", command[0], *specs, *command[1:], "--json", str(document)]
    subprocess.run(words, cwd=ROOT, check=False, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    warnings = [warning["message"] for warning in json.loads(document.read_text(encoding="utf-8"))["warnings"]]
    assert any(message.startswith(f"{spec}: ") and "not what it had written" in message for message in warnings)
    assert any(message.startswith(f"{spec}: ") and "'strange'" in message for message in warnings)
    assert not any("'odd'" in message for message in warnings)
