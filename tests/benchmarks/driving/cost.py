"""What a locust process costs: requests and processor time from the second second of a test to its end, as JSON."""

from __future__ import annotations

import json
import resource
from typing import Any

import gevent
from locust import events

_WARM_SECONDS = 1.0
_began: dict[str, float] = {}


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@events.test_start.add_listener  # type: ignore[untyped-decorator]  # locust types it as Any
def _begin(environment: Any, **_: Any) -> None:
    def note() -> None:
        _began.update(cpu=_cpu_seconds(), requests=environment.stats.total.num_requests)

    gevent.spawn_later(_WARM_SECONDS, note)


@events.test_stopping.add_listener  # type: ignore[untyped-decorator]  # as above
def _end(environment: Any, **_: Any) -> None:
    total = environment.stats.total
    said = {
        "cpu_seconds": _cpu_seconds() - _began["cpu"],
        "requests": total.num_requests - _began["requests"],
        "failures": total.num_failures,
    }
    print("cost", json.dumps(said), flush=True)
