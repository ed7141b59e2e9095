"""A trace of five million accesses streams: readers, references and a cache's process each stay under 100 MB.

The readers read all of it. References and the cache get its first million here, since what they hold does not depend on
how many follow; `CACHEGATE_ACCESSES=5000000 pytest -s tests/hitratio/test_memory.py` asks them all.

`pytest -s` shows the figures.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
import zstandard
from conftest import ROOT

from harness.measure.traces.oracle_general import RECORD

ACCESSES, KEYS, CHUNK = 5_000_000, 500_000, 250_000
ASKED = os.environ.get("CACHEGATE_ACCESSES", "1000000")
MOST_BYTES = 100_000_000
CACHES = Path(__file__).parent / "caches.py"

READ = """
import sys
from pathlib import Path
from caches import most_resident_bytes
from harness.measure.traces import Interner, read
interner, count = Interner(), 0
for chunk in read(Path(sys.argv[1])):
    interner.ids(chunk.key)
    count += len(chunk.key)
print(count, interner.count, most_resident_bytes())
"""

HIT_RATIO = """
import sys
from caches import most_resident_bytes
from harness import cli
code = cli._run(["hitratio", *sys.argv[1:]])
print(code, most_resident_bytes())
"""


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same Zipf accesses in both binary formats."""
    folder = tmp_path_factory.mktemp("traces")
    rng = np.random.default_rng(1)
    edges = np.cumsum(1 / np.arange(1, KEYS + 1) ** 0.9)
    names = rng.permutation(KEYS)
    with (
        (folder / "t.trace").open("wb") as plain,
        (folder / "t.oracleGeneral.zst").open("wb") as packed,
        zstandard.ZstdCompressor().stream_writer(packed) as oracle,
    ):
        for start in range(0, ACCESSES, CHUNK):
            keys = names[np.searchsorted(edges, rng.random(CHUNK) * edges[-1])]
            rows = np.zeros(CHUNK, dtype=RECORD)
            rows["key"], rows["time"], rows["size"], rows["next"] = keys, start // 1000, 100, -1
            oracle.write(rows.tobytes())
            plain.write(keys.astype(">i4").tobytes())
    return folder


def told(folder: Path, code: str, *arguments: str) -> tuple[list[str], float]:
    """The words of the last line that code prints in a process of its own, and its seconds."""
    began = perf_counter()
    path = f"{ROOT}{os.pathsep}{CACHES.parent}"
    output = subprocess.check_output(
        [sys.executable, "-c", code, *arguments], cwd=folder, env=os.environ | {"PYTHONPATH": path}, text=True
    )
    return output.splitlines()[-1].split(), perf_counter() - began


@pytest.mark.slow
@pytest.mark.parametrize("name", ["t.trace", "t.oracleGeneral.zst"])
def test_readers_stream(traces: Path, name: str) -> None:
    """All of it read and interned."""
    (count, distinct, resident), seconds = told(traces, READ, name)
    print(f"\n{name}: {int(resident) / 1e6:.0f} MB, {seconds:.1f} s, {int(distinct):,} keys")
    assert int(count) == ACCESSES
    assert KEYS * 0.8 < int(distinct) <= KEYS
    assert int(resident) < MOST_BYTES


@pytest.mark.slow
def test_hitratio_streams(traces: Path) -> None:
    """Looking ahead, LRU and the optimal included; and the process in which the cache answers."""
    (code, resident), seconds = told(
        traces, HIT_RATIO, f"{CACHES}:TellsItsMemory", "-w", "trace:t.oracleGeneral.zst", "--capacity", "1000",
        "--requests", ASKED,
    )  # fmt: skip
    of_cache = int((traces / "cache-process").read_text())
    print(f"\nhitratio: {int(resident) / 1e6:.0f} MB, the cache's process {of_cache / 1e6:.0f} MB, {seconds:.1f} s")
    assert code == "0"
    assert int(resident) < MOST_BYTES
    assert of_cache < MOST_BYTES
