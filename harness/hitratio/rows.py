"""From what the caches did to rows, incidents and a verdict. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.documents import WarningResult
from harness.hitratio.asking import Asked
from harness.hitratio.document import CacheIncident, HitRatioRow
from harness.hitratio.run import Answers
from harness.model import Verdict, incident_notice

EXIT_CODES = {Verdict.PROCEED: 0, Verdict.ROLLBACK: 1, Verdict.INCONCLUSIVE: 2}
EXIT_NOTHING_MEASURED = 5

_FULL = 0.9
"""Of what it could hold; a cache that never holds as much has another bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One capacity of one workload: the hits of the references, and what each cache did (None: not asked)."""

    asked: Asked
    capacity: int
    lru: int
    optimal: int
    most: int
    """Hits that no cache of the capacity can have more of."""
    caches: dict[str, Answers | None]


def rows(cell: Cell) -> list[HitRatioRow]:
    """LRU, the caches in their order, the optimal."""
    notes = {spec: note(spec, did, cell) for spec, did in cell.caches.items()}
    ratios = {
        spec: did.hits / cell.asked.gets
        for spec, did in cell.caches.items()
        if did is not None and not did.missing and not incidents(spec, did, cell)
    }
    best = max((ratio for spec, ratio in ratios.items() if notes[spec] is None), default=None)
    found = [_row(cell, "LRU", "lru", cell.lru / cell.asked.gets)]
    for spec, did in cell.caches.items():
        ratio = ratios.get(spec)
        comparable = ratio is not None and notes[spec] is None
        found.append(
            _row(cell, spec, "cache", ratio).model_copy(
                update={
                    "held": None if did is None else did.held,
                    "comparable": comparable,
                    "best": comparable and ratio == best,
                    "note": notes[spec],
                }
            )
        )
    return [*found, _row(cell, "optimal", "optimal", cell.optimal / cell.asked.gets)]


def note(spec: str, did: Answers | None, cell: Cell) -> str | None:
    """Why the cache is not to be compared at this capacity; None if it is."""
    if did is None:
        return "not asked, because it died before"
    if did.missing:
        lacks = " and no ".join("ttl of its own" if name == "TTL" else f"{name.lower()}()" for name in did.missing)
        return f"skipped: the workload needs what it lacks, it has no {lacks}"
    broken = incidents(spec, did, cell)
    if broken:
        return f"not counted: {broken[0].kind}"
    if did.bound is None:
        return "it takes no bound" + (f"; it held {did.held:,} entries" if did.held is not None else "")
    if did.bound != cell.capacity:
        return f"its spec sets a bound of its own, {did.bound:,}"
    if did.held is None:
        return "it has no size, so nobody saw whether it kept to its bound"
    if did.held > cell.capacity:
        return f"it held {did.held:,} entries"
    if did.hits > cell.most:
        return "it hits more than a cache of this capacity can"
    return None


def incidents(spec: str, did: Answers | None, cell: Cell) -> list[CacheIncident]:
    """What the cache did wrong."""
    if did is None:
        return []
    found = []
    for kind, count, example in (
        ("crash", int(did.died is not None), did.died or ""),
        ("wrong answer", did.wrong, did.examples[0] if did.examples else ""),
        ("error", did.errors, did.examples[-1] if did.examples else ""),
    ):
        if count:
            found.append(
                CacheIncident.model_validate(
                    {
                        "cache": spec,
                        "kind": kind,
                        "workload": cell.asked.name,
                        "capacity": cell.capacity,
                        "count": count,
                        "example": example,
                    }
                )
            )
    return found


def verdict(found: Sequence[HitRatioRow], broken: Sequence[CacheIncident]) -> tuple[Verdict, str, int]:
    """The verdict, why in one line, and the exit code."""
    caches = [row for row in found if row.kind == "cache"]
    measured = [row for row in caches if row.hit_ratio is not None]
    if broken:
        first = broken[0]
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        why = f"{first.cache} on {first.workload} at {first.capacity:,}: {first.kind}, {first.example}{more}"
        return Verdict.ROLLBACK, why, EXIT_CODES[Verdict.ROLLBACK]
    if not measured:
        why = f"nothing was measured: {caches[0].name}: {caches[0].note}"
        return Verdict.INCONCLUSIVE, why, EXIT_NOTHING_MEASURED
    if len(measured) < len(caches):
        left_out = next(row for row in caches if row.hit_ratio is None)
        why = f"what was measured is right, but {left_out.name} on {left_out.workload}: {left_out.note}"
        return Verdict.INCONCLUSIVE, why, EXIT_CODES[Verdict.INCONCLUSIVE]
    return Verdict.PROCEED, _summary(measured), EXIT_CODES[Verdict.PROCEED]


def warnings(cells: Sequence[Cell], found: Sequence[HitRatioRow]) -> list[WarningResult]:
    """What qualifies the rows, each said once."""
    said: dict[str, str] = {}
    for cell in cells:
        asked = cell.asked
        if asked.expires:
            said[f"{asked.name}: ttls run out within its {asked.seconds:,.0f} s, and LRU and optimal know no ttl"] = (
                "read them as bounds that no cache can reach"
            )
        if asked.sets and not asked.folder.look_aside:
            said[f"{asked.name}: what a cache has lost comes back only when it is written again"] = (
                "read optimal as a bound that may be out of reach: it takes entries back when they are asked for"
            )
        for spec, did in cell.caches.items():
            if did is None or did.missing or did.died is not None:
                continue
            room = min(cell.capacity, asked.folder.distinct_keys)
            if did.bound == cell.capacity and did.held is not None and did.held < _FULL * room and not asked.expires:
                said[f"{spec} on {asked.name} at {cell.capacity:,}: it never held more than {did.held:,} entries"] = (
                    "see whether a bound in bytes or the share of a shard is smaller"
                )
            for name, count in did.incidents.items():
                notice = incident_notice(spec, name, count)
                said[notice.message] = notice.remedy
            if did.native_clock:
                said[f"{spec}: ttl not exercised (its clock is not the event loop's)"] = (
                    "make it read the loop's time or time.monotonic to have expiry measured"
                )
    apart: dict[tuple[str, str, str], list[str]] = {}
    for row in found:
        if row.note is not None and row.hit_ratio is not None:
            apart.setdefault((row.name, row.workload, row.note), []).append(f"{row.capacity:,}")
    for (name, workload, why), capacities in apart.items():
        said[f"{name} on {workload} at {', '.join(capacities)} is not comparable: {why}"] = (
            "read it beside the others, not against them"
        )
    return [WarningResult(message=message, remedy=remedy) for message, remedy in said.items()]


def _row(cell: Cell, name: str, kind: str, ratio: float | None) -> HitRatioRow:
    lru = cell.lru / cell.asked.gets
    fields = {
        "workload": cell.asked.name,
        "capacity": cell.capacity,
        "name": name,
        "kind": kind,
        "hit_ratio": ratio,
        "hits": None if ratio is None else round(ratio * cell.asked.gets),
        "against_lru": None if ratio is None else ratio - lru,
        "held": None,
        "comparable": True,
        "best": False,
        "note": None,
    }
    return HitRatioRow.model_validate(fields)


def _summary(measured: Sequence[HitRatioRow]) -> str:
    """Of a run in which nothing went wrong."""
    names = dict.fromkeys(row.name for row in measured)
    said = []
    for name in names:
        mine = [row for row in measured if row.name == name and row.comparable and row.against_lru is not None]
        if not mine:
            said.append(f"{name} is not comparable")
            continue
        points = sorted((row.against_lru or 0.0) * 100 for row in mine)
        span = " to ".join(dict.fromkeys((f"{points[0]:+.2f}", f"{points[-1]:+.2f}")))
        best = f", best {sum(row.best for row in mine)} of {len(mine)} times" if len(names) > 1 else ""
        said.append(f"{name} {span} points to LRU{best}")
    return f"every answer was right; {'; '.join(said)}"
