"""From `-p name=value,value` to settings: every combination of the values, and the spec's own, which is the default.

Pure but for the factory's signature, which has to be looked up. A bad grid raises UsageError, one line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from math import prod
from typing import Any
from urllib.parse import quote, unquote

from cache_impls.dialects import CAPACITY_NAMES
from cache_impls.registry import Spec, SpecError, parse
from harness.errors import UsageError
from harness.look import defaults, refusal
from harness.measure.blocks import MAX_SETTINGS

_UNQUOTED = "/:,+@*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One combination of values."""

    spec: Spec
    values: dict[str, Any]
    """Of the parameters that the grid varies."""
    in_grid: bool
    """False for a default that no combination is."""

    @property
    def name(self) -> str:
        """Only what the grid varies: `num_shards=16&cleanup_interval=60`."""
        return "&".join(f"{name}={shown(value)}" for name, value in self.values.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """All settings, the default first."""

    settings: tuple[Setting, ...]
    parameters: dict[str, tuple[Any, ...]]

    def strata(self, name: str, usable: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """For each value of parameter name the settings that have it, matched over the other parameters.

        Only combinations of the other parameters for which every value is among the usable settings count, so a
        setting that failed takes its like with it, and the values stay comparable. Empty where none is left.
        """
        others = [other for other in self.parameters if other != name]
        places = {
            (tuple(setting.values[other] for other in others), setting.values[name]): i
            for i, setting in enumerate(self.settings)
            if i in usable and (setting.in_grid)
        }
        values = self.parameters[name]
        whole = [
            rest
            for rest in product(*(self.parameters[other] for other in others))
            if all((rest, value) in places for value in values)
        ]
        return tuple(tuple(places[rest, value] for rest in whole) for value in values) if whole else ()


def grid(text: str, varied: Sequence[str], *, capacity: int | None = None) -> Grid:
    """The settings of the spec text under the options varied (`num_shards=4,8`).

    capacity is what a cache gets as its entry bound where its spec sets none, so it is that parameter's default.
    """
    base = _spec(text)
    known = defaults(text)
    if capacity is not None:
        known |= {name: capacity for name in CAPACITY_NAMES if name in known and name not in base.parameters}
    parameters = _parameters(text, varied, known)
    count = prod(len(values) for values in parameters.values())
    if count < 2:
        names = ", ".join(known) or "no parameter that has a default"
        if not parameters:
            raise UsageError(f"nothing to choose between; name values, as -p name=1,2,3 ({text} takes {names})")
        name, value = next((name, values[0]) for name, values in parameters.items())
        raise UsageError(
            f"nothing to choose between: -p {name}={shown(value)} is one value; give it two or more, "
            "or hold it against another with cachegate gate"
        )
    own = {name: known[name] for name in parameters if name in known}
    settings = [
        Setting(spec=_with(base, values), values=values, in_grid=True)
        for combination in product(*parameters.values())
        if (values := dict(zip(parameters, combination, strict=True)))
    ]
    default = next((setting for setting in settings if _same(setting.values, own)), None)
    if default is not None:
        settings.remove(default)
        # As the user wrote it: the same values, given by the factory itself.
        default = Setting(spec=base, values=default.values, in_grid=True)
    else:
        default = Setting(spec=base, values=own, in_grid=False)
    settings.insert(0, default)
    if len(settings) > MAX_SETTINGS:
        raise UsageError(
            f"{len(settings)} settings are more than can be measured side by side ({MAX_SETTINGS}); "
            "give fewer values, and finer ones around the best in a second run"
        )
    return Grid(settings=tuple(settings), parameters=parameters)


def shown(value: Any) -> str:
    """A value as it is written in a spec."""
    return value if isinstance(value, str) else json.dumps(value)


def _parameters(text: str, varied: Sequence[str], known: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for option in varied:
        name, equals, listed = option.partition("=")
        name = name.strip()
        written = [value.strip() for value in listed.split(",")]
        if not name or not equals or not all(written):
            raise UsageError(f"-p {option!r} is no parameter; write -p name=value,value")
        if name in found:
            raise UsageError(f"-p {name} is given twice; write all its values in one: -p {name}=1,2,3")
        _check_known(text, name, known)
        values = [_value(name, value) for value in written]
        for place, value in enumerate(values):
            if any(_equal(value, earlier) for earlier in values[:place]):
                raise UsageError(f"-p {name} has the value {written[place]} twice")
        found[name] = tuple(values)
    return found


def _check_known(text: str, name: str, known: dict[str, Any]) -> None:
    """Raise UsageError for a parameter that the factory does not take, and for one without a default."""
    refused = refusal(text, name)
    if refused is not None:
        near = get_close_matches(name, list(known), n=1, cutoff=0.5)
        if f"no parameter {name!r}" not in refused:
            raise UsageError(refused)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"{text} has no parameter {name!r}; {hint}it takes {', '.join(known) or 'none'}")
    if name not in known:
        raise UsageError(f"{text} has no default for {name!r}; write one in the spec: '{text}?{name}=...'")


def _spec(text: str) -> Spec:
    try:
        return parse(text)
    except SpecError as error:
        raise UsageError(str(error)) from error


def _value(name: str, text: str) -> Any:
    """As a spec's text would be read."""
    return parse(f"null?{quote(name)}={quote(text, safe=_UNQUOTED)}").parameters[name]


def _with(base: Spec, values: dict[str, Any]) -> Spec:
    """The spec with values in place of its own."""
    head, _, query = base.text.partition("?")
    kept = [item for item in query.split("&") if item and unquote(item.partition("=")[0]) not in values]
    given = [f"{quote(name)}={quote(shown(value), safe=_UNQUOTED)}" for name, value in values.items()]
    return Spec(text=f"{head}?{'&'.join([*kept, *given])}", target=base.target, parameters=base.parameters | values)


def _same(values: dict[str, Any], own: dict[str, Any]) -> bool:
    return all(name in own and _equal(value, own[name]) for name, value in values.items())


def _equal(one: Any, other: Any) -> bool:
    """1 and 1.0 are the same setting, 1 and true are not."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
