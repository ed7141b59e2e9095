"""What all processes of a run handed on, added up: exact, whoever it came from and in whatever order."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from harness.load.histogram import Times

_EXAMPLES = 3
_LATE_SECONDS = 3
"""After so many seconds a row of the series is whole: workers report once a second."""


_SETTLED_SECONDS = 60
"""No process reports later than this."""
_GAP_SECONDS = 10
"""The latest row is looked for so far back. Never further: this runs once a second while users wait."""


class Totals:
    """Digests of `Samples`, merged."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        """By `where`."""
        self.times: dict[str, dict[str, Times]] = {}
        """By `where/operation`: service and response."""
        self.failures: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self.loads = 0
        self.stampedes = 0
        self.workers: dict[int, dict[str, Any]] = {}
        """What each process said of itself at its end: phases, connections, where its history is."""
        self._operations = 0
        self._seconds: dict[int, Counter[str]] = defaultdict(Counter)
        self._responses: dict[int, Times] = {}
        self._quantiles: dict[int, tuple[float, float]] = {}
        """p50 and p99 of seconds that are settled."""

    def add(self, digest: dict[str, Any]) -> None:
        """Count a digest."""
        for where, counts in digest["counts"].items():
            self.counts[where].update(counts)
        for place, kinds in digest["times"].items():
            found = self.times.setdefault(place, {"service": Times(), "response": Times()})
            for kind, said in kinds.items():
                found[kind].merge(said)
        for second, row in digest["seconds"].items():
            self._seconds[int(second)].update({name: row[name] for name in ("operations", "errors", "hits", "misses")})
            self._operations += row["operations"]
            self._responses.setdefault(int(second), Times()).merge(row["response"])
        self._settle()
        self.failures.update(digest["failures"])
        for what, texts in digest["examples"].items():
            shown = self.examples.setdefault(what, [])
            shown += [text for text in texts if text not in shown][: _EXAMPLES - len(shown)]
        self.loads += digest["loads"]
        self.stampedes += digest["stampedes"]

    def _settle(self) -> None:
        """Keep of old seconds what is shown of them: a histogram takes 100 kB, and a soak has thousands."""
        settled = max(self._seconds, default=0) - _SETTLED_SECONDS
        for second in [each for each in self._responses if each < settled]:
            times = self._responses.pop(second)
            self._quantiles[second] = (times.seconds(0.5), times.seconds(0.99))

    def ended(self, worker: int, said: dict[str, Any]) -> None:
        """A process has ended, and says this of itself."""
        self.workers[worker] = said

    def series(self) -> list[dict[str, Any]]:
        """A row a second, in order."""
        rows = []
        for second in sorted(self._seconds):
            counts, times = self._seconds[second], self._responses.get(second)
            p50, p99 = self._quantiles[second] if times is None else (times.seconds(0.5), times.seconds(0.99))
            reads = counts["hits"] + counts["misses"]
            rows.append(
                {
                    "time": second,
                    "operations": counts["operations"],
                    "errors": counts["errors"],
                    "hit_ratio": counts["hits"] / reads if reads else None,
                    "p50": p50,
                    "p99": p99,
                }
            )
        return rows

    def latest(self) -> dict[str, Any] | None:
        """The last row that is whole."""
        newest = max(self._seconds, default=0)
        second = next((newest - ago for ago in range(_LATE_SECONDS, _GAP_SECONDS) if newest - ago in self._seconds), 0)
        if not second:
            return None
        counts, times = self._seconds[second], self._responses[second]
        return {
            "time": second,
            "operations": counts["operations"],
            "errors": counts["errors"],
            "p50": times.seconds(0.5),
            "p99": times.seconds(0.99),
            "total": self._operations,
        }

    def result(self) -> dict[str, Any]:
        """All of it, as plain types."""
        return {
            "counts": {where: dict(counts) for where, counts in self.counts.items()},
            "times": {
                place: {kind: times.to_plain() for kind, times in kinds.items()} for place, kinds in self.times.items()
            },
            "failures": dict(self.failures),
            "examples": self.examples,
            "loads": self.loads,
            "stampedes": self.stampedes,
            "workers": [self.workers[number] | {"worker": number} for number in sorted(self.workers)],
            "series": self.series(),
        }
