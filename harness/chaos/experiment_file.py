"""An experiment's file as it is written: read with bounds, and looked at for code that is not ours.

YAML's aliases make a small file a large experiment, without end even; and each provider of Chaos Toolkit is a call of
any function, a command, or a request.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.chaos.plan import HOW_TO_INSTALL
from harness.errors import UsageError

MOST_BYTES = 256 << 10
MOST_PARTS = 50_000
"""Texts, numbers, lists and mappings, each as often as it stands in the experiment; ours have 200."""
OURS = ("harness.chaos.actions", "harness.chaos.probes", "harness.chaos.control")


def read(path: Path) -> dict[str, Any]:
    """The experiment in a file, whole. Raises UsageError with the line of what is wrong."""
    try:
        import yaml  # noqa: PLC0415  # of the extra: the names of experiments are known without it
    except ImportError as error:
        raise UsageError(f"chaos needs the package {error.name}: {HOW_TO_INSTALL}") from error
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise UsageError(f"{path} is longer than {MOST_BYTES >> 10} KiB; no experiment is")
        text = data.decode()
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None and _parts(node, {}) > MOST_PARTS:
            raise UsageError(f"{path} has more than {MOST_PARTS:,} parts once its aliases are followed")
        found = yaml.safe_load(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text: {error}") from error
    except RecursionError:
        raise UsageError(f"{path} is nested too deep") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        told = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UsageError(f"{path}{line}: {told}") from error
    except (ValueError, OverflowError) as error:  # a date or a number that is none
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no experiment of Chaos Toolkit")
    return found


def _parts(node: Any, known: dict[int, int | None]) -> int:
    """How many parts a node of YAML stands for. One that holds itself has more than any bound."""
    if id(node) in known:
        seen = known[id(node)]
        return MOST_PARTS + 1 if seen is None else seen
    known[id(node)] = None
    inside = node.value if isinstance(node.value, list) else []
    flat = [each for item in inside for each in (item if isinstance(item, tuple) else (item,))]
    known[id(node)] = count = 1 + sum(_parts(each, known) for each in flat)
    return count


def code_of_its_own(experiment: Any) -> bool:
    """Whether an experiment names anything to run that is not an action, a probe or the control of ours."""
    return any(not _is_ours(provider) for provider in _providers(experiment))


def _providers(found: Any) -> Iterator[Any]:
    if isinstance(found, dict):
        for name, value in found.items():
            if name == "provider":
                yield value
            yield from _providers(value)
    elif isinstance(found, list):
        for value in found:
            yield from _providers(value)


def _is_ours(provider: Any) -> bool:
    """Our modules have their own functions, and those that they import: the first alone are ours."""
    if not isinstance(provider, dict) or provider.get("type") != "python" or provider.get("module") not in OURS:
        return False
    if provider["module"] == OURS[2]:
        return True
    from harness.chaos.actions import ACTIONS  # noqa: PLC0415  # of the extra, as above

    return str(provider.get("func")) in (ACTIONS if provider["module"] == OURS[0] else ("served",))
