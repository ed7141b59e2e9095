"""The figures of `tune`, measured: resumable, a line of results/tune/runs.jsonl a finished run.

A best setting is planted among fifteen, in one parameter of fifteen values or in five by three of which one does
nothing; every run is the command itself. `--minutes 30` stops after so long, `--only NAME` runs one figure, `--table`
only prints. The kinds of runs take turns.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from harness.measure.environment import environment

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "results" / "tune"
RUNS = RESULTS / "runs.jsonl"
PLANTED = "tests/zoo/planted.py"
TARGET = 8.0
"""Percent by which the planted setting is better, if the work fits."""
PROBED = 20
"""Turns of the copy's loop that the calibration tries."""
ONE = ("planted", "shards=" + ",".join(map(str, range(1, 16))))
TWO = ("two", "shards=1,2,4,8,16", "idle=1,2,3")
BEST = {"planted": "shards=9", "two": "shards=8"}
HALF_WIDTH = "0.3%"
GRID_BUDGET = "600s"

Record = dict[str, Any]

WANTED = {"calibrate": 3, "15 x 1": 10, "5 x 3": 10, "race": 5, "full grid": 5}


def tune(factory: str, work: int, varied: tuple[str, ...], *options: str) -> Record:
    """One run of the command."""
    parameters = [part for text in varied for part in ("-p", text)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, "-m", "harness", "tune", f"{PLANTED}:{factory}?work={work}", *parameters]
        finished = subprocess.run(
            [*command, "--json", str(out), *options], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
        )
        if not out.exists():
            raise RuntimeError(f"tune failed: {finished.stderr[-500:]}")
        document = json.loads(out.read_text())
    time_row = next((row for row in document["metrics"] if row["name"] == "operation_time"), None)
    return {
        "verdict": document["verdict"],
        "reason": document["reason"],
        "recommended": document["recommended"] or (document["settings"] or [{"spec": None}])[0]["spec"],
        "seconds": document["elapsed_seconds"],
        "trials": document["trials"],
        "blocks": [document[f"{what}_blocks"] for what in ("complete", "race", "confirming")],
        "change": time_row and [time_row[name] for name in ("change", "low", "high")],
        "differences": time_row and time_row["differences"],
        "effects": {
            parameter["name"]: [[e["metric"], e["answer"], e["change"], e["bound"]] for e in parameter["effects"]]
            for parameter in document["parameters"]
        },
        "other_cpu": document["disturbance"]["other_cpu"],
    }


def measure(name: str) -> Record:
    """One run of a figure."""
    if name == "calibrate":
        return tune("planted", PROBED, ("shards=1,9",), "--budget", "40s", "--precision", "0.2%")
    work = work_for(TARGET)
    factory, *varied = ONE if name in ("15 x 1", "race", "full grid") else TWO
    options = ["--precision", HALF_WIDTH, "--budget", GRID_BUDGET] if name in ("race", "full grid") else []
    options += ["--full-grid"] if name == "full grid" else []
    return {"work": work, "best": BEST[factory]} | tune(factory, work, tuple(varied), *options)


def work_for(percent: float) -> int:
    """Turns of the loop that make the rest so much slower that the planted setting is percent better."""
    gains = [-math.log1p(record["change"][0]) for record in load() if record["figure"] == "calibrate"]
    slower = math.exp(float(np.median(gains))) - 1
    return round(PROBED * (1 / (1 - percent / 100) - 1) / slower)


def load() -> list[Record]:
    """All finished runs."""
    return [json.loads(line) for line in RUNS.read_text().splitlines()] if RUNS.exists() else []


def table(records: list[Record]) -> str:
    """What was reached, of how many."""
    of = {name: [record for record in records if record["figure"] == name] for name in WANTED}
    machine = environment()
    lines = [
        "# Figures of tune",
        "",
        (
            f"Measured by tests/tune/figures.py on {machine.cpu_model}, {machine.cpu_count} processors, Python "
            f"{machine.python}; other work shared the machine and kept "
            f"{np.median([r['other_cpu'] for r in records]) if records else 0:.1f} cores busy in the median."
        ),
        "",
        "| figure | to reach | measured |",
        "|---|---|---|",
    ]
    for name in ("15 x 1", "5 x 3"):
        if runs := of[name]:
            found = sum(run["best"] in (run["recommended"] or "") and run["verdict"] == "proceed" for run in runs)
            named = sum(run["best"] in (run["recommended"] or "") for run in runs)
            gains = [-run["change"][0] * 100 for run in runs if run["change"]]
            lines.append(
                f"| planted best of {name} found and told (PROCEED) within 120 s | 9 of 10 | {found} of {len(runs)} "
                f"(named, decided or not: {named}); {np.median([run['seconds'] for run in runs]):.0f} s in the median; "
                f"told as {np.median(gains):.1f} % better ({min(gains):.1f} to {max(gains):.1f}) |"
            )
    if runs := of["5 x 3"]:
        for parameter, answer, reach in (("idle", "none", "10 of 10"), ("shards", "effect", "10 of 10")):
            told = [next(e for e in run["effects"][parameter] if e[0] == "operation_time") for run in runs]
            count = sum(e[1] == answer for e in told)
            wrong = sum(e[1] not in (answer, "open") for e in told)
            bounds = [e[3] * 100 for e in told if e[3] is not None]
            bound = f"; at most {np.median(bounds):.2f} % in the median" if bounds and answer == "none" else ""
            lines.append(
                f"| `{parameter}`: {answer} | {reach} | {count} of {len(runs)}, the opposite in {wrong}{bound} |"
            )
    if of["race"] and of["full grid"]:
        for what, unit in (("seconds", "s"), ("trials", "trials")):
            race, grid = (np.median([run[what] for run in of[name]]) for name in ("race", "full grid"))
            widths = [
                50 * np.median([run["change"][2] - run["change"][1] for run in of[name] if run["change"]])
                for name in ("race", "full grid")
            ]
            lines.append(
                f"| full grid against race, {what} until the recommended is known to {HALF_WIDTH} either side | "
                f"3 times | {grid / race:.1f} times: {grid:.0f} {unit} against {race:.0f} (medians of "
                f"{len(of['full grid'])} and {len(of['race'])}; plain 99 % half-widths then {widths[1]:.2f} and "
                f"{widths[0]:.2f} %) |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Do what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(WANTED))
    parser.add_argument("--table", action="store_true", help="only write the table")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this long")
    arguments = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + arguments.minutes * 60
    try:
        while not arguments.table and time.monotonic() < end:
            done = {name: sum(record["figure"] == name for record in load()) for name in WANTED}
            waiting = [n for n in WANTED if done[n] < WANTED[n] and (not arguments.only or n in arguments.only)]
            if not waiting:
                break
            name = min(waiting, key=lambda one: (one != "calibrate", done[one] / WANTED[one]))
            print(f"{name} {done[name] + 1}", end=" ", file=sys.stderr, flush=True)
            record: Record = {"figure": name, "at": time.time(), "commit": commit()} | measure(name)
            with RUNS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            print(f"{record['seconds']:.0f} s {record['reason'][:100]}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept", file=sys.stderr)
    text = table(load())
    (RESULTS / "tune.md").write_text(text, encoding="utf-8")
    print(text)


def commit() -> str:
    """The commit that is measured."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
