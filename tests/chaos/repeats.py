"""Whether an experiment says the same when it is repeated with the same seed (results/chaos/repeats.md).

`python tests/chaos/repeats.py --times 20`; it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "results" / "chaos"
CACHES = {"container_limit": "improved"}
"""Where `hierarchy`, which has everything to break, lacks something."""
SEED = 1


def main() -> int:
    """Repeat all, and write what came of it; 1 if one did not say the same each time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", action="append", help="one experiment; may be repeated")
    arguments = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = RESULTS / "repeats.jsonl"
    rows: list[dict[str, Any]] = []
    if kept.exists():
        rows = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    names = arguments.only or sorted(path.stem for path in (ROOT / "scenarios" / "chaos").glob("*.yaml"))
    for turn in range(arguments.times):
        for name in names:
            if sum(row["experiment"] == name for row in rows) > turn:
                continue
            row = _once(name)
            rows.append(row)
            with kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(
                f"{turn + 1:3} {name:20} {row['verdict']:13} {row['seconds']:5.1f} s  {row['reason'][:90]}", flush=True
            )
    return _summary(rows)


def _once(name: str) -> dict[str, Any]:
    cache = CACHES.get(name, "hierarchy")
    command = [sys.executable, "-m", "harness", "chaos", name, cache, "--seed", str(SEED), "--json", "-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return {
            "experiment": name,
            "cache": cache,
            "verdict": f"exit {done.returncode}",
            "seconds": 0.0,
            "reason": done.stderr[-200:],
        }
    return {
        "experiment": name, "cache": cache, "verdict": found["verdict"], "seconds": found["elapsed_seconds"],
        "reason": found["reason"],
    }  # fmt: skip


def _summary(rows: list[dict[str, Any]]) -> int:
    lines = [
        "# The same experiment, the same seed, again and again",
        "",
        f"Seed {SEED}; other work shared the machine.",
        "",
    ]
    lines += ["| experiment | cache | verdicts | seconds each |", "|---|---|---|--:|"]
    same = True
    for name in sorted({row["experiment"] for row in rows}):
        chosen = [row for row in rows if row["experiment"] == name]
        verdicts = Counter(row["verdict"] for row in chosen)
        same = same and len(verdicts) == 1
        told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
        seconds = sum(row["seconds"] for row in chosen) / len(chosen)
        lines.append(f"| {name} | {chosen[0]['cache']} | {told} | {seconds:.1f} |")
    (RESULTS / "repeats.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
