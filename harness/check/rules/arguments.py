"""Rules of arguments: what is no key, value or ttl is refused, and a refused call changes nothing."""

from __future__ import annotations

import math
from typing import Any

from cache_impls.protocol import COUNTERS, Capability
from cache_impls.registry import Adapted
from harness.check.rules.lab import Lab
from harness.check.rules.rule import Kind, expect, rule


class _Text(str):
    """Text that cannot be multiplied: `"10" * 10**9`, as a conversion to nanoseconds does, costs gigabytes."""

    __slots__ = ()
    __mul__ = __rmul__ = None  # type: ignore[assignment]  # Python's way to say that there is none


_ODD: tuple[tuple[str, tuple[Any, ...]], ...] = (
    *(("get", (key,)) for key in (None, 1, b"key", "")),
    *(("set", (key, "value")) for key in (None, 1, b"key", "")),
    ("set", ("key", None)),
    *(("set", ("key", "value", ttl)) for ttl in (_Text("10"), True, 0, -1, math.nan, math.inf)),
    *(("delete", (key,)) for key in (None, "")),
)


def _applicable(cache: Adapted) -> list[tuple[str, tuple[Any, ...]]]:
    return [
        (operation, arguments)
        for operation, arguments in _ODD
        if (operation != "delete" or Capability.DELETE in cache.capabilities)
        and (len(arguments) < 3 or Capability.TTL in cache.capabilities)
    ]


@rule("refused", Kind.LAW, "A refused call changes nothing.", declared="forgets")
async def refused(lab: Lab) -> None:
    """Odd arguments; where one raises, the entry and the counters are as before."""
    for operation, arguments in _applicable(await lab.cache()):
        cache = await lab.cache()
        await cache.set("key", "before", 100.0 if Capability.TTL in cache.capabilities else None)
        counted = {name: cache.get_stats().get(name) for name in COUNTERS}
        try:
            await getattr(cache, operation)(*arguments)
        except Exception:  # any refusal will do; what counts is what it leaves
            said = f"{operation}{arguments!r} was refused"
            now = {name: cache.get_stats().get(name) for name in COUNTERS}
            expect(now == counted, f"{said}, and the counters went from {counted} to {now}")
            answer = await cache.get("key")
            expect(answer == "before", f"{said}, and the entry is now {answer!r}")


@rule("refuses", Kind.MANNERS, "What is no key, value or ttl is refused with TypeError or ValueError.")
async def refuses(lab: Lab) -> None:
    """A key is a non-empty str, a value is not None, a ttl is finite seconds above 0."""
    cache = await lab.cache()
    for operation, arguments in _applicable(cache):
        said = f"{operation}({', '.join(map(repr, arguments))})"
        try:
            answer = await getattr(cache, operation)(*arguments)
        except (TypeError, ValueError):
            continue
        except Exception as error:  # told: another type is bad manners
            expect(False, f"{said} raises {type(error).__name__}")
        else:
            expect(False, f"{said} is not refused; it answers {answer!r}")
