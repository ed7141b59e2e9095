"""An experiment's file, looked through before anything is started: its shape, its actions and their arguments.

Chaos Toolkit takes what it is given until it comes to it, and calls what an action raises a failed activity.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any, get_type_hints

from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from harness.chaos import probes
from harness.chaos.actions import ACTIONS, needs
from harness.chaos.plan import Need
from harness.chaos.toxiproxy.toxics.registry import KINDS
from harness.errors import UsageError

_ACTIONS, _PROBES, _CONTROL = "harness.chaos.actions", "harness.chaos.probes", "harness.chaos.control"


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Provider(_Part):
    type: str
    module: str = ""
    func: str = ""
    arguments: dict[str, Any] = {}  # pydantic copies it


class _Activity(_Part):
    type: str
    name: str
    provider: _Provider


class _Control(_Part):
    name: str
    provider: _Provider


class _Hypothesis(_Part):
    title: str
    probes: list[_Activity] = Field(min_length=1)


class _Experiment(_Part):
    title: str
    description: str
    configuration: dict[str, Any] = {}  # as above
    controls: list[_Control] = Field(min_length=1)
    extensions: list[dict[str, Any]] = Field(min_length=1)
    hypothesis: _Hypothesis = Field(alias="steady-state-hypothesis")
    method: list[_Activity] = Field(min_length=1)
    rollbacks: list[_Activity] = []  # as above


def look_through(experiment: dict[str, Any], name: str) -> set[Need]:
    """What its actions need. Raises UsageError, in a line, for whatever would not work."""
    try:
        found = _Experiment.model_validate(experiment)
        json.dumps(experiment)
    except ValidationError as error:
        raise UsageError(f"{name}: {_told(error)}") from error
    except TypeError as error:
        raise UsageError(f"{name}: {error}; put it in quotes") from error
    if not any(each.provider.module == _CONTROL for each in found.controls):
        raise UsageError(f"{name}: its controls lack the module {_CONTROL}, so nothing would stand to be broken")
    wanted: set[Need] = set()
    for each in (*found.method, *found.rollbacks):
        if each.provider.module == _ACTIONS:
            _check(each, ACTIONS, name)
            wanted |= needs(each.provider.func, each.provider.arguments)
    if not any(each.provider.module == _ACTIONS and each.provider.func != "heal" for each in found.method):
        raise UsageError(f"{name}: its method breaks nothing; see {_ACTIONS}")
    for each in found.hypothesis.probes:
        if each.provider.module == _PROBES:
            _check(each, {"served": probes.served}, name)
    try:
        ensure_experiment_is_valid(experiment)
    except ChaosException as error:
        raise UsageError(f"{name}: {error}") from error
    return wanted


def _check(activity: _Activity, known: dict[str, Callable[..., Any]], name: str) -> None:
    provider = activity.provider
    if provider.func not in known:
        raise UsageError(
            f"{name}: {activity.name}: there is no {provider.func!r}; there are {', '.join(sorted(known))}"
        )
    try:
        _arguments(known[provider.func]).model_validate(provider.arguments)
    except ValidationError as error:
        raise UsageError(f"{name}: {activity.name}: {_told(error)}") from error
    if provider.func == "toxic":
        settings = inspect.signature(KINDS[provider.arguments["kind"]].settings).parameters
        for attribute in provider.arguments.get("attributes") or {}:
            if attribute not in settings:
                kind = provider.arguments["kind"]
                raise UsageError(f"{name}: {activity.name}: {kind} has no {attribute!r}; it has {', '.join(settings)}")


def _arguments(function: Callable[..., Any]) -> type[BaseModel]:
    """The arguments of a function as a model: what is unknown, missing or out of range is refused."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        parameter.name: (hints[parameter.name], ... if parameter.default is parameter.empty else parameter.default)
        for parameter in inspect.signature(function).parameters.values()
    }
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid", strict=True), **fields)


def _told(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}"
