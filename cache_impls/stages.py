"""The stages of a migration: which sides are read, written and answer, which keys they hold for, and the flags."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32


class Stage(enum.StrEnum):
    """How far the migration is, in order."""

    OFF = "off"
    DUALWRITE = "dualwrite"
    SHADOW = "shadow"
    LIVE = "live"
    RAMPDOWN = "rampdown"
    COMPLETE = "complete"


class Side(enum.StrEnum):
    """One of the two caches."""

    OLD = "old"
    NEW = "new"


class Route(NamedTuple):
    """What a stage does: the sides read, the sides written, each in order, and the sides that may answer."""

    read: tuple[Side, ...]
    write: tuple[Side, ...]
    answer: tuple[Side, ...]


STAGES: Mapping[Stage, Route] = {
    Stage.OFF: Route((Side.OLD,), (Side.OLD,), (Side.OLD,)),
    Stage.DUALWRITE: Route((Side.OLD,), (Side.OLD, Side.NEW), (Side.OLD,)),
    Stage.SHADOW: Route((Side.OLD, Side.NEW), (Side.OLD, Side.NEW), (Side.OLD,)),
    Stage.LIVE: Route((Side.NEW, Side.OLD), (Side.NEW, Side.OLD), (Side.NEW, Side.OLD)),
    Stage.RAMPDOWN: Route((Side.NEW,), (Side.NEW, Side.OLD), (Side.NEW,)),
    Stage.COMPLETE: Route((Side.NEW,), (Side.NEW,), (Side.NEW,)),
}
ORDER = list(Stage)


def bucket(key: str) -> float:
    """A stable place for key in [0, 100), the same in every process and release."""
    return (crc32(key.encode("utf-8", "surrogatepass")) % 10_000) / 100


def to_stage(stage: Stage | str) -> Stage:
    """The stage of that name. Raises ValueError with the names."""
    try:
        return Stage(stage)
    except ValueError:
        raise ValueError(f"no stage {stage!r}; there are {', '.join(Stage)}") from None


def to_percentage(percentage: float) -> float:
    """The percentage itself. Raises ValueError outside 0 to 100."""
    if not 0 <= percentage <= 100:
        raise ValueError(f"a percentage is 0 to 100, not {percentage}")
    return percentage


def flag(environ: Mapping[str, str], name: str) -> bool | None:
    """A flag of the environment; None if it is not set. Raises ValueError for what is neither true nor false."""
    text = environ.get(name, "").strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    if text:
        raise ValueError(f"{name} is true or false, not {text!r}")
    return None
