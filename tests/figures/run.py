"""The figures of GATE.md, measured: `nox -s figures` (hours), `nox -s figures -- --short` (minutes).

Every finished run is a line of results/figures/runs.jsonl at once, so an interrupted run goes on where it
stopped; `--fresh` starts anew, `--only NAME` runs one figure, `--table` only prints. The kinds of runs take
turns, so that whatever time it gets, all figures have some. Nothing is decided here: each run is the command
itself, or the same parts.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import table
from load import bursts
from rivals import pyperf, pytest_benchmark

from harness.gate.policy import CONFIDENCE
from harness.measure.contest import Contest, Options
from harness.measure.environment import environment
from harness.model import Arm, Role
from harness.stats.location import one_sample

from cache_impls.registry import parse  # isort: skip

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "results" / "figures"
RUNS = RESULTS / "runs.jsonl"
COPY = "tests/zoo/slowed.py:operations"
SWEEP = "tests/zoo/slowed.py:sweep"
CALIBRATED = (10, 20, 40)
"""Turns of the copy's loop: 3 to 12 % here."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One kind of run: how often it is done, in full and in short, and how."""

    name: str
    full: int
    short: int
    run: Callable[[int], Record]


def slowed(percent: float) -> str:
    """The copy of improved that is percent slower, by this machine's calibration; 0 has the same plumbing."""
    return f"{COPY}?work={work_for(percent)}"


def work_for(percent: float) -> int:
    """Turns of the empty loop that slow an operation by percent."""
    records = [record for record in load() if record["figure"] == "calibrate"]
    works = sorted({record["work"] for record in records})
    effects = [np.median([record["log_ratio"] for record in records if record["work"] == work]) for work in works]
    return round(float(np.interp(math.log1p(percent / 100), [0.0, *effects], [0, *works])))


def calibrate(index: int) -> Record:
    """The log ratio that turns of the copy's loop add, by pairs that no rule stops."""
    work = CALIBRATED[index % len(CALIBRATED)]
    differences = pairs_for(f"{COPY}?work=0", f"{COPY}?work={work}", seconds=20, mode="pairs")
    estimate = one_sample(differences, CONFIDENCE)
    spread = 1.4826 * float(np.median(np.abs(np.array(differences) - estimate.value)))
    return {
        "work": work,
        "log_ratio": estimate.value,
        "half_width": estimate.half_width,
        "pairs": len(differences),
        "spread": spread,
    }


def pairs_for(baseline: str, candidate: str, *, seconds: float, mode: Any) -> list[float]:
    """How much worse the operation time of candidate was, in all pairs of so many seconds."""
    arms = (Arm(role=Role.BASELINE, spec=parse(baseline)), Arm(role=Role.CANDIDATE, spec=parse(candidate)))
    options = Options(workloads=("ycsb-b",), seed=time.time_ns() % 2**32, mode=mode)
    found: list[float] = []
    with Contest(*arms, options, lambda _: None) as contest:
        contest.prepare()
        while contest.elapsed_seconds < seconds:
            found.append(contest.pair("ycsb-b", memory=False).differences["operation_time"])
    return found


def gate(baseline: str, candidate: str, *options: str, load: bool = False, index: int = 0) -> Record:
    """One run of the live gate, as its user runs it."""
    with tempfile.TemporaryDirectory() as folder, bursts(index) if load else nullcontext():
        out = Path(folder) / "out.json"
        command = [sys.executable, "-m", "harness", "gate", baseline, candidate, "--json", str(out), *options]
        finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        if not out.exists():
            raise RuntimeError(f"gate failed: {finished.stderr[-500:]}")
        document = json.loads(out.read_text())
    return {
        "verdict": document["verdict"],
        "exit_code": finished.returncode,
        "seconds": document["elapsed_seconds"],
        "reason": document["reason"],
        "other_cpu": document["disturbance"]["other_cpu"],
        "harness_ns": next(iter(document["harness_ns"].values()), None),
        "metrics": {
            found["name"]: [found["change"], found["pairs"], found["verdict"]] for found in document["metrics"]
        },
        "differences": next(m["differences"] for m in document["metrics"] if m["name"] == "operation_time"),
    }


def half_width(mode: str) -> Record:
    """Half the 99 % interval of the operation time after 60 s of pairs."""
    differences = pairs_for("improved", "improved", seconds=60, mode=mode)
    return {"half_width": one_sample(differences, CONFIDENCE).half_width, "pairs": len(differences)}


def stored(percent: float) -> Record:
    """One stored baseline, kept whole: `table` compares those that lie ten minutes apart."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "baseline.json"
        command = [sys.executable, "-m", "harness", "baseline", slowed(percent), "-o", str(out)]
        began = time.monotonic()
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
        return {"seconds": time.monotonic() - began, "document": json.loads(out.read_text())}


def start(_index: int) -> Record:
    """From the start of an interpreter to the first operation of its trial, alone on the machine."""
    options = Options(workloads=("ycsb-b",), seed=1)
    arm = Arm(role=Role.BASELINE, spec=parse("improved"))
    with Contest(arm, arm, options, lambda _: None) as contest:
        contest.prepare()
        return {"start_seconds": contest.start_seconds[0]}


def _gates(name: str, full: int, short: int, percent: float, *options: str, load: bool = False) -> Figure:
    def run(index: int) -> Record:
        return gate(slowed(0), slowed(percent), *options, load=load, index=index)

    return Figure(name=name, full=full, short=short, run=run)


FIGURES = [
    Figure(name="calibrate", full=9, short=3, run=calibrate),
    _gates("same, quiet", 200, 12, 0),
    _gates("same, bursty", 100, 6, 0, load=True),
    _gates("+10 %, quiet", 50, 6, 10),
    _gates("+10 %, bursty", 50, 4, 10, load=True),
    _gates("+8 %, quiet", 10, 3, 8),
    _gates("+8 %, bursty", 10, 3, 8, load=True),
    _gates("+7 %, quiet", 50, 6, 7),
    _gates("+6 %, quiet", 40, 3, 6),
    _gates("+4 %, quiet", 40, 3, 4),
    _gates("+3 %, quiet", 40, 5, 3),
    Figure(
        name="sweep +12 %",
        full=10,
        short=3,
        run=lambda index: gate(SWEEP, f"{SWEEP}?work=288000", "--workload", "churn", index=index),
    ),
    Figure(name="half-width, pairs", full=5, short=1, run=lambda _: half_width("pairs")),
    Figure(name="half-width, precise", full=5, short=1, run=lambda _: half_width("precise")),
    Figure(name="stored, same", full=30, short=4, run=lambda _: stored(0)),
    Figure(name="stored, +10 %", full=15, short=3, run=lambda _: stored(10)),
    Figure(name="start", full=30, short=10, run=start),
    Figure(name="pytest-benchmark, same", full=60, short=10, run=lambda _: pytest_benchmark(slowed(0), slowed(0))),
    Figure(name="pytest-benchmark, +7 %", full=30, short=6, run=lambda _: pytest_benchmark(slowed(0), slowed(7))),
    Figure(name="pyperf, same", full=20, short=2, run=lambda _: pyperf(slowed(0), slowed(0))),
    Figure(name="pyperf, +7 %", full=10, short=1, run=lambda _: pyperf(slowed(0), slowed(7))),
]


def commit() -> str:
    """The commit that is measured; a table over several says so."""
    finished = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return finished.stdout.strip() or "unknown"


def load() -> list[Record]:
    """All finished runs."""
    if not RUNS.exists():
        return []
    return [json.loads(line) for line in RUNS.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Do what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="minutes in place of hours")
    parser.add_argument("--only", action="append", help="one figure; may be repeated")
    parser.add_argument("--fresh", action="store_true", help="forget earlier runs")
    parser.add_argument("--table", action="store_true", help="only write the table")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this long")
    arguments = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    if arguments.fresh:
        RUNS.unlink(missing_ok=True)
    end = time.monotonic() + arguments.minutes * 60
    try:
        while not arguments.table and time.monotonic() < end:
            if not _next(arguments.short, arguments.only):
                break
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept", file=sys.stderr)
    text = table.render(load(), environment())
    (RESULTS / "figures.md").write_text(text, encoding="utf-8")
    print(text)


def _next(short: bool, only: list[str] | None) -> bool:
    """Do the run that is furthest behind; False if none is missing."""
    counts: dict[str, int] = {}
    for record in load():
        counts[record["figure"]] = counts.get(record["figure"], 0) + 1
    waiting = []
    for figure in FIGURES:
        wanted = figure.short if short else figure.full
        done = counts.get(figure.name, 0)
        if done < wanted and (only is None or figure.name in only):
            waiting.append((done / wanted, figure, done))
    if not waiting:
        return False
    _, figure, done = min(waiting, key=lambda row: (row[1].name != "calibrate", row[0]))
    print(f"{figure.name} {done + 1}", end=" ", file=sys.stderr, flush=True)
    began = time.time()
    record = {"figure": figure.name, "at": began, "commit": commit()} | figure.run(done)
    with RUNS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    print(f"{time.time() - began:.1f} s {record.get('verdict', '')}", file=sys.stderr, flush=True)
    return True


if __name__ == "__main__":
    main()
