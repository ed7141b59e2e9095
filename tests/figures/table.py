"""The table of figures from the finished runs: what was reached, of how many, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.stats import binomtest

from harness.documents import BaselineDocument, Environment
from harness.gate import stored
from harness.gate.policy import GATED
from harness.model import Verdict
from harness.stats.location import one_sample

Record = dict[str, Any]

_BREAK_SECONDS = 1_200.0
"""Without any run between, two belong to different sessions."""
_APART_SECONDS = 600


def render(records: list[Record], machine: Environment) -> str:
    """The table as Markdown."""
    of = {name: [r for r in records if r["figure"] == name] for name in {r["figure"] for r in records}}
    rows = [row for make in _ROWS for row in make(of)]
    head = [
        "# Figures of the gate",
        "",
        (
            f"Measured by `nox -s figures` on {machine.cpu_model}, {machine.cpu_count} processors, {machine.system}, "
            f"Python {machine.python}; other work shared the machine. Intervals are 95 % Clopper-Pearson."
        ),
        "`gate` runs `ycsb-b` on copies of `improved` whose operations are slowed by a known amount.",
        (
            f"{len(records)} runs, {sum(r.get('seconds', 0) for r in records) / 3600:.1f} hours, "
            f"of commit {', '.join(dict.fromkeys(r['commit'] for r in records))}."
        ),
        "",
        "| figure | to reach | measured |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


Of = dict[str, list[Record]]
Row = tuple[str, str, str]


def _false_alarms(of: Of) -> Iterable[Row]:
    quiet, bursty = of.get("same, quiet", []), of.get("same, bursty", [])
    both = quiet + bursty
    if both:
        yield (
            "false ROLLBACK on the same code, live gate",
            "0 of 300, a third under bursty load",
            f"{_share(both, 'rollback')}, {len(bursty)} under bursty load; {_count(both, 'inconclusive')} undecided",
        )


def _detections(of: Of) -> Iterable[Row]:
    targets = {
        "+10 %, quiet": ("ROLLBACK at a true +10 %", "-", "rollback"),
        "+10 %, bursty": ("ROLLBACK at a true +10 %, bursty", "-", "rollback"),
        "+8 %, quiet": ("ROLLBACK at a true +8 %", "10 of 10", "rollback"),
        "+8 %, bursty": ("ROLLBACK at a true +8 %, bursty", "10 of 10", "rollback"),
        "+7 %, quiet": ("ROLLBACK at a true +7 %", "50 of 50", "rollback"),
        "+6 %, quiet": ("ROLLBACK at a true +6 % within 60 s (beyond)", "95 %", "rollback"),
        "+4 %, quiet": ("PROCEED at a true +4 % within 60 s (beyond)", "95 %", "proceed"),
        "+3 %, quiet": ("PROCEED at a true +3 %", "95 %", "proceed"),
        "sweep +12 %": ("ROLLBACK on cpu time when only the sweep is slower", "10 of 10", "rollback"),
    }
    for name, (title, reach, verdict) in targets.items():
        runs = of.get(name)
        if runs:
            wrong = {"rollback": "proceed", "proceed": "rollback"}[verdict]
            metric = "cpu_time" if name.startswith("sweep") else "operation_time"
            changes = [run["metrics"][metric][0] * 100 for run in runs]
            yield (
                title,
                reach,
                (
                    f"{_share(runs, verdict)}, {_count(runs, wrong)} the other way; "
                    f"{metric} {np.median(changes):+.1f} % in the median, {_seconds(runs)}"
                ),
            )


def _times(of: Of) -> Iterable[Row]:
    for load, reach in (("quiet", "8 s"), ("bursty", "20 s")):
        for kind in ("same", "+10 %"):
            runs = of.get(f"{kind}, {load}")
            if runs:
                yield f"median time to a verdict, {kind}, {load}", reach, _seconds(runs)


def _widths(of: Of) -> Iterable[Row]:
    for mode, reach in (("pairs", "0.4 %"), ("precise", "0.2 %")):
        runs = of.get(f"half-width, {mode}")
        if runs:
            widths = [run["half_width"] * 100 for run in runs]
            pairs = int(np.median([run["pairs"] for run in runs]))
            yield (
                f"half-width of the 99 % interval after 60 s, {mode}",
                reach,
                f"{np.median(widths):.2f} % in the median of {len(runs)} ({pairs} pairs)",
            )
    calibrations = of.get("calibrate")
    if calibrations:
        spread = np.median([run["spread"] for run in calibrations]) * 100
        yield "spread of a pair's operation time", "-", f"{spread:.2f} %"
    pooled = [d for run in of.get("same, quiet", []) for d in run["differences"]]
    if len(pooled) >= 10:
        estimate = one_sample(pooled[:2000], 0.99)
        yield (
            "the same code, all pairs pooled",
            "0 %",
            (
                f"{estimate.value * 100:+.2f} % ({estimate.low * 100:+.2f} to {estimate.high * 100:+.2f}), "
                f"{len(pooled)} pairs"
            ),
        )


def _stored(of: Of) -> Iterable[Row]:
    """All comparisons, then those within one session alone: between two the machine itself may have changed."""
    session_of = _sessions([run["at"] for runs in of.values() for run in runs])
    same = [(run["at"], BaselineDocument.model_validate(run["document"])) for run in of.get("stored, same", [])]
    slow = [(run["at"], BaselineDocument.model_validate(run["document"])) for run in of.get("stored, +10 %", [])]
    for what, reach, pairs in (
        ("false ROLLBACK", "1 %", [(one, other) for one in same for other in same if one[0] < other[0]]),
        ("ROLLBACK at +10 %", "95 %", [(one, other) for one in same for other in slow]),
    ):
        apart = [(one, other) for one, other in pairs if abs(other[0] - one[0]) >= _APART_SECONDS]
        verdicts = [(_compare(one[1], other[1]), session_of[one[0]] == session_of[other[0]]) for one, other in apart]
        if verdicts:
            yield f"stored: {what}, ten minutes apart or more", reach, _of_verdicts([v for v, _ in verdicts])
        within = [verdict for verdict, together in verdicts if together]
        if within and len(within) < len(verdicts):
            yield f"stored: {what}, the same within one session", reach, _of_verdicts(within)


def _sessions(times: list[float]) -> dict[float, int]:
    """The session of each run: one ends where nothing was measured for `_BREAK_SECONDS`."""
    found: dict[float, int] = {}
    session, before = 0, -math.inf
    for at in sorted(times):
        session += at - before > _BREAK_SECONDS
        found[at] = session
        before = at
    return found


def _compare(one: BaselineDocument, other: BaselineDocument) -> Verdict:
    if stored.mismatches(one, other):
        return Verdict.INCONCLUSIVE
    results = stored.compare(one, other, GATED)
    return Verdict.worst([result.verdict for result in results if result.verdict is not None])


def _of_verdicts(verdicts: list[Verdict]) -> str:
    undecided = sum(verdict is Verdict.INCONCLUSIVE for verdict in verdicts)
    count = sum(verdict is Verdict.ROLLBACK for verdict in verdicts)
    return f"{count} of {len(verdicts)} comparisons ({count / len(verdicts):.1%}), {undecided} undecided"


def _costs(of: Of) -> Iterable[Row]:
    costs = [run["harness_ns"] for run in of.get("same, quiet", []) if run["harness_ns"]]
    if costs:
        yield (
            "harness cost inside the timed region, an operation (with a null cache's own call)",
            "0.15 us",
            f"{np.median(costs) / 1000:.3f} us in the median, {min(costs) / 1000:.3f} at best",
        )
    starts = [run["start_seconds"] for run in of.get("start", [])]
    if starts:
        text = f"{np.median(starts):.3f} s in the median, {min(starts):.3f} at best"
        yield "start of a trial process to its first operation", "0.15 s", text


def _coverage(_of: Of) -> Iterable[Row]:
    rng = np.random.default_rng(20261121)
    lowest = min(_covered(noise, rng) for noise in ("normal", "heavy tails", "drift", "bursts", "autocorrelated"))
    yield "coverage of 95 % intervals over simulated noise, the worst of five kinds", "94 %", f"{lowest:.1%}"


def _covered(noise: str, rng: np.random.Generator, runs: int = 3000, pairs: int = 20) -> float:
    """The share of intervals that hold the true difference, 0, when trials have such noise."""
    held = 0
    for _ in range(runs):
        trials = rng.normal(size=2 * pairs)
        if noise == "heavy tails":
            trials = rng.standard_t(2, size=2 * pairs)
        elif noise == "drift":
            trials += np.linspace(0, 10, 2 * pairs)
        elif noise == "bursts":
            trials += np.where(rng.random(2 * pairs) < 0.2, rng.exponential(5, 2 * pairs), 0)
        elif noise == "autocorrelated":
            for i in range(1, 2 * pairs):
                trials[i] += 0.7 * trials[i - 1]
        sides = trials.reshape(pairs, 2)
        # The order of each pair is a coin, as in the gate.
        differences = (sides[:, 1] - sides[:, 0]) * rng.choice([-1, 1], size=pairs)
        estimate = one_sample(differences, 0.95)
        held += estimate.low <= 0 <= estimate.high
    return held / runs


def _rivals(of: Of) -> Iterable[Row]:
    for tool in ("pytest-benchmark", "pyperf"):
        for kind, right in (("same", False), ("+7 %", True)):
            runs = of.get(f"{tool}, {kind}")
            if runs:
                parts = [f"{field} {sum(run['fails'][field] for run in runs)}" for field in runs[0]["fails"]]
                what = "says slower at a true +7 %" if right else "false alarms on the same code"
                yield (
                    f"{tool} at 5 %: {what}",
                    "(for comparison)",
                    f"{', '.join(parts)} of {len(runs)}; {_seconds(runs)}",
                )


_ROWS = (_false_alarms, _detections, _times, _widths, _stored, _costs, _coverage, _rivals)


def _count(runs: list[Record], verdict: str) -> int:
    return sum(run["verdict"] == verdict for run in runs)


def _share(runs: list[Record], verdict: str) -> str:
    count = _count(runs, verdict)
    interval = binomtest(count, len(runs)).proportion_ci(0.95)
    return f"{count} of {len(runs)} ({interval.low:.1%} to {interval.high:.1%})"


def _seconds(runs: list[Record]) -> str:
    return f"{np.median([run['seconds'] for run in runs]):.1f} s a run"
