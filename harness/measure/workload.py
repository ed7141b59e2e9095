"""A workload as its user names it: a preset in `scenarios/workloads`, or `trace:FILE`.

`parse` turns text into a definition; `draw` (in `generate`) turns a definition into requests. Any field may
be overridden in the manner of a spec: `ycsb-b?capacity=500`, `trace:web07.trace.xz?value_bytes=200`.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

import scenarios
from harness.errors import UsageError
from harness.measure import traces

PRESETS = Path(scenarios.__file__).parent / "workloads"
TRACE_PREFIX = "trace:"


ValueBytes = Annotated[int, Field(gt=0, le=100_000_000)]
TtlSeconds = Annotated[float, Field(ge=0.001, le=4_000_000)]
"""Milliseconds at the least, and what fits into 32 bits of them: 46 days."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Zipf(_Frozen):
    """Key of rank r is asked for in proportion to 1 / r ** theta."""

    kind: Literal["zipf"]
    theta: Annotated[float, Field(gt=0, le=10)]


class Uniform(_Frozen):
    """Every key is asked for alike."""

    kind: Literal["uniform"]


class Latest(_Frozen):
    """The newest key has rank 1, the one inserted before it rank 2; asked for in proportion to 1 / r ** theta."""

    kind: Literal["latest"]
    theta: Annotated[float, Field(gt=0, le=10)]


Popularity = Zipf | Uniform | Latest
_Share = Annotated[float, Field(ge=0, le=1)]


class Mix(_Frozen):
    """Shares of the operations; they add up to 1."""

    get: _Share = 0
    set: _Share = 0
    delete: _Share = 0
    insert: _Share = 0
    """A set of a new key. The preload has the first keys, and only what was inserted is asked for."""
    scan: _Share = 0
    """Gets of consecutive keys, from a popular one on: 1 to `max_scan_length`, each length as often."""
    read_modify_write: _Share = 0
    """A get and, as the next request, a set of the same key."""

    @model_validator(mode="after")
    def _whole(self) -> Mix:
        if abs(sum(share for _, share in self) - 1) > 1e-9:
            raise ValueError("the shares of the mix must add up to 1")
        return self


class EntryKind(_Frozen):
    """The size and ttl of a share of the keys; ttl None means the cache's default."""

    bytes: ValueBytes
    ttl_seconds: TtlSeconds | None = None
    share: Annotated[float, Field(gt=0, le=1)]


class _Common(_Frozen):
    name: str
    title: str
    look_aside: bool
    """A missed get is followed by a set of that key, as a program does that loads from an origin."""
    rate_per_second: PositiveFloat
    """Requests per second of workload time."""
    preload: Annotated[int, Field(ge=0)] = 0
    """Keys set before the first request, the most popular ones."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Requests driven before the first batch, not measured."""


MAX_TRACE_WARMUP = 50_000
"""Accesses: every trial drives them anew, so a long trace must not make trials long."""


class Synthetic(_Common):
    """Requests drawn from distributions; a preset's file."""

    question: str
    source: str
    seed: Annotated[int, Field(ge=0)]
    keys: Annotated[int, Field(gt=0, le=10_000_000)]
    """With inserts: as many as can be there at once; the next insert comes round to the oldest."""
    popularity: Annotated[Popularity, Field(discriminator="kind")]
    key_format: str
    mix: Mix
    max_scan_length: Annotated[int, Field(gt=0, le=10_000)] = 100
    pass_every: PositiveInt | None = None
    """Requests between two passes; None: there are no passes."""
    pass_length: PositiveInt = 1_000
    """Gets in a pass, of as many keys in order that nothing else ever asks for: a report, or a backup."""
    entries: tuple[EntryKind, ...] = Field(min_length=1)
    capacity: PositiveInt

    @model_validator(mode="after")
    def _consistent(self) -> Synthetic:
        if abs(sum(kind.share for kind in self.entries) - 1) > 1e-9:
            raise ValueError("the shares of the entries must add up to 1")
        try:
            widths = {len(self.key_format.format(key).encode()) for key in (0, self.keys - 1)}
        except (ValueError, LookupError, AttributeError) as error:
            raise ValueError(f"key_format {self.key_format!r} does not format a number: {error}") from None
        if len(widths) != 1:
            raise ValueError(f"key_format {self.key_format!r} must pad all keys to one length, as k{{:08d}}")
        if self.preload > self.keys:
            raise ValueError("preload is more than there are keys")
        if self.mix.insert and not 0 < self.preload < self.keys:
            raise ValueError("inserts need a preload, of fewer than all keys")
        if isinstance(self.popularity, Latest) and not self.mix.insert:
            raise ValueError("popularity latest needs inserts in the mix")
        return self


class Trace(_Common):
    """Requests read from a file, as recorded.

    Times, sizes, ttls and operations that the format has are the requests', unless their field is set here;
    for what it does not have, and for what it leaves open, the defaults below hold.
    """

    path: Path
    format: str | None = None
    """One of `traces.FORMATS`; None: told by the file."""
    look_aside: bool = True
    """Unless set: not if the trace has writes of its own, because the fills are among them."""
    rate_per_second: PositiveFloat = 100
    value_bytes: ValueBytes = 200
    ttl_seconds: TtlSeconds = 3_600
    """Explicit, so that two caches with different defaults are asked the same."""
    capacity: PositiveInt | None = None
    """None: a tenth of the distinct keys."""
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """The share of the accesses driven before the first batch, beside `warmup`; `MAX_TRACE_WARMUP` at most."""

    @field_validator("format")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        return None if name is None else traces.named(name)

    def sets(self, field: str) -> bool:
        """Whether the user set field, so that it outranks what is recorded."""
        return field in self.model_fields_set


Workload = Synthetic | Trace
_W = TypeVar("_W", Synthetic, Trace)


def presets() -> list[str]:
    """The names of the presets, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def parse(text: str) -> Workload:
    """The workload that text names. Raises UsageError with the nearest valid name."""
    name, _, query = text.partition("?")
    overrides: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    if name.startswith(TRACE_PREFIX):
        path = Path(name.removeprefix(TRACE_PREFIX))
        if not path.is_file():
            raise UsageError(f"workload {text!r}: there is no file {path}")
        fields: dict[str, Any] = {"title": f"trace {path.name}", "path": path}
        return _build(Trace, text, fields | overrides | {"name": text})
    if name not in presets():
        family = [each for each in presets() if each.startswith(name)]
        nearest = [] if family else get_close_matches(name, presets(), n=1, cutoff=0.4)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(family or presets())}"
        raise UsageError(f"no workload {name!r}; {hint} (or write trace:FILE)")
    fields = tomllib.loads((PRESETS / f"{name}.toml").read_text(encoding="utf-8"))
    return _build(Synthetic, text, fields | overrides | {"name": text})


def _build(kind: type[_W], text: str, fields: dict[str, Any]) -> _W:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = get_close_matches(place, kind.model_fields, n=1, cutoff=0.5)
            raise UsageError(
                f"workload {text!r} has no {place!r}; "
                + (f"did you mean {near[0]!r}?" if near else f"it has {', '.join(kind.model_fields)}")
            ) from None
        raise UsageError(f"workload {text!r}: {place or 'definition'}: {first['msg']}") from None
