"""The zoo's score (`nox -s check`): which faults are found, after how many schedules, and which decoys are accused.

Each animal is checked in a process of its own, as its user would; a fault's check ends with the first law that must
accuse it. `--seeds N` repeats with N seeds, `--only NAME` checks one animal, `--schedules N` bounds each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

from animals import DECOYS, FAULTS, Animal  # found by the line above

from harness.check.rules import RULES
from harness.check.run import Events, run
from harness.measure.environment import environment

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "results" / "zoo"
OURS = tuple(
    Animal(name=spec, spec=spec, caught_by=(), source="ours")
    for spec in (
        *("legacy", "improved", "improved?num_shards=1", "migration?stage=live"),
        *("hierarchy", "hierarchy?max_entries=2"),
    )
)
LAWS = {rule.id for rule in RULES if rule.kind == "law"}


class Scored(NamedTuple):
    """What became of one animal with one seed."""

    animal: str
    seed: int
    accused: tuple[str, ...]
    """Laws and rules that it breaks."""
    found: bool
    """Whether one of those that must accuse it does."""
    schedules: int
    """Before the first of them broke; 0 if a rule did, or for a decoy all that were played."""
    operations: int | None
    """Of the shrunk history that proves it."""
    seconds: float
    trouble: str


def score(animal: Animal, seed: int, schedules: int, seconds: float) -> Scored:
    """Check one animal."""
    job: dict[str, Any] = {
        "spec": str(animal.spec),
        "seed": seed,
        "seconds": seconds,
        "schedules": schedules,
        "profiles": [],
        "only": [],
        "enough": list(animal.caught_by),
    }
    began = time.monotonic()
    events = run(job, seed, lambda _: None)
    rules = tuple(event["id"] for event in events.rules if event["verdict"] == "fail")
    laws = {event["check"]: event for event in events.violations}
    by_rule = "conformance" in animal.caught_by and bool(rules)
    by_rule |= "C12" in animal.caught_by and bool((events.knobs or {}).get("idle"))
    caught = [laws[identity] for identity in animal.caught_by if identity in laws]
    first = min(caught, key=lambda event: event["after"], default=None)
    return Scored(
        animal=animal.name,
        seed=seed,
        accused=(*(rule for rule in rules if rule in LAWS or animal.caught_by), *laws),
        found=by_rule or first is not None,
        schedules=first["after"] if first else (0 if by_rule else events.schedules),
        operations=first["operations"] if first else None,
        seconds=time.monotonic() - began,
        trouble=_trouble(events),
    )


def _trouble(events: Events) -> str:
    if events.bad or events.real or events.died:
        return str(events.bad or events.real or events.died)
    return "blocked" if events.blocked is not None else "; ".join(events.problems or [])


def main() -> int:
    """Score all, print the table, and fail if one is missed or a decoy accused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, help="repeat with so many seeds")
    parser.add_argument("--only", action="append", help="one animal; may be repeated")
    parser.add_argument("--faults", action="store_true", help="leave the decoys out")
    parser.add_argument("--jobs", type=int, default=1, help="so many at once, of which each needs a processor")
    parser.add_argument("--schedules", type=int, default=10_000, help="of a decoy, all; of a fault, at most 60 s worth")
    arguments = parser.parse_args()
    animals = FAULTS if arguments.faults else (*FAULTS, *DECOYS, *OURS)
    chosen = [animal for animal in animals if not arguments.only or animal.name in arguments.only]
    tasks = [(animal, seed) for animal in chosen for seed in range(1, arguments.seeds + 1)]

    def scored(task: tuple[Animal, int]) -> Scored:
        animal, seed = task
        limit = 10**9 if animal.caught_by else arguments.schedules
        found = score(animal, seed, limit, 60.0 if animal.caught_by else 600.0)
        print(_line(animal, found), flush=True)
        return found

    with ThreadPoolExecutor(arguments.jobs) as pool:  # each waits for a process of its own
        return _summary(list(pool.map(scored, tasks)))


def _line(animal: Animal, found: Scored) -> str:
    good, bad = ("found", "MISSED") if animal.caught_by else ("clean", "ACCUSED")
    word = good if found.found or not (animal.caught_by or found.accused) else bad
    operations = "" if found.operations is None else f", {found.operations} operations"
    return (
        f"{word:11} {animal.name:26} {' '.join(found.accused):40.60} {found.schedules:7,} schedules{operations}, "
        f"{found.seconds:.1f} s {found.trouble}"
    )


def _summary(scored: list[Scored]) -> int:
    names = {animal.name for animal in FAULTS}
    faults = [found for found in scored if found.animal in names]
    decoys = [found for found in scored if found.animal not in names]
    missed = [found for found in faults if not found.found]
    alarms = [found for found in decoys if found.accused]
    by_schedules = [found for found in faults if found.found and found.schedules]
    shrunk = [found.operations for found in faults if found.operations is not None]
    seeds = len({found.seed for found in scored})
    told = []
    if faults:
        told.append(
            f"{len(faults) - len(missed)} of {len(faults)} faults found, {len(missed)} missed ({_times(seeds)})"
        )
    if decoys:
        fewest = min(found.schedules for found in decoys)
        told.append(f"{len(alarms)} false alarms on {len(decoys)} correct caches, {fewest:,} schedules each or more")
    if by_schedules:
        told.append(
            f"schedules to find, in the median {statistics.median(found.schedules for found in by_schedules):,.0f}, "
            f"at most {max(found.schedules for found in by_schedules):,}; "
            f"{sum(found.schedules == 0 for found in faults if found.found)} by a rule alone"
        )
        slowest = max(faults, key=lambda found: found.seconds)
        told.append(f"the slowest to find and shrink took {slowest.seconds:.0f} s ({slowest.animal})")
    if shrunk:
        short = sum(operations <= 8 for operations in shrunk)
        told.append(
            f"shrunk to at most 8 operations: {short} of {len(shrunk)}; in the median {statistics.median(shrunk):g}"
        )
    print("", *told, sep="\n")
    if not (names - {found.animal for found in scored}):  # not of a part
        RESULTS.mkdir(parents=True, exist_ok=True)
        name = f"score-{_times(seeds).replace(' ', '-')}"
        rows = "".join(json.dumps(found._asdict()) + "\n" for found in scored)
        (RESULTS / f"{name}.jsonl").write_text(rows, encoding="utf-8")
        machine = environment()
        where = f"{machine.cpu_model}, {machine.cpu_count} processors, Python {machine.python}, commit {_commit()}"
        text = "\n".join(
            ("# The zoo's score", "", f"On {where}; other work shared the machine.", "", *map("- ".__add__, told))
        )
        (RESULTS / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    return 1 if missed or alarms else 0


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def _times(seeds: int) -> str:
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


if __name__ == "__main__":
    sys.exit(main())
