"""What the blocks showed: by metric a row a block, with a value of each setting that took part. Pure.

Kept twice: as measured, to be shown, and on the metric's scale, worse positive, on which differences within a row are
taken. Rows of different blocks are never compared.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.documents import MetricResult
from harness.gate.judge import describe
from harness.gate.policy import CPU_TIME, HIT_RATIO, MEMORY, OPERATION_TIME, TAIL
from harness.stats.location import Estimate, one_sample
from harness.stats.metric import Better, Metric, Scale

METRICS = (OPERATION_TIME, CPU_TIME, TAIL, MEMORY, HIT_RATIO)

Row = dict[int, float]


class Evidence:
    """All rows so far."""

    def __init__(self) -> None:
        self._measured: dict[str, list[Row]] = {}
        self._scaled: dict[str, list[Row]] = {}

    def add(
        self, members: Sequence[int], values: dict[str, tuple[float, ...]], logs: Sequence[float] = ()
    ) -> dict[str, Row]:
        """Keep one block: values by metric, a row a member; logs of the operation time, known better turn by turn.

        Returns the row of each metric on its scale.
        """
        rows = {}
        for metric in METRICS:
            if metric.name not in values:
                continue
            measured = dict(zip(members, values[metric.name], strict=True))
            scaled = {i: _scaled(metric, value) for i, value in measured.items()}
            if metric is OPERATION_TIME and len(logs):
                scaled = dict(zip(members, logs, strict=True))
            self._measured.setdefault(metric.name, []).append(measured)
            self._scaled.setdefault(metric.name, []).append(scaled)
            rows[metric.name] = scaled
        return rows

    def blocks(self, metric: Metric, setting: int) -> int:
        """How many rows of metric have setting."""
        return sum(setting in row for row in self._scaled.get(metric.name, []))

    def differences(self, metric: Metric, setting: int, default: int) -> list[float]:
        """How much worse setting was than default, in each block that had both."""
        rows = self._scaled.get(metric.name, [])
        return [row[setting] - row[default] for row in rows if setting in row and default in row]

    def estimate(self, metric: Metric, setting: int, default: int, confidence: float) -> Estimate | None:
        """The same as one number and its interval; None without a block."""
        found = self.differences(metric, setting, default)
        return one_sample(found, confidence) if found else None

    def middle(self, metric: Metric, setting: int) -> float | None:
        """The mean of what was measured of setting, geometric for ratios; None without a block."""
        values = [row[setting] for row in self._measured.get(metric.name, []) if setting in row]
        if not values:
            return None
        return float(np.mean(values)) if metric.scale is Scale.POINTS else math.exp(float(np.mean(np.log(values))))

    def complete(self, metric: Metric, settings: Collection[int], most: int) -> NDArray[np.float64]:
        """The first rows that have all of settings, at most so many: a row a block, a column a setting in order."""
        rows = [row for row in self._scaled.get(metric.name, []) if all(i in row for i in settings)]
        return np.array([[row[i] for i in settings] for row in rows[:most]], dtype=np.float64)

    def result(self, metric: Metric, workload: str, setting: int, default: int) -> MetricResult | None:
        """Setting against default as the gate shows it, not judged; None without a block that had both."""
        rows = [row for row in self._measured.get(metric.name, []) if setting in row and default in row]
        if not rows:
            return None
        sides = [[row[i] for row in rows] for i in (default, setting)]
        return describe(metric, workload, sides[0], sides[1], self.differences(metric, setting, default))


def _scaled(metric: Metric, value: float) -> float:
    found = value if metric.scale is Scale.POINTS else math.log(value)
    return found if metric.better is Better.LOWER else -found
