"""Request bodies: JSON objects whose fields have the type that they must have. Unknown fields are left alone.

As in Toxiproxy: null is as good as nothing, a missing field keeps its default, whole numbers are whole.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from harness.chaos.toxiproxy.refusals import bad_body

_MAX = 2**63


def parse(body: bytes) -> Any:
    """The JSON value. Raises RefusedError."""
    if not body.strip():
        raise bad_body("EOF")
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise bad_body(str(error)) from error


def fields(value: Any, **types: type) -> dict[str, Any]:
    """Those of the fields that are there. Raises RefusedError for one of another type."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise bad_body(f"cannot take {_kind(value)} as an object")
    found = {}
    for name, wanted in types.items():
        given = value.get(name)
        if given is None:
            continue
        if wanted is float and type(given) is int and abs(given) < _MAX:
            given = float(given)
        if type(given) is not wanted:
            raise bad_body(f"cannot take {_kind(given)} as field {name} of type {wanted.__name__}")
        if not (math.isfinite(given) if type(given) is float else type(given) is not int or -_MAX <= given < _MAX):
            raise bad_body(f"field {name} is out of range")
        found[name] = given
    return found


def settings(kind: type[Any], value: Any, before: Any = None) -> Any:
    """The settings of a toxic: what is given, else what they were, else their defaults. Raises RefusedError."""
    given = fields(value, **{field.name: int for field in dataclasses.fields(kind)})
    return kind(**given) if before is None else dataclasses.replace(before, **given)


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a bool", type(None): "null"}
    return kinds.get(type(value), f"number {str(value)[:30]}")


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")
