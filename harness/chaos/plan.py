"""An experiment: a Chaos Toolkit file, with what Cachegate needs to know of it in `extensions`.

```yaml
extensions:
  - name: cachegate
    question: What do clients see while the cache cannot be reached, and how soon is all as it was?
    needs: []                        # what must be there to be broken
    load: {workload: chaos, users: 20, rate: 500}
    holds: {recovers_within: 3.0}    # beside the laws, which always hold
```

A file that does not say what must hold is refused: an experiment without an expectation passes whatever happens.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

import scenarios
from harness.errors import UsageError

FOLDER = Path(scenarios.__file__).parent / "chaos"
EXTENSION = "cachegate"
HOW_TO_INSTALL = "pip install 'cachegate[chaos]'"

Need = Literal["second_tier", "own_process", "own_host", "own_second_tier", "memory_bound", "container"]
NEEDS: dict[Need, str] = {
    "second_tier": "it has no second tier (its factory takes no l2)",
    "own_process": "its server is somebody else's, whose process is not ours to break",
    "own_host": "only hosts of Cachegate can be broken from within",
    "own_second_tier": "its second tier is somebody else's, whose process is not ours to break",
    "memory_bound": "it names no bound on its memory (max_memory_mb), which a container could be made for",
    "container": "nobody may hold a process to so much memory here (no control group can be written)",
}
"""What an experiment may need, and why it cannot be had."""
_Share = Annotated[float, Field(ge=0, le=1)]
_Limit = Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)]
"""Seconds."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Holds(_Frozen):
    """What must hold beside the laws. Nothing is required that is not named here."""

    available_during: _Share | None = None
    """Of the operations that came while a fault lasted, so many are answered."""
    available_after: _Share = 0.99
    """Of those that come when all faults are over and users have recovered."""
    degrades_within: _Limit | None = None
    """Seconds from the beginning of a fault until users are served again though it lasts."""
    recovers_within: _Limit
    """Seconds from the end of the last fault until users are served as before, and stay so."""
    lives: bool = True
    """Whether the host must live through it. A host that an experiment ends itself is not meant."""


class Load(_Frozen):
    """What users do meanwhile."""

    scenario: str = "chaos"
    """A file in `scenarios/load`."""
    workload: str = "chaos"
    users: PositiveInt = 20
    rate: Annotated[float, Field(gt=0, le=5_000, allow_inf_nan=False)] = 500.0
    capacity: PositiveInt | None = None
    """Entries; None: the workload's, or a quarter of its keys where there is a second tier, so that it is needed."""


class Plan(_Frozen):
    """What Cachegate knows of an experiment."""

    name: str
    title: str
    question: str
    needs: tuple[Need, ...] = ()
    load: Load = Load()
    holds: Holds
    steady_seconds: _Limit = 1.5
    """Of load before the first fault."""
    settle_seconds: _Limit = 3.0
    """Of load after the last."""


def names() -> list[str]:
    """Of the experiments that come with Cachegate, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(name: str) -> Path:
    """The file of an experiment, by its name or its path. Raises UsageError with the nearest."""
    if name in names():
        return FOLDER / f"{name}.yaml"
    path = Path(name)
    if path.suffix in (".yaml", ".yml", ".json"):
        if path.is_file():
            return path
        raise UsageError(f"there is no file {name}")
    near = get_close_matches(name, names(), n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names())}"
    raise UsageError(f"no experiment {name!r}; {hint}")


def plan(experiment: dict[str, Any], name: str) -> Plan:
    """What an experiment says to Cachegate. Raises UsageError if that is missing or wrong."""
    extensions = experiment.get("extensions")
    extensions = extensions if isinstance(extensions, list) else []
    ours = [each for each in extensions if isinstance(each, dict) and each.get("name") == EXTENSION]
    if not ours:
        raise UsageError(
            f"{name} does not say what must hold; add to its extensions: "
            "{name: cachegate, question: ..., holds: {recovers_within: 3.0}}"
        )
    said = {key: value for key, value in ours[0].items() if key != "name"}
    try:
        return Plan.model_validate(said | {"name": name, "title": str(experiment.get("title", name))})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{name}: extensions.cachegate.{place}: {first['msg']}") from None
