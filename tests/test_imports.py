"""Imports point one way: DESIGN's arrows, held by reading every import statement."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BASE = (
    "harness.model",
    "harness.clock",
    "harness.units",
    "harness.errors",
    "harness.documents",
    "harness.history",
    "harness.children",
    "harness.handshake",
    "harness.masking",
    "harness.passwords",
    "harness.ports",
)
PUBLIC_CACHES = (
    *("cache_impls.protocol", "cache_impls.registry", "cache_impls.dialects", "cache_impls.guard"),
    "cache_impls.trust",
)

# Who may import what of ours, the longest matching prefix first. `harness` alone is its version.
ALLOWED: dict[str, tuple[str, ...]] = {
    "cache_impls": ("cache_impls",),
    "scenarios": ("scenarios",),
    "harness.model": ("cache_impls.registry",),
    "harness.clock": (),
    "harness.errors": (),
    "harness.units": ("harness.errors",),
    "harness.documents": ("harness.model", "harness.masking"),
    "harness.masking": (),
    "harness.history": (),
    "harness.warden": (),
    "harness.handshake": (),
    "harness.children": ("harness.warden",),
    "harness.look": (*BASE, "cache_impls.registry", "cache_impls.trust"),
    "harness.passwords": (),
    "harness.simulate": (*BASE, *PUBLIC_CACHES, "harness.simulate"),
    "harness.check.checkers": (*BASE, "cache_impls.protocol", "harness.check.checkers"),
    "harness.check": (*BASE, *PUBLIC_CACHES, "harness.check", "harness.simulate"),
    "harness.check.replays": ("harness", "cache_impls.trust"),
    "harness.check.recorded": (
        *BASE,
        *PUBLIC_CACHES,
        "harness.check",
        "harness.simulate",
        "harness.measure.driver",
        "harness.measure.loop",
        "harness.measure.stream",
        "harness.measure.values",
    ),
    "harness.check.suite": ("harness",),
    "harness.serve": (*BASE, *PUBLIC_CACHES, "harness.serve", "harness"),
    "harness.load": (
        *(*BASE, *PUBLIC_CACHES, "harness.load", "harness.gate", "harness.stats", "scenarios"),
        *("harness.measure.workload", "harness.measure.requests", "harness.measure.generate"),
        *("harness.check.checkers", "harness.simulate.tape"),
    ),
    "harness.chaos": (
        *(*BASE, "harness.look", *PUBLIC_CACHES, "harness.chaos", "harness.load", "harness.gate", "scenarios"),
        *("harness.measure.workload", "harness.measure.generate", "harness.measure.environment"),
    ),
    "harness.ports": (),
    "harness.chaos.toxiproxy": ("harness.errors", "harness.ports", "harness.chaos.toxiproxy"),
    "harness.chaos.toxiproxy.toxics": ("harness.chaos.toxiproxy.stage", "harness.chaos.toxiproxy.toxics"),
    "scenarios.load": ("harness.load.users",),
    "harness.stats": (*BASE, "harness.stats"),
    "harness.measure": (*BASE, *PUBLIC_CACHES, "harness.measure", "harness.stats", "scenarios", "harness"),
    "harness.hitratio": (
        *(*BASE, *PUBLIC_CACHES, "harness.hitratio", "harness.measure.workload", "harness.measure.requests"),
        *("harness.measure.generate", "harness.measure.recorded", "harness.measure.traces"),
        *("harness.measure.driver", "harness.measure.loop", "harness.measure.trial_run"),
    ),
    "harness.gate": (*BASE, "harness.gate", "harness.stats"),
    "harness.tune": (
        *(*BASE, "harness.look", *PUBLIC_CACHES, "harness.tune", "harness.gate", "harness.stats"),
        "harness.measure.blocks",
    ),
    "harness.report": (
        *BASE,
        "harness.tune.document",
        "harness.report",
        "harness.gate",
        "cache_impls.registry",
        "harness.measure.workload",
        "harness.measure",
        "harness.check.checkers",
        "harness.check.rules",
        "harness.measure.traces",
        "harness.hitratio.document",
        "harness.load.document",
        "harness.load.plan",
        "harness.chaos.document",
        "harness.chaos.experiment_file",
        "harness.chaos.plan",
    ),
    "harness.ours": (),
    "harness.places": ("harness.ours", "harness.errors"),
    "harness.strict_json": ("harness.errors",),
    "harness.store": (*BASE, "harness.ours", "harness.places", "harness.strict_json"),
    "harness.session": ("harness", "cache_impls"),
    "harness.session_check": ("harness", "cache_impls"),
    "harness.session_hitratio": ("harness", "cache_impls"),
    "harness.session_load": ("harness", "cache_impls"),
    "harness.session_chaos": ("harness", "cache_impls"),
    "harness.session_tune": ("harness", "cache_impls"),
    "harness.commands": ("harness",),
    "harness.commands.serve": ("harness", "cache_impls.registry"),
    "harness.commands.swept": ("harness", "cache_impls.sweep"),
    "harness.cli": ("harness", "cache_impls.registry"),
    "harness.__main__": ("harness.cli",),
    "harness": (),
}
CHILD = ("child", "driver", "loop", "stream", "truth", "turns", "trial_run", "values")


def modules() -> list[tuple[str, Path]]:
    found = []
    for package in ("harness", "cache_impls", "scenarios"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def ours(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] in ("harness", "cache_impls", "scenarios")}


def permitted(name: str, allowed: tuple[str, ...]) -> bool:
    return any(name == prefix or (prefix != "harness.measure" and name.startswith(f"{prefix}.")) for prefix in allowed)


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_arrows(module: str, path: Path) -> None:
    """A module imports only what its place in the design allows."""
    place = max((prefix for prefix in ALLOWED if module == prefix or module.startswith(f"{prefix}.")), key=len)
    wrong = {
        name
        for name in ours(imports(path))
        if not permitted(name, ALLOWED[place] + ((place,) if place != "harness" else ()))
    }
    assert wrong == set()


def test_the_arrows_would_notice() -> None:
    """The mutant: statistics that print are caught."""
    assert not permitted("harness.report.terminal", ALLOWED["harness.stats"])
    assert not permitted("harness.session", ALLOWED["harness.gate"])
    assert not permitted("harness.model", ALLOWED["cache_impls"])


def test_the_trial_child_starts_lean() -> None:
    """It imports neither NumPy nor pydantic, nor any cache: each would cost start-up time in every trial."""
    code = f"import sys; import {', '.join(f'harness.measure.{name}' for name in CHILD)}; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split())
    heavy = {"numpy", "scipy", "pydantic", "psutil", "rich", "typer", "importlib.metadata", "difflib", "random"}
    assert loaded & heavy == set()
    lean = {*PUBLIC_CACHES, "cache_impls.forks", "cache_impls.servers"}
    assert not any(name.startswith("cache_impls.") for name in loaded - lean)
