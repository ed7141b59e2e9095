"""What a scenario asks: users, phases, a rate, and what must hold. A file in `scenarios/load`; no locust here."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

import scenarios
from cache_impls.registry import SpecError, from_environment
from harness.errors import UsageError
from harness.passwords import shown

FOLDER = Path(scenarios.__file__).parent / "load"
LIFELINE = "CACHEGATE_LIFELINE"
"""The variable that names the descriptor, to locust's processes, of a pipe that ends when whoever runs them does."""

Condition = Literal["no_errors", "lawful", "counts_agree", "on_schedule", "all_connected", "recovers", "flat_memory"]
CONDITIONS: dict[Condition, str] = {
    "no_errors": "every request is answered, and none with an error",
    "lawful": "no answer breaks a law (C1 to C6, C10)",
    "counts_agree": "the clients, the host and the cache count the same operations, exactly (C11)",
    "on_schedule": "the load came when it should: the rate was reached, and the driver had processor time to spare",
    "all_connected": "every user had a connection, and kept it",
    "recovers": "after the last phase's first tenth, p99 is at most twice what it was in the first phase",
    "flat_memory": "the host's memory does not grow in the second half of the run by more than 5 %",
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Phase(_Frozen):
    """A part of a run, with one pace."""

    name: str
    share: Annotated[float, Field(gt=0, le=1)]
    """Of the run's time, the ramp apart."""
    pace: Literal["closed", "half"] | PositiveFloat
    """`closed`: each user asks again when it has its answer. `half`: half of what the closed phase before it reached,
    or what the driver sends on time, if that is less. A number: so many times the scenario's rate. Both open: arrivals
    do not wait for answers."""


class Loader(_Frozen):
    """What stands behind the cache, as the users play it: a missed read takes so long to be filled."""

    median_seconds: PositiveFloat
    sigma: Annotated[float, Field(ge=0, le=3)]
    """Of the log-normal distribution."""
    source: str


class Scenario(_Frozen):
    """A question, and the load that answers it."""

    name: str
    title: str
    question: str
    workload: str
    users: PositiveInt
    run_seconds: PositiveFloat
    ramp_seconds: PositiveFloat
    """Until all users are there."""
    rate: Annotated[float, Field(ge=0)]
    """Requests a second of all users together, in open phases."""
    conditions: tuple[Condition, ...]
    phases: tuple[Phase, ...] = Field(min_length=1)
    loader: Loader | None = None
    patience_seconds: Annotated[float, Field(ge=0.1)] = 10.0
    """Without an answer for so long a user gives its connection up, and opens another."""

    @property
    def open(self) -> bool:
        """Whether its pace is a rate."""
        return any(isinstance(phase.pace, float) for phase in self.phases)


def names() -> list[str]:
    """Of all scenarios, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def scenario(name: str) -> Scenario:
    """The scenario of a name. Raises UsageError with the nearest."""
    if name not in names():
        near = get_close_matches(name, names(), n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names())}"
        raise UsageError(f"no scenario {name!r}; {hint}")
    found = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return Scenario.model_validate(found | {"name": name})


class Target(_Frozen):
    """Where a RESP server is, and how to be let in."""

    address: str
    port: int
    text: str
    """As people may read it: without the password."""
    ours: bool
    """Whether it is a host of Cachegate (`resp://`); of other servers' keys only ours are touched."""
    user: str = ""
    password: str | None = Field(default=None, repr=False)

    @property
    def credentials(self) -> tuple[bytes, ...]:
        """The words that AUTH takes; none where no password is given."""
        words = [self.user] if self.user else []
        return () if self.password is None else tuple(word.encode(*_ENCODING) for word in [*words, self.password])

    def through(self, address: str, port: int) -> str:
        """The URL of the same server by another way, as a proxy's is."""
        return url(address, port, self.password, self.user)


_SCHEMES = {"resp": True, "redis": False, "valkey": False}
_ENCODING = ("utf-8", "surrogateescape")
_MOST_PORT = 65_535


def target(text: str) -> Target:
    """`resp://:PASSWORD@HOST:PORT`, `valkey://HOST:PORT/0` or `redis://USER:PASSWORD@...`, percent-encoded.

    `${NAME}` in it comes from the environment. Raises UsageError.
    """
    try:
        text = from_environment(text)
    except SpecError as error:
        raise UsageError(str(error)) from error
    scheme, _, rest = text.partition("://")
    place, _, database = rest.partition("/")
    userinfo, at, place = place.rpartition("@")
    user, colon, password = (unquote(part, *_ENCODING) for part in userinfo.partition(":"))
    address, _, port = place.rpartition(":")
    good = scheme in _SCHEMES and address and _is_port(port) and database in ("", "0")
    if "@" in text and not (good and at and colon):
        raise UsageError(
            f"{scheme}://... is no server; write resp://:PASSWORD@127.0.0.1:6380, with / and @ in it as %2F and %40"
        )
    if not good:
        raise UsageError(f"{text!r} is no server; write resp://127.0.0.1:6380 or valkey://127.0.0.1:6379/0")
    return Target(
        address=address.strip("[]"), port=int(port), text=shown(text), ours=_SCHEMES[scheme], user=user,
        password=password if at else None,
    )  # fmt: skip


def url(address: str, port: int, password: str | None, user: str = "") -> str:
    """Of a server, as `target` reads it."""
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    if password is None:
        return f"resp://{place}"
    return f"resp://{quote(user, '', *_ENCODING)}:{quote(password, '', *_ENCODING)}@{place}"


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST_PORT)) and int(text) <= _MOST_PORT


def is_target(text: str) -> bool:
    """Whether text names a server, not a cache."""
    return text.partition("://")[0] in _SCHEMES
