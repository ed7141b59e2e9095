"""An arm made by hand."""

from __future__ import annotations

from typing import Literal

from harness.load.document import LatencyResult, LoadArmResult, LoadPhaseResult, TimesResult

TIMES = TimesResult(p50=1e-4, p95=2e-4, p99=1e-3, p999=2e-3, max=5e-3)


def arm(
    role: Literal["baseline", "candidate"], cpu: float | None, rate: float, cores: float, driver: float
) -> LoadArmResult:
    """A cache that costs so much a request, and answers so many a second with its host so busy."""

    def phase(pace: str, done: float) -> LoadPhaseResult:
        return LoadPhaseResult(
            name=pace, pace=pace, began=0.0, seconds=1, target_rate=None, begun=None, operations=100, rate=done,
            errors=0, hit_ratio=1, latency=LatencyResult(service=TIMES, response=TIMES), by_operation=(),
            host_cpu=cores, driver_cpu=driver, driver_late=None, other_cpu=0.0,
        )  # fmt: skip

    return LoadArmResult(
        role=role, spec=role, capacity=1, adapted=(), operations=100, errors=0, achieved_rate=rate, latency=None,
        phases=(phase("closed", rate), phase("half", rate / 2)), counts=(), cpu_per_request=cpu, cache_seconds=None,
    )  # fmt: skip
