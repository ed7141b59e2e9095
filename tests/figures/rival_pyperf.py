"""The case as a user of pyperf writes it."""

from __future__ import annotations

import pyperf
from rival_case import prepare

runner = pyperf.Runner()
runner.bench_func("requests", prepare())
