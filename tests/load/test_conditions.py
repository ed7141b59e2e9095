"""Each condition of a scenario: what meets it, what does not, and when nothing can be said."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from harness.load import conditions, reading
from harness.load.conditions import Measured
from harness.load.document import CountsResult, LoadPhaseResult, OperationResult, SecondResult, TimesResult
from harness.load.plan import CONDITIONS, scenario
from harness.model import CheckVerdict

PASS, FAIL, UNKNOWN, SKIPPED = CheckVerdict.PASS, CheckVerdict.FAIL, CheckVerdict.UNKNOWN, CheckVerdict.SKIPPED


def phase(
    name: str = "soak", *, rate: float | None = 1000, begun: int = 10_000, driver: float = 0.3, late: float = 0.001
) -> LoadPhaseResult:
    """Ten seconds."""
    return LoadPhaseResult(
        name=name, pace="1.0", began=0.0, seconds=10, target_rate=rate, begun=begun, operations=begun,
        rate=begun / 10, errors=0,
        by_operation=(OperationResult(name="get", answered=begun, errors=0, latency=None),),
        hit_ratio=1.0, latency=None,
        host_cpu=0.2, driver_cpu=driver, other_cpu=0.0,
        driver_late=TimesResult(p50=1e-5, p95=1e-4, p99=late, p999=late, max=late),
    )  # fmt: skip


def second(time: int, *, p99: float = 0.001, memory: int | None = 50_000_000) -> SecondResult:
    return SecondResult(
        time=time, operations=1000, errors=0, hit_ratio=1.0, p50=0.0001, p99=p99, host_memory_bytes=memory
    )


def verdict(condition: str, **changes: Any) -> CheckVerdict:
    """What a condition says of a good run of `soak` with these changes."""
    name = changes.pop("scenario", "soak")
    result = {
        "processes": 1, "workers": [{"users": 50, "lost_connections": 0}],
    } | changes.pop("result", {})  # fmt: skip
    fields: dict[str, Any] = {
        "scenario": scenario(name).model_copy(update={"conditions": (condition,)}),
        "users": 50,
        "result": result,
        "phases": (phase(),),
        "operations": 10_000,
        "failures": {},
        "examples": (),
        "shared": False,
        "counts": (CountsResult(name="reads", clients=10_000, host=10_000, cache=10_000),),
        "unsure": 0,
        "series": tuple(second(time) for time in range(20)),
        "spans": {},
    }
    found = conditions.check(Measured(**fields | changes))
    return found[-1].verdict


def counts(clients: int, host: int | None, cache: int | None) -> tuple[CountsResult, ...]:
    return (CountsResult(name="reads", clients=clients, host=host, cache=cache),)


@pytest.mark.parametrize(
    ("condition", "changes", "said"),
    [
        ("no_errors", {}, PASS),
        ("no_errors", {"failures": {"error reply": 1}}, FAIL),
        ("no_errors", {"failures": {"wrong answer": 3}}, FAIL),
        ("no_errors", {"operations": 0}, UNKNOWN),
        ("counts_agree", {}, PASS),
        ("counts_agree", {"counts": counts(10, 11, 10)}, FAIL),
        ("counts_agree", {"counts": counts(10, 10, 9)}, FAIL),
        ("counts_agree", {"counts": counts(10, 11, None), "unsure": 1}, PASS),
        ("counts_agree", {"counts": counts(10, 12, None), "unsure": 1}, FAIL),
        ("counts_agree", {"counts": counts(10, None, None)}, SKIPPED),
        ("counts_agree", {"counts": counts(10, 11, 10), "shared": True}, SKIPPED),
        ("counts_agree", {"result": {"processes": 2}}, UNKNOWN),
        ("on_schedule", {}, PASS),
        ("on_schedule", {"phases": (phase(begun=9_800),)}, UNKNOWN),
        ("on_schedule", {"phases": (phase(driver=0.95),)}, UNKNOWN),
        ("on_schedule", {"phases": (phase(late=0.2),)}, UNKNOWN),
        ("on_schedule", {"phases": (phase(begun=0, rate=0.0),)}, UNKNOWN),
        ("on_schedule", {"phases": (phase(begun=0, rate=None),)}, UNKNOWN),
        ("on_schedule", {"phases": ()}, UNKNOWN),
        ("on_schedule", {"phases": (phase(rate=None, driver=1.0),)}, PASS),
        ("all_connected", {}, PASS),
        ("all_connected", {"users": 51}, FAIL),
        ("all_connected", {"result": {"workers": [{"users": 50, "lost_connections": 1}]}}, FAIL),
        ("all_connected", {"failures": {"not connected": 1}}, FAIL),
        ("flat_memory", {}, PASS),
        ("flat_memory", {"series": tuple(second(t, memory=50_000_000 + 2_000_000 * t) for t in range(40))}, FAIL),
        ("flat_memory", {"series": tuple(second(t, memory=50_000_000 + min(t, 9) * 9**6) for t in range(40))}, PASS),
        ("flat_memory", {"series": tuple(second(t, memory=None) for t in range(40))}, UNKNOWN),
    ],
)
def test_a_condition(condition: str, changes: dict[str, Any], said: CheckVerdict) -> None:
    """One change to a good run each."""
    assert verdict(condition, **changes) is said


SPANS = {"before": (0.0, 10.0), "spike": (10.0, 15.0), "after": (15.0, 30.0)}


@pytest.mark.parametrize(
    ("slow_until", "spans", "said"), [(16, SPANS, PASS), (30, SPANS, FAIL), (16, {"before": (0.0, 10.0)}, UNKNOWN)]
)
def test_recovers(slow_until: int, spans: dict[str, tuple[float, float]], said: CheckVerdict) -> None:
    """Slow in the spike and a second after is recovered; slow to the end is not."""
    series = tuple(second(t, p99=0.1 if 10 <= t < slow_until else 0.003) for t in range(30))
    assert verdict("recovers", scenario="spike", series=series, spans=spans) is said


def test_a_dead_process_of_the_driver_is_told_first() -> None:
    """Its part of the run is not known."""
    found = conditions.check(
        Measured(
            scenario=scenario("soak"), users=50, phases=(phase(),), operations=10, counts=(),
            unsure=0, failures={}, examples=(), shared=False,
            series=(), spans={},
            result={"processes": 2, "workers": [{"users": 25, "lost_connections": 0}]},
        )
    )  # fmt: skip
    assert (found[0].id, found[0].verdict) == ("driver", UNKNOWN)
    assert "1 of 2 processes" in found[0].summary


def test_every_condition_is_judged_somewhere() -> None:
    """None is announced and forgotten; `lawful` has results of its own."""
    assert set(conditions._CHECKS) | {"lawful"} == set(CONDITIONS)


def test_three_counts_of_the_same() -> None:
    """From INFO before and after: of a host and its cache, of a Valkey, of neither."""
    clients = Counter(get_ok=10, hits=7, set_ok=5, delete_ok=2, removed=1)
    before = {"cachegate_get_ok": "1", "cache_hits": "1", "cache_misses": "0", "cachegate_set_ok": "0"}
    after = {"cachegate_get_ok": "11", "cache_hits": "8", "cache_misses": "3", "cachegate_set_ok": "5"}
    rows = {row.name: row for row in reading.counts(clients, before, after)}
    assert (rows["reads"].clients, rows["reads"].host, rows["reads"].cache) == (10, 10, 10)
    assert (rows["hits"].cache, rows["writes"].host, rows["deletes"].host) == (7, 5, None)
    valkey = reading.counts(
        clients, {"keyspace_hits": "0", "keyspace_misses": "0"}, {"keyspace_hits": "7", "keyspace_misses": "3"}
    )
    assert (valkey[0].host, valkey[0].cache, valkey[1].cache) == (None, 10, 7)
    assert all(row.host is None and row.cache is None for row in reading.counts(clients, {}, {}))
