"""What each way to explore is worth: how many schedules every fault of the zoo takes.

`nox -s check -- --policies` runs it. Each way of exploring is given the same faults, seeds and bound; those that
rules find without exploring are left out. A fault that is not found counts with the bound, which flatters the way
that missed it. Every finished run is a line of results/zoo/policies.jsonl, so an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from animals import FAULTS, Animal  # found by the line above

from harness.check.run import run

RESULTS = Path(__file__).resolve().parent.parent.parent / "results" / "zoo"
RUNS = RESULTS / "policies.jsonl"
WAYS: dict[str, dict[str, Any]] = {
    "what check does": {},
    "few preemptions alone": {"policies": ["few"]},
    "changing priorities alone": {"policies": ["priority"]},
    "uniform order": {"policies": ["uniform"]},
    "all operations in every schedule": {"swarm": False},
    "uniform chance in everything": {"policies": ["uniform"], "few_keys": False, "swarm": False},
}
CHANCE = "uniform chance in everything"
BOUND = 5_000
SECONDS = 120.0


def explored(animal: Animal, way: str, seed: int) -> dict[str, Any]:
    """One run, which ends with the first law that must accuse the animal."""
    laws = [check for check in animal.caught_by if check not in ("conformance", "C12")]
    job = {
        "spec": animal.spec,
        "seed": seed,
        "seconds": SECONDS,
        "schedules": BOUND,
        "profiles": [],
        "only": laws,
        "enough": laws,
        "how": {"shrink": False} | WAYS[way],
    }
    events = run(job, seed, lambda _: None)
    if events.bad or events.internal:
        raise RuntimeError(f"{animal.name} could not be explored: {events.bad or events.internal}")
    after = [event["after"] for event in events.violations if event["check"] in laws]
    # One that blocks or ends its process is found as well, by C0, in some schedule that is not told.
    return {"animal": animal.name, "way": way, "seed": seed, "after": min(after, default=None)}


def by_exploring() -> list[Animal]:
    """Faults that a law of exploration must accuse."""
    return [animal for animal in FAULTS if set(animal.caught_by) - {"conformance", "C12"}]


def load() -> list[dict[str, Any]]:
    """All finished runs."""
    return [json.loads(line) for line in RUNS.read_text(encoding="utf-8").splitlines()] if RUNS.exists() else []


def table(rows: list[dict[str, Any]]) -> str:
    """The comparison, over the faults and seeds that all ways have in common."""
    done = {way: {(row["animal"], row["seed"]): row["after"] for row in rows if row["way"] == way} for way in WAYS}
    common = sorted(set.intersection(*(set(found) for found in done.values())))
    never = {name for name, _ in common} - {pair[0] for found in done.values() for pair in common if found[pair]}
    common = [pair for pair in common if pair[0] not in never]
    after = {way: np.array([found[pair] or BOUND for pair in common], dtype=float) for way, found in done.items()}
    chance = np.log(after[CHANCE])
    lines = [
        "# What each way to explore is worth",
        "",
        f"Schedules until a fault of the zoo is found, over {len(common)} pairs of fault and seed; {len(never)} faults",
        "that no way found are left out: the rules find them. The ratio is to uniform chance, of geometric means over",
        f"the same pairs, with its 95 % interval. One that was not found within {BOUND:,} counts with that.",
        "By `nox -s check -- --policies`.",
        "",
        "| way to explore | found | geometric mean | median | 90 % of them within | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for way, found in done.items():
        if len(common) < 2:  # of one there is no spread
            continue
        hits = sum(found[pair] is not None for pair in common)
        logs = np.log(after[way])
        ratios = logs - chance
        half = 1.96 * ratios.std(ddof=1) / np.sqrt(len(ratios))
        ratio = "1" if way == CHANCE else " to ".join(f"{np.exp(ratios.mean() + side):.2f}" for side in (-half, half))
        median, most = np.quantile(after[way], (0.5, 0.9))
        mean = np.exp(logs.mean())
        lines.append(f"| {way} | {hits} of {len(common)} | {mean:.1f} | {median:.0f} | {most:,.0f} | {ratio} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Do what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2, help="repeat with so many seeds")
    parser.add_argument("--jobs", type=int, default=1, help="so many at once, of which each needs a processor")
    parser.add_argument("--fresh", action="store_true", help="forget earlier runs")
    arguments = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    if arguments.fresh:
        RUNS.unlink(missing_ok=True)
    done = {(row["animal"], row["way"], row["seed"]) for row in load()}
    seeds = range(1, arguments.seeds + 1)
    tasks = [(animal, way, seed) for seed in seeds for animal in by_exploring() for way in WAYS]
    missing = [task for task in tasks if (task[0].name, *task[1:]) not in done]
    pool = ThreadPoolExecutor(arguments.jobs)  # each waits for a process of its own
    try:
        for finished in as_completed([pool.submit(explored, *task) for task in missing]):
            found = finished.result()
            with RUNS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
            print(f"{found['animal']} {found['way']} {found['seed']}: {found['after']}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept", file=sys.stderr)
    finally:
        pool.shutdown(cancel_futures=True)
    text = table(load())
    (RESULTS / "policies.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
