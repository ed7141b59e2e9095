"""Every cache at the same requests in one run: the README's table of rivals (`nox -s bench`), results/bench/rivals.md.

`python tests/benchmarks/against.py` asks for gets alone and for sets alone, of 10,000 and 100,000 entries, then of the
new cache and a dictionary from 1,000 to 1,000,000. Blocks hold all caches side by side, so a ratio is of one moment;
`--blocks` says how many, `--only` which part (others keep what was measured before). Fills are not timed, all
entries have a ttl of an hour, nothing expires or is evicted.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cache_impls.registry import NotInstalledError, Spec, parse
from harness.errors import CachegateError
from harness.measure.bench import BATCH
from harness.measure.blocks import BATCHES, Blocks
from harness.measure.environment import processors
from harness.measure.generate import draw
from harness.measure.requests import Requests
from harness.measure.ring import Interpreters
from harness.measure.workload import EntryKind, Mix, Synthetic, Uniform
from harness.stats.location import one_sample

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "results" / "bench"
BARE = f"{Path(__file__).parent / 'bare.py'}:BareDict"
OURS = "improved"
RIVALS = ("legacy", "cacheout?default_ttl=0", "theine", "cachetools", "cashews", "aiocache")
"""cacheout without a default ttl, so that it can be filled: where entries have one it looks at every entry for each
that is new, a minute for the first 20,000. It gets its ttls by overwriting."""
ROOMY = "improved?max_memory_mb=4000"
"""A million entries are more than its default allows."""
CONFIDENCE = 0.95
WEIGHED = "get-10000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One workload on some caches."""

    name: str
    title: str
    operation: str
    entries: int
    specs: tuple[str, ...]


PARTS = [
    *(
        Part(
            name=f"{operation}-{entries}",
            title=f"{operation}, {entries:,} entries",
            operation=operation,
            entries=entries,
            specs=(BARE, OURS, *RIVALS),
        )
        for entries in (10_000, 100_000)
        for operation in ("get", "set")
    ),
    *(
        Part(
            name=f"growth-{operation}-{entries}",
            title=f"{operation}, {entries:,} entries",
            operation=operation,
            entries=entries,
            specs=(BARE, ROOMY),
        )
        for operation in ("get", "set")
        for entries in (1_000, 1_000_000)
    ),
]


def main() -> int:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, help="of each part; 12, and 6 of those that take long")
    parser.add_argument("--only", action="append", help="the beginning of a part's name; may be repeated")
    arguments = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    stored = RESULTS / "rivals.json"
    found: dict[str, Any] = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
    for part in PARTS:
        if arguments.only and not any(part.name.startswith(start) for start in arguments.only):
            continue
        count = arguments.blocks or (12 if part.entries <= 10_000 else 6)
        found[part.name] = _measure(part, count)
        stored.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    table = _table(found)
    (RESULTS / "rivals.md").write_text(table, encoding="utf-8")
    print(table)
    return 0


def _measure(part: Part, count: int) -> dict[str, Any]:
    """Microseconds an operation of each cache, block by block, and bytes an entry."""
    settings = [spec for spec in map(_installed, part.specs) if spec is not None]
    definition = Synthetic(
        name=part.name,
        title=part.title,
        question="What does an operation cost?",
        source="ours: every key alike, so that the processor's caches help nobody",
        seed=20_261_122,
        keys=part.entries,
        popularity=Uniform(kind="uniform"),
        key_format="user{:012d}",
        mix=Mix(get=1) if part.operation == "get" else Mix(set=1),
        entries=(EntryKind(bytes=100, ttl_seconds=3_600, share=1),),
        capacity=part.entries + part.entries // 5,
        look_aside=False,
        rate_per_second=10_000,
        preload=part.entries,
    )
    plain = draw(definition, BATCH * BATCHES)
    requests = _filled_twice(plain)
    seed = secrets.randbelow(2**32)
    rng = random.Random(seed)
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="cachegate-") as folder, Interpreters(seed) as interpreters:
        files = [Path(folder) / name for name in ("requests", "weighed")]
        requests.write(files[0])
        plain.write(files[1])
        blocks, weighed = (
            Blocks(requests, file, settings, interpreters, processors=processors(), limit_seconds=120) for file in files
        )
        members = range(len(settings))
        blocks.pilot(rng, members)
        for number in range(count):
            block = blocks.block(rng, members)
            for trouble in block.troubles:
                raise CachegateError(f"{settings[trouble.setting].text}: {trouble.incident}")
            times = block.values["operation_time"]
            rows.append({spec.text: ns / 1e3 for spec, ns in zip(settings, times, strict=True)})
            _say(f"{part.title}: block {number + 1} of {count}")
        weights = weighed.weigh(members).values["memory"] if part.name == WEIGHED else ()
    _say("")
    return {
        "title": part.title,
        "seed": seed,
        "blocks": rows,
        "bytes": {spec.text: weight for spec, weight in zip(settings, weights, strict=False)},
    }


def _filled_twice(requests: Requests) -> Requests:
    """The same, filled without ttls first: see `RIVALS`."""
    fill = slice(requests.preload)
    return replace(
        requests,
        op=np.concatenate([requests.op[fill], requests.op]),
        key=np.concatenate([requests.key[fill], requests.key]),
        size=np.concatenate([requests.size[fill], requests.size]),
        ttl_ms=np.concatenate([np.zeros_like(requests.ttl_ms[fill]), requests.ttl_ms]),
        time_ns=np.concatenate([requests.time_ns[fill], requests.time_ns]),
        preload=2 * requests.preload,
    )


def _installed(text: str) -> Spec | None:
    spec = parse(text)
    try:
        spec.defaults()
    except NotInstalledError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return None
    return spec


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _table(found: dict[str, Any]) -> str:
    lines = [
        "| one operation, and an entry | "
        + " | ".join(found[name]["title"] for name in _columns(found))
        + " | memory |",
        "|---|" + "--:|" * (len(_columns(found)) + 1),
    ]
    names = list(found[_columns(found)[0]]["blocks"][0]) if _columns(found) else []
    for name in names:
        cells = [_cell(found[part]["blocks"], name) for part in _columns(found)]
        weight = found.get(WEIGHED, {"bytes": {}})["bytes"].get(name)
        weighed = "" if weight is None else f"{weight:,.0f} B"
        lines.append(f"| {_label(name)} | {' | '.join(cells)} | {weighed} |")
    lines += ["", *_growth(found)]
    return "\n".join(lines) + "\n"


def _columns(found: dict[str, Any]) -> list[str]:
    return [part.name for part in PARTS if part.name in found and not part.name.startswith("growth")]


def _cell(blocks: list[dict[str, float]], name: str) -> str:
    """Microseconds, and how many times as long as the new cache, with the interval of that."""
    middle = float(np.median([block[name] for block in blocks]))
    if name == OURS:
        return f"**{middle:.2f} us**"
    ratio = one_sample([float(np.log(block[name] / block[OURS])) for block in blocks], CONFIDENCE)
    value, low, high = (float(np.exp(x)) for x in (ratio.value, ratio.low, ratio.high))
    return f"{middle:.2f} us, x {value:.2f} ({low:.2f} to {high:.2f})"


def _growth(found: dict[str, Any]) -> list[str]:
    """How much longer an operation takes among 1,000,000 entries than among 1,000, of ours and of a dictionary."""
    lines = []
    for operation in ("get", "set"):
        small, large = (found.get(f"growth-{operation}-{entries}") for entries in (1_000, 1_000_000))
        if small is None or large is None:
            continue
        times = {
            name: [float(np.median([block[name] for block in part["blocks"]])) for part in (small, large)]
            for name in (BARE, ROOMY)
        }
        told = " and ".join(
            f"{_label(name)} {few:.2f} to {many:.2f} us (x {many / few:.1f})" for name, (few, many) in times.items()
        )
        lines += [f"From 1,000 to 1,000,000 entries a {operation} takes of {told}.", ""]
    return lines[:-1]


def _label(name: str) -> str:
    return "a dictionary alone" if name == BARE else f"`{name.removesuffix('?max_memory_mb=4000')}`"


if __name__ == "__main__":
    sys.exit(main())
