"""Look at a cache without letting its code into the command's own process: what its factory takes, what it can do.

A module that is imported may print, exit, fork or wait for ever: so a child imports it, and tells what it found.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from cache_impls.registry import HOW_TO_INSTALL, NotInstalledError, SpecError, capabilities, parse
from cache_impls.trust import runs_nothing_foreign
from harness.children import child
from harness.errors import UsageError
from harness.handshake import Emit, take_job

_SECONDS = 60.0
"""For the import of a cache and its libraries."""


def defaults(text: str) -> dict[str, Any]:
    """The parameters of a spec's factory with the spec's own values, else their defaults.

    A default that is no JSON is told by its `repr`. Raises UsageError for a spec whose factory cannot be called so.
    """
    return dict(_told(text, None)["defaults"])


def refusal(text: str, name: str) -> str | None:
    """Why the factory of a spec cannot be given a parameter of this name, if so."""
    refused: str | None = _told(text, name)["problem"]
    return refused


def abilities(names: list[str]) -> dict[str, str]:
    """Of each cache that has a name: its capabilities in words, or why it cannot be used here."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:  # one that ends the child must not hide the others
        with child("harness.look", {"names": waiting, "here": False}, 0, _SECONDS) as process:
            for event in process.events(_SECONDS):
                found[event["name"]] = event["abilities"]
            words = process.last_words()
        waiting = waiting[sum(name in found for name in waiting) :]
        if waiting:
            found[waiting.pop(0)] = f"it ends the process that imports it{f': {words}' if words else ''}"
    return found


@lru_cache(maxsize=256)
def _told(text: str, name: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with child(
        "harness.look", {"spec": text, "name": name, "here": not runs_nothing_foreign(text)}, 0, _SECONDS
    ) as process:
        for event in process.events(_SECONDS):
            found = event
        code, words = process.exit_code(), process.last_words()
    if not found:
        ended = "it does not come back" if code is None else f"it ends the process (exit code {code})"
        raise UsageError(f"{text!r} could not be imported: {ended}{f': {words}' if words else ''}")
    if name is None and found["problem"] is not None:
        raise UsageError(found["problem"])
    return found


def main() -> None:
    """In the child: tell what was asked."""
    job, emit = take_job()
    if "names" in job:
        for name in job["names"]:
            emit("looked", name=name, abilities=described(name))
    else:
        _tell_parameters(job, emit)


def described(name: str) -> str:
    """The capabilities of a cache in words, or why it cannot be used here. Imports it."""
    try:
        found = capabilities(name)
    except NotInstalledError:
        return f"not installed: {HOW_TO_INSTALL}"
    except SpecError as error:
        return str(error)
    return "told when it is built" if found is None else " ".join((each.name or "").lower() for each in found)


def _tell_parameters(job: dict[str, Any], emit: Emit) -> None:
    values: dict[str, Any] = {}
    problem = None
    try:
        spec = parse(job["spec"])
        if job["name"] is not None:
            spec.parameters[job["name"]] = 0
        spec.builder()
        values = {name: _plain(value) for name, value in spec.defaults().items()}
    except SpecError as error:
        problem = str(error)
    emit("looked", defaults=values, problem=problem)


def _plain(value: Any) -> Any:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return repr(value)
    return value
