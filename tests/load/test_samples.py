"""What a process hands on, and what all of them make of it."""

from __future__ import annotations

import random
import stat
from pathlib import Path

import numpy as np
import pytest

from harness.history import FOREIGN, MISS, NO_TTL, Op, Outcome
from harness.load.histogram import Times
from harness.load.samples import COLUMNS, Samples, load, sampled
from harness.load.totals import Totals

SECOND = 1_000_000_000


def rows(count: int, seed: int) -> list[tuple[int, ...]]:
    """Operations of any kind and outcome, over five seconds and two phases."""
    rng = random.Random(seed)
    found: list[tuple[int, ...]] = []
    for _ in range(count):
        start_ns = rng.randrange(5 * SECOND)
        end_ns = start_ns + round(rng.lognormvariate(11, 1))
        due_ns = start_ns - rng.choice([0, 1_000]) if rng.random() < 0.5 else 0
        op = rng.choice([Op.GET, Op.GET, Op.SET, Op.DELETE])
        tag = rng.choice([MISS, FOREIGN, 1_024]) if op is Op.GET else rng.choice([0, 1])
        outcome = rng.choice([Outcome.OK] * 8 + [Outcome.RAISED, Outcome.UNKNOWN])
        where = rng.choice([2, 4])
        found.append((where, op, rng.randrange(100), tag, NO_TTL, rng.randrange(9), due_ns, start_ns, end_ns, outcome))
    return found


def told(samples: Samples, some: list[tuple[int, ...]], totals: Totals) -> None:
    """Hand some rows on."""
    for row in some:
        samples.rows.extend(row)
    totals.add(samples.digest(samples.take()))


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_merging_is_exact(processes: int) -> None:
    """However many processes, and however often they report: the same counts, quantiles and seconds."""
    all_rows = rows(3_000, seed=processes)
    whole, parts = Totals(), Totals()
    together, apart = Samples(0), [Samples(0) for _ in range(processes)]
    for samples in (together, *apart):
        samples._offset_ns = 0
    told(together, all_rows, whole)
    for start in range(0, 3_000, 250):
        told(apart[start % processes], all_rows[start : start + 250], parts)
    mine, theirs = whole.result(), parts.result()
    assert mine["counts"] == theirs["counts"]
    assert mine["times"] == theirs["times"]
    assert mine["series"] == theirs["series"]


def test_counts_are_those_of_the_rows() -> None:
    """By hand, of what matters most."""
    samples, totals = Samples(0), Totals()
    some = rows(2_000, seed=7)
    told(samples, some, totals)
    table = np.array(some)
    ok = (table[:, 0] == 2) & (table[:, 9] == Outcome.OK)
    gets = ok & (table[:, 1] == Op.GET)
    found = totals.result()["counts"]["2"]
    assert found["get_ok"] == gets.sum()
    assert found["hits"] == (gets & (table[:, 3] != MISS)).sum()
    assert found["wrong"] == (gets & (table[:, 3] == FOREIGN)).sum()
    assert (
        found["set_unknown"] == ((table[:, 0] == 2) & (table[:, 1] == Op.SET) & (table[:, 9] == Outcome.UNKNOWN)).sum()
    )
    exact = np.sort((table[:, 8] - np.where(table[:, 6] > 0, table[:, 6], table[:, 7]))[gets])
    response = Times.of(totals.result()["times"]["2/get"]["response"])
    assert response.count == len(exact)
    assert response.seconds(1.0) == pytest.approx(exact[-1] / 1e9, rel=1e-3)


def test_failures_are_told_once() -> None:
    """With a few examples."""
    samples, totals = Samples(0), Totals()
    for number in range(5):
        samples.failed(0, int(Op.GET), "error reply", f"ERR {number}")
    told(samples, [], totals)
    told(samples, [], totals)
    assert totals.result()["failures"] == {"0/error reply": 5}
    assert totals.result()["examples"]["0/error reply"] == ["ERR 0", "ERR 1", "ERR 2"]


def test_some_keys_are_kept_whole(tmp_path: Path) -> None:
    """All operations of a sampled key, none of another; about as many keys as asked for."""
    samples = Samples(4)
    some = rows(4_000, seed=3)
    told(samples, some, Totals())
    samples.save(tmp_path / "kept.npz")
    kept = load(tmp_path / "kept.npz")
    wanted = sampled(np.array(some)[:, 2], 4)
    assert kept.tolist() == np.array(some)[wanted].tolist()
    assert sampled(np.arange(10_000), 1).all()
    assert 2_300 < sampled(np.arange(10_000), 4).sum() < 2_700


def test_a_history_follows_no_link(tmp_path: Path) -> None:
    """What a link points at stays as it is; an older history makes room, and nobody else reads the new one."""
    victim, path = tmp_path / "victim", tmp_path / "users-0.npz"
    victim.write_text("precious")
    path.symlink_to(victim)
    for _ in range(2):
        Samples(1).save(path)
        assert victim.read_text() == "precious"
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        assert len(load(path)) == 0
        assert sorted(each.name for each in tmp_path.iterdir()) == ["users-0.npz", "victim"]


def test_what_is_no_history_is_refused(tmp_path: Path) -> None:
    """Another file, or other columns."""
    path = tmp_path / "other.npz"
    with path.open("wb") as file:
        np.savez(file, rows=np.zeros((1, 3)), columns=np.array(COLUMNS[:3]))
    with pytest.raises(ValueError, match="other columns"):
        load(path)
    with pytest.raises(ValueError, match="no history"):
        load(tmp_path / "absent.npz")


def test_old_seconds_keep_what_is_shown_of_them() -> None:
    """A long run's series is that of a short one, and its histograms are not kept."""
    samples, totals = Samples(0), Totals()
    samples._offset_ns = 0
    some = [(*row[:7], row[7] + 100 * SECOND, row[8] + 100 * SECOND, row[9]) for row in rows(500, seed=5)]
    told(samples, some, totals)
    before = totals.result()["series"]
    later = [(*row[:7], row[7] + 300 * SECOND, row[8] + 300 * SECOND, row[9]) for row in some]
    told(samples, later, totals)
    assert totals.result()["series"][: len(before)] == before
    assert min(totals._responses) >= 400
