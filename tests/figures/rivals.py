"""What pytest-benchmark and pyperf say of the same caches: each run measures both and asks the tool itself.

Both get what their users write: the cache filled, then a thousand requests of the same workload a round.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_SIDE = "CACHEGATE_FIGURES_SPEC"


def pytest_benchmark(baseline: str, candidate: str) -> dict[str, Any]:
    """Whether `--benchmark-compare-fail` of 5 % fails, by mean, median and minimum, baseline stored just before."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        common = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-only"]
        common += [
            "-c",
            os.devnull,
            "--rootdir",
            str(HERE),
            f"--benchmark-storage=file://{folder}",
            "--benchmark-save=x",
        ]
        case = str(HERE / "rival_pytest_benchmark.py")
        _run([*common, case], baseline)
        _run([*common, case], candidate)
        seconds = time.monotonic() - began
        stats = [
            json.loads(path.read_text())["benchmarks"][0]["stats"] for path in sorted(Path(folder).rglob("*.json"))
        ]
    # The rule of --benchmark-compare-fail=<field>:5%, on the two files that the tool wrote.
    changes = {field: stats[1][field] / stats[0][field] - 1 for field in ("mean", "median", "min")}
    return {"seconds": seconds, "changes": changes, "fails": {name: change > 0.05 for name, change in changes.items()}}


def pyperf(baseline: str, candidate: str) -> dict[str, Any]:
    """Whether `pyperf compare_to` calls the difference significant, and it is more than 5 % slower."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        files = []
        for number, spec in enumerate((baseline, candidate)):
            files.append(str(Path(folder) / f"{number}.json"))
            script = [sys.executable, str(HERE / "rival_pyperf.py"), "--inherit-environ", _SIDE, "-o", files[-1], "-q"]
            _run(script, spec)
        answer = _run([sys.executable, "-m", "pyperf", "compare_to", "--table", *files], baseline)
        seconds = time.monotonic() - began
    slower = re.search(r"([\d.]+)x slower", answer)
    change = float(slower[1]) - 1 if slower else 0.0
    significant = "Not significant" not in answer and "not significant" not in answer
    return {"seconds": seconds, "changes": {"mean": change}, "fails": {"mean": significant and change > 0.05}}


def _run(command: list[str], spec: str) -> str:
    environment = os.environ | {_SIDE: spec}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if finished.returncode:
        raise RuntimeError(f"{command[1:4]} failed: {(finished.stdout + finished.stderr)[-2000:]}")
    return finished.stdout
